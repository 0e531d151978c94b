/** `defineGateway({ … })`: the whole of a configuration, and the types that keep it honest. */
import { z } from "zod";
import { clientOptions, DEFAULT_REDIRECT_SCHEMES, redirectScheme } from "./client_options.ts";
import { Definition, type OAuthPolicy, type RouteDefinition } from "./definition.ts";
import type { EnvReference } from "./env.ts";
import type { AdminRule, Mode, OAuthSettings, Route } from "./gateway.ts";
import { definition, flag, integer, list, option, type Text, text, typeName } from "./options.ts";
import { literalPathProblem } from "./route_path.ts";
import { host, publicUrl, webOrigin } from "./url_options.ts";

const count = (max: number, unit: string) => integer({ min: 1, max, unit });

const limitOptions = z.strictObject({
  /** Largest request body: 4 MiB. */
  bodyBytes: count(1_073_741_824, "bytes").default(4_194_304),
  /** Deepest nesting of a JSON body that has to be read: 64. */
  jsonDepth: count(1_000, "levels").default(64),
  /** Streams open at once: 10,000. */
  streams: count(1_000_000, "streams").default(10_000),
  /** Streams open at once of one user: 100. */
  streamsPerUser: count(1_000_000, "streams").default(100),
  /** Client registrations per address and minute: 60. */
  registrationsPerMinute: count(1_000_000, "requests").default(60),
  /** Authorization requests per address and minute: 300. */
  authorizationsPerMinute: count(1_000_000, "requests").default(300),
  /** Token requests per address and minute: 600. */
  tokenRequestsPerMinute: count(1_000_000, "requests").default(600),
});

const adminOptions = z.union([
  option<AdminRule, AdminRule>(
    { expected: "{ emails, subjects }, or a function of the identity" },
    (value, refuse) => {
      if (typeof value !== "function") {
        refuse(`An object or a function is expected, but ${typeName(value)} was given`);
      }
      // What a function takes and returns cannot be seen at run time; its result is compared with `true` later.
      return value as AdminRule;
    },
  ),
  z.strictObject({
    /** Verified e-mail addresses. */
    emails: list(text({
      expected: "an e-mail address",
      example: "ops@example.com",
      check: (value) => /^[^@\s]+@[^@\s]+$/.test(value) ? undefined : "This is no e-mail address",
    })).optional(),
    /** Subjects of the identity provider. */
    subjects: list(text({ expected: "a subject, as the identity provider calls the user" })).optional(),
  }),
]);

/** The `admins` option, read. */
export type AdminOptions = z.output<typeof adminOptions>;

