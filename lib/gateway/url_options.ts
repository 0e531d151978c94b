/** Options that are URLs, origins or hosts, and what is wrong with those that are not. */
import type { z } from "zod";
import { hasUriCharacters, parseHttpUri } from "../oauth/http_uri.ts";
import { type PublicUrlSetting } from "../http/public_url.ts";
import { printable } from "./config_error.ts";
import { isPlainObject } from "./definition.ts";
import { isLoopbackHost } from "../http/network_address.ts";
import { option, type Text, text, textProblem, typeName } from "./options.ts";

/** What a URL option allows beyond https without query. */
export interface UrlRule {
  /** Where plain http is good enough. */
  readonly plainHttp: "loopback" | "anywhere";
  readonly query?: boolean;
  readonly example: string;
}

/** An absolute URL with https, and http where the rule says so. It is kept exactly as it was written. */
export function url(rule: UrlRule): z.ZodType<string, Text> {
  const scheme = rule.plainHttp === "anywhere"
    ? "an http or https URL"
    : "an https URL (http on loopback only)";
  return text({ expected: scheme, example: rule.example, check: (value) => urlProblem(value, rule) });
}

/** Labels of a name (an underscore is seen in private networks), or an address literal. */
const HOSTNAME = /^(?:\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)$/;

/** What is wrong with a string as a URL, or nothing. Credentials in it are not repeated. */
export function urlProblem(value: string, rule: Omit<UrlRule, "example">): string | undefined {
  const shown = printable(value);
  if (/[{}<>]/.test(value)) return `${shown} has a part that still has to be filled in`;
  if (!/^https?:\/\//i.test(value)) return `${shown} does not begin with https://`;
  if (/^[^/]*\/\/[^/?#]*@/.test(value)) {
    return "The URL holds a user name or password, which would be logged and shown";
  }
  if (!hasUriCharacters(value)) return `${shown} has characters that a URL cannot have, or is too long`;
  const parsed = parseHttpUri(value);
  if (parsed === null || !HOSTNAME.test(parsed.hostname)) return `${shown} has no host in its plain form`;
  if (value.includes("#")) return `${shown} has a fragment, which is never sent`;
  if (parsed.query !== "" && rule.query !== true) {
    return `${shown} has a query, which does not belong in this URL`;
  }
  if (parsed.scheme === "http" && rule.plainHttp === "loopback" && !isLoopbackHost(parsed.hostname)) {
    return `${shown} uses plain http, so anyone on the way could read and change what is sent`;
  }
  return undefined;
}

const PUBLIC_URL = {
  expected: "the https origin that clients see, without a path",
  example: "https://gateway.example.com",
};

/** A host pattern: `app.example.com`, or `*.example.com` for whatever stands in front. */
const HOST_PATTERN =
  /^(?:\*\.(?=[^.]+\.))?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?::\d{1,5})?$/;

/** The `publicUrl` option: one origin, or a list of host patterns. */
export function publicUrl(): z.ZodType<PublicUrlSetting, Text | { readonly hosts: readonly Text[] }> {
  return option(PUBLIC_URL, (value, refuse): PublicUrlSetting => {
    if (!isPlainObject(value)) {
      const problem = typeof value === "string"
        ? originProblem(value)
        : `An origin or { hosts: […] } is expected, but ${typeName(value)} was given`;
      if (problem !== undefined) refuse(problem);
      return { kind: "origin", origin: problem === undefined ? new URL(String(value)).origin : "" };
    }
    const { hosts, ...others } = value;
    const mend =
      'Give host names without scheme or path, such as "gateway.example.com" or "*.preview.example.com"';
    for (const key of Object.keys(others)) {
      refuse("There is no such option", { path: [key], mend: "The only option here: hosts" });
    }
    if (!Array.isArray(hosts) || hosts.length === 0) {
      refuse("A list of at least one host is expected", { path: ["hosts"], mend });
      return { kind: "hosts", patterns: [] };
    }
    hosts.forEach((host, index) => {
      const problem = textProblem(host) ??
        (HOST_PATTERN.test(String(host).toLowerCase())
          ? undefined
          : `${printable(String(host))} is no host pattern`);
      if (problem !== undefined) refuse(problem, { path: ["hosts", index], mend });
    });
    return { kind: "hosts", patterns: hosts.map((host) => String(host).toLowerCase()) };
  });
}

function originProblem(value: string): string | undefined {
  const problem = textProblem(value) ?? urlProblem(value, { plainHttp: "loopback" });
  if (problem !== undefined) return problem;
  const parsed = parseHttpUri(value);
  return parsed?.path === "" || parsed?.path === "/" ? undefined : `${printable(value)} has a path`;
}

/** A browser origin, as the `Origin` header would carry it. */
export function webOrigin(): z.ZodType<string, Text> {
  return text({
    expected: "an origin: scheme, host and port if unusual, nothing after it",
    example: "https://app.example.com",
    check(value) {
      // Extensions have origins too (chrome-extension://…), which the URL class calls opaque.
      if (/^[a-z][a-z0-9+.-]*-extension:\/\/[A-Za-z0-9.-]+$/.test(value)) return undefined;
      return URL.canParse(value) && /^https?:/.test(value) && new URL(value).origin === value
        ? undefined
        : `${printable(value)} is no origin`;
    },
  });
}

/** A value of the `Host` header, in lower case. */
export function host(): z.ZodType<string, Text> {
  return option<Text, string>({
    expected: "a host as it stands in a Host header",
    example: "gateway.internal:9000",
  }, (
    value,
    refuse,
  ) => {
    const name = String(value).toLowerCase();
    const plain = URL.canParse(`http://${name}/`) &&
      /^(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?$/.test(name);
    const problem = textProblem(value) ?? (plain ? undefined : `${printable(String(value))} is no host`);
    if (problem !== undefined) refuse(problem);
    return name;
  });
}
