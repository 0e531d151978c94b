/** `upstreamApiKey({ … })`: one static credential for an upstream, the same for every user. */
import { z } from "zod";
import {
  type CredentialPolicy,
  define,
  type DefinitionSpec,
  type RoutePolicyPart,
} from "../lib/gateway/definition.ts";
import { headerNameProblem, headerValueProblem } from "../lib/gateway/header_options.ts";
import { secret, text } from "../lib/gateway/options.ts";
import { Secret } from "../lib/runtime/secret.ts";

const schema = z.strictObject({
  /** The header that carries the key: `Authorization`. */
  header: text({ expected: "a header name", example: "X-Api-Key", check: headerNameProblem }).default(
    "Authorization",
  ),
  /** What stands before the key, with a space between: `Bearer` in `Authorization`, nothing in other headers. */
  prefix: text({ expected: "a scheme", example: "Bearer", check: headerValueProblem }).optional(),
  /** The key itself. */
  value: secret({ expected: "the upstream's key", check: headerValueProblem }),
});

/** @internal */
type Input = z.input<typeof schema>;

/** Options of {@linkcode upstreamApiKey}. */
export interface UpstreamApiKeyOptions extends Input {}

const spec: DefinitionSpec<typeof schema, RoutePolicyPart> = {
  builder: "upstreamApiKey",
  schema,
  compile(options) {
    const header = options.header.toLowerCase();
    const prefix = options.prefix ?? (header === "authorization" ? "Bearer" : undefined);
    const value = prefix === undefined ? options.value : new Secret(`${prefix} ${options.value.reveal()}`);
    return { kind: "credential", credential: { kind: "static", header, value } };
  },
};

/** Sends a static key to the upstream: by default `Authorization: Bearer <value>`. */
export function upstreamApiKey(options: UpstreamApiKeyOptions): CredentialPolicy {
  return define("credential", spec, options);
}
