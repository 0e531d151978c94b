/** `rateLimit({ … })`: how many requests of one user, client or address a route takes in a window of time. */
import { z } from "zod";
import {
  define,
  type Definition,
  type DefinitionSpec,
  type RoutePolicyPart,
} from "../lib/gateway/definition.ts";
import { choice, integer } from "../lib/gateway/options.ts";

const schema = z.strictObject({
  /** How many requests pass in each window. */
  requests: integer({ min: 1, max: 1_000_000, unit: "requests" }),
  /** Length of the window, in seconds. */
  windowSeconds: integer({ min: 1, max: 86_400, unit: "seconds" }),
  /** Whose requests are counted together: those of a user, of an OAuth client, or of a network address. */
  by: choice(["user", "client", "ip"]),
});

/** @internal */
type Input = z.input<typeof schema>;

/** Options of {@linkcode rateLimit}. */
export interface RateLimitOptions extends Input {}

const spec: DefinitionSpec<typeof schema, RoutePolicyPart> = {
  builder: "rateLimit",
  schema,
  compile: (rateLimit) => ({ kind: "rateLimit", rateLimit }),
};

/**
 * Bounds how often the route is asked, counted in the memory of each process. What is too much gets 429 with
 * `Retry-After`, before its body is read. A route may have one for each `by`.
 */
export function rateLimit(options: RateLimitOptions): Definition<"rateLimit", RoutePolicyPart> {
  return define("rateLimit", spec, options);
}