/** The schema of {@linkcode GatewayOptions}, option by option. */
export const gatewayOptions = z.strictObject({
  /** Who signs in, and how: exactly one OAuth policy, which every route has. */
  oauth: definition<"oauth", OAuthSettings>(["oauth"], {
    expected: "one OAuth policy, such as mcpOAuth({ … }) or mcpDevOAuth()",
  }),
  /** The MCP servers behind the gateway: at least one. */
  routes: z.array(definition<"route", Route>(["route"], { expected: "the result of mcpProxy(path, { … })" }))
    .min(1).readonly(),
  /** The https origin that clients see, or a list of host patterns. `GATEWAY_PUBLIC_URL` overrides it. */
  publicUrl: publicUrl().optional(),
  /** Further `Host` values to answer; they never appear in a URL. */
  allowedHosts: list(host()).default([]),
  /** Believe `X-Forwarded-*` of one proxy in front (`true`) or of that many. */
  trustProxy: option<boolean | number, number>(
    { expected: "true, false, or a number of proxies" },
    (value, refuse) => {
      if (typeof value === "boolean") return value ? 1 : 0;
      if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 16) return value;
      refuse(
        typeof value === "number" ? `${value} is out of bounds (0 to 16)` : `${capitalised(value)} was given`,
      );
      return 0;
    },
  ).default(0),
  /** Prefix of the gateway's own pages and endpoints, such as `/gateway`. */
  basePath: option<Text, string>(
    { expected: '"" or a literal path', example: "/gateway" },
    (value, refuse) => {
      if (value === "") return "";
      const problem = typeof value === "string"
        ? literalPathProblem(value)
        : `${capitalised(value)} was given`;
      if (problem !== undefined) refuse(problem);
      return String(value);
    },
  ).default(""),
  /** Who may connect upstreams that all users share: nobody. */
  admins: adminOptions.optional(),
  /** OAuth clients that need not register. */
  clients: list(clientOptions).default([]),
  /** The native redirect schemes that clients may use; a list replaces the default one. */
  redirectSchemes: list(redirectScheme).default(DEFAULT_REDIRECT_SCHEMES),
  /** Browser origins allowed on MCP routes beside the gateway's own. */
  corsOrigins: list(webOrigin()).default([]),
  outbound: z.strictObject({
    /** Whether metadata may be fetched from this machine, over plain http: only if the gateway itself is on it. */
    allowLoopback: flag().optional(),
  }).prefault({}),
  /** Bounds on what one request, one address or one user may cost. */
  limits: limitOptions.prefault({}),
  /** The MCP Server Registry. */
  registry: z.strictObject({
    enabled: flag().default(true),
    path: text({ expected: "a literal path", example: "/mcp-registry", check: literalPathProblem })
      .default("/mcp-registry"),
  }).prefault({}),
});

/** @internal */
type Input = Omit<z.input<typeof gatewayOptions>, "oauth" | "routes">;

/** Options of {@linkcode defineGateway}. */
export interface GatewayOptions extends Input {
  /** Who signs in, and how: exactly one OAuth policy, which every route has. */
  oauth: OAuthPolicy;
  /** The MCP servers behind the gateway: at least one. */
  routes: readonly RouteDefinition[];
}

/** What a configuration that is a function is given. */
export interface GatewayContext {
  /** `development` under `deno task dev`, else `production`. */
  readonly mode: Mode;
}

/** What {@linkcode defineGateway} returns, and a configuration module exports by default. */
export type GatewayDefinition = Definition<"gateway", never>;

/** @internal */
type Leaf =
  | string
  | number
  | boolean
  | null
  | undefined
  | EnvReference
  | Definition
  | ((...args: never[]) => unknown);
/** @internal */
type KeysOf<Shape> = Shape extends unknown ? keyof Shape : never;
/** @internal */
type ValueOf<Shape, Key> = Shape extends unknown ? Key extends keyof Shape ? Shape[Key] : never : never;

/** What the types say about an option that does not exist. */
export interface NoSuchOption {
  /** Nothing can be assigned to it. */
  readonly "there is no such option": never;
}

/**
 * `Given` with every option that `Shape` does not know turned into {@linkcode NoSuchOption}. TypeScript looks for unknown options in
 * an object literal, but not in one that an arrow function returns: this does it there too.
 */
export type Exact<Given, Shape> = Given extends Leaf | readonly unknown[] ? Given : {
  readonly [Key in keyof Given]: Key extends KeysOf<Shape>
    ? Exact<Given[Key], Exclude<ValueOf<Shape, Key>, Leaf | readonly unknown[]>>
    : NoSuchOption;
};

/**
 * Describes a gateway: who signs in, and which MCP servers are behind it. A function may be given instead, for a
 * configuration that differs between development and production.
 */
export function defineGateway<const Options extends GatewayOptions>(
  options: GatewayOptions | ((context: GatewayContext) => Options & Exact<Options, GatewayOptions>),
): GatewayDefinition {
  return new Definition("gateway", { builder: "defineGateway" }, {
    input: options,
    compile() {
      throw new Error("a gateway is compiled by compileGateway()");
    },
  });
}

function capitalised(value: unknown): string {
  const name = typeName(value);
  return name.charAt(0).toUpperCase() + name.slice(1);
}
