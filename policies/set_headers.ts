/** `setHeaders({ … })`: static headers that every request to the upstream carries. */
import { z } from "zod";
import {
  define,
  type Definition,
  type DefinitionSpec,
  type RoutePolicyPart,
} from "../lib/gateway/definition.ts";
import { headerNameProblem, headerValueProblem } from "../lib/gateway/header_options.ts";
import { secret } from "../lib/gateway/options.ts";

const schema = z.record(z.string(), secret({ expected: "a header value", check: headerValueProblem }));

/** @internal */
type Input = z.input<typeof schema>;

/** Header names and values. Values are treated as secrets. */
export interface SetHeadersOptions extends Input {}

const spec: DefinitionSpec<typeof schema, RoutePolicyPart> = {
  builder: "setHeaders",
  schema,
  compile(options, context) {
    const seen = new Set<string>();
    const headers = Object.entries(options).map(([name, value]) => {
      const lower = name.toLowerCase();
      const problem = headerNameProblem(name) ?? (seen.has(lower) ? `"${name}" is set twice` : undefined);
      if (problem !== undefined) context.fault([name], problem, "Leave it out");
      seen.add(lower);
      return [lower, value] as const;
    });
    return { kind: "headers", headers };
  },
};

/** Adds headers to every request that goes to the upstream. */
export function setHeaders(options: SetHeadersOptions): Definition<"headers", RoutePolicyPart> {
  return define("headers", spec, options);
}
