/** The options by which the wrappers of `identity_providers.ts` ask for a host, a base URL or an id, and what is wrong with those given. */
import type { z } from "zod";
import { printable } from "../lib/gateway/config_error.ts";
import { option, type OptionRule, type Text, text, textProblem } from "../lib/gateway/options.ts";
import { urlProblem } from "../lib/gateway/url_options.ts";
import { parseHttpUri } from "../lib/oauth/http_uri.ts";

/** Labels of a public host name; the last one is no number, which would make it an address. */
const HOST_NAME = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Options of {@linkcode bareHost} and {@linkcode baseUrl}. */
export interface PlaceRule extends OptionRule {
  /** Returns what is wrong with a value that is well-formed, or nothing. */
  readonly check?: (value: string) => string | undefined;
}

/** A host name with a dot in it, without scheme, port and path; lower case once read. */
export function bareHost(rule: PlaceRule): z.ZodType<string, Text> {
  return option(rule, (value, refuse) => {
    const host = String(value).toLowerCase();
    const problem = textProblem(value) ?? hostProblem(host) ?? rule.check?.(host);
    if (problem !== undefined) refuse(problem);
    return host;
  });
}

function hostProblem(host: string): string | undefined {
  const shown = printable(host);
  if (/[{}<>]/.test(host)) return `${shown} has a part that still has to be filled in`;
  if (/^[a-z][a-z0-9+.-]*:\/\//.test(host)) return `${shown} is a URL, and only its host belongs here`;
  if (/[/?#@:]/.test(host)) return `${shown} is more than a host`;
  if (!host.includes(".")) return `${shown} has no dot, so it is no whole host name`;
  return HOST_NAME.test(host) ? undefined : `${shown} is no host name`;
}

/** An https URL (http on loopback only) without query; an origin and perhaps a path once read, without a final slash. */
export function baseUrl(rule: PlaceRule): z.ZodType<string, Text> {
  return option(rule, (value, refuse) => {
    const written = String(value);
    const problem = textProblem(value) ?? urlProblem(written, { plainHttp: "loopback" }) ??
      pathProblem(written) ?? rule.check?.(written);
    if (problem !== undefined) refuse(problem);
    const parsed = parseHttpUri(written);
    return parsed === null ? written : parsed.origin + parsed.path.replace(/\/$/, "");
  });
}

function pathProblem(written: string): string | undefined {
  const path = parseHttpUri(written)?.path ?? "";
  return /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)*\/?$/.test(path)
    ? undefined
    : `${printable(written)} has a path that is not in its plain form`;
}

/** The path of a URL that {@linkcode baseUrl} found well-formed, without a final slash. */
export function pathOf(written: string): string {
  return parseHttpUri(written)?.path.replace(/\/$/, "") ?? "";
}

/** Options of {@linkcode identifier}. */
export interface IdentifierRule extends OptionRule {
  readonly pattern: RegExp;
  /** What a value is not, such as `no tenant id`. */
  readonly otherwise: string;
  /** Returns what is wrong with a value, when there is more to say than `otherwise`. */
  readonly check?: (value: string) => string | undefined;
}

/** A value of a fixed shape, such as an id that the provider hands out. */
export function identifier(rule: IdentifierRule): z.ZodType<string, Text> {
  return text({
    ...rule,
    check: (value) =>
      rule.check?.(value) ??
        (rule.pattern.test(value) ? undefined : `${printable(value)} is ${rule.otherwise}`),
  });
}

/** A UUID, in lower case once read: that is how providers write it in their tokens. */
export function uuid(rule: PlaceRule & { readonly otherwise: string }): z.ZodType<string, Text> {
  return option(rule, (value, refuse) => {
    const id = String(value).toLowerCase();
    const problem = textProblem(value) ?? rule.check?.(id) ??
      (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)
        ? undefined
        : `${printable(String(value))} is ${rule.otherwise}`);
    if (problem !== undefined) refuse(problem);
    return id;
  });
}

/** One segment of a path: neither `.` nor `..`, and nothing that would have to be escaped. */
export const PATH_SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,255}$/;
