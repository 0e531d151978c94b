/**
 * `mcpProxy(path, { … })`: one route of the gateway, as the configuration describes it. The endpoint itself is
 * `routes/mcp_proxy.ts`; it is kept apart so that importing a configuration loads no server.
 */
import { z } from "zod";
import { printable } from "./config_error.ts";
import { connectTo } from "./connections.ts";
import {
  type CompileContext,
  define,
  type DefinitionSpec,
  type RouteDefinition,
  type RoutePolicy,
  type RoutePolicyPart,
} from "./definition.ts";
import type { RateLimit, Route, UpstreamCredential } from "./gateway.ts";
import { isLoopbackHost, isPrivateLiteral } from "../http/network_address.ts";
import { definition, flag, integer, list, secret, type Text, text } from "./options.ts";
import { literalPathProblem } from "./route_path.ts";
import type { Secret } from "../runtime/secret.ts";
import { url, urlProblem } from "./url_options.ts";

/** The options of {@linkcode mcpProxy} without its policies. */
export const routeOptions = z.strictObject({
  /** The route's stable identity: tokens are bound to it and every event carries it. Do not change it lightly. */
  operationId: text({
    expected: "letters, digits, dots, dashes and underscores, at most 64",
    example: "linear",
    check: (value) =>
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value) ? undefined : `${printable(value)} is no operationId`,
  }),
  /** What people read; the operationId by default. */
  summary: text({ expected: "a short name", example: "Linear" }).optional(),
  description: text({ expected: "a sentence or two", example: "Issues and projects of the team." })
    .optional(),
  version: text({ expected: "the version to publish in the registry", example: "1.0.0" }).optional(),
  websiteUrl: url({ plainHttp: "anywhere", query: true, example: "https://linear.app" }).optional(),
  icons: list(z.strictObject({
    src: text({
      expected: "an https or data:image URL",
      example: "https://linear.app/icon.png",
      check: (value) =>
        /^data:image\/[a-z0-9.+-]+[;,]/i.test(value)
          ? undefined
          : urlProblem(value, { plainHttp: "loopback", query: true }),
    }),
    mimeType: text({ expected: "an image type", example: "image/png" }).optional(),
    sizes: list(text({
      expected: 'sizes such as "48x48", or "any"',
      example: "48x48",
      check: (value) => /^(?:\d+x\d+|any)$/.test(value) ? undefined : `${printable(value)} is no size`,
    })).optional(),
  })).optional(),
  /** The URL of the upstream MCP server. It is fixed: nothing of a request is put into it. */
  upstream: url({ plainHttp: "anywhere", query: true, example: "https://mcp.linear.app/mcp" }),
  /** Whether the query string of a request is sent on: yes. */
  forwardSearch: flag().default(true),
  /** Whether redirects of the upstream are followed: no. */
  followRedirects: flag().default(false),
  /** Mutual TLS to the upstream. */
  clientCertificate: z.strictObject({
    /** The certificate chain in PEM. */
    cert: text({
      expected: "a certificate in PEM",
      pem: true,
      check: (value) =>
        value.includes("-----BEGIN CERTIFICATE-----") ? undefined : "This is no certificate in PEM",
    }),
    /** Its private key in PEM. */
    key: secret({
      expected: "a private key in PEM",
      pem: true,
      check: (value) =>
        /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(value) ? undefined : "This is no private key in PEM",
    }),
  }).optional(),
  /** An upstream on a private address must say so: no. */
  allowPrivateNetwork: flag().default(false),
  timeouts: z.strictObject({
    /** Until the answer's headers: 60,000 milliseconds. */
    responseMs: integer({ min: 1, max: 3_600_000, unit: "milliseconds" }).default(60_000),
    /** Between bytes of a stream: 0, no limit. */
    idleMs: integer({ min: 0, max: 86_400_000, unit: "milliseconds" }).default(0),
  }).prefault({}),
});

/** What the policies of a route may be. */
export const ROUTE_POLICY_KINDS = ["credential", "headers", "rateLimit", "capabilities"] as const;

const routeSchema = z.strictObject({
  path: text({
    expected: 'a literal path that starts with "/"',
    example: "/mcp/linear",
    check: literalPathProblem,
  }),
  ...routeOptions.shape,
  policies: list(definition<RoutePolicy["kind"], RoutePolicyPart>(ROUTE_POLICY_KINDS, {
    expected: "a route policy, such as tokenExchange(…) or setHeaders(…)",
  })).default([]),
});

/** What the types say when a route has two policies of which it may have one. */
export interface OnlyOnePerRoute {
  /** The rule, as it shows in the compiler's message. */
  readonly credential: { readonly "a route takes at most one credential policy": never };
  /** The rule, as it shows in the compiler's message. */
  readonly capabilities: { readonly "a route takes at most one capabilityFilter": never };
}

/** `unknown` when a list of policies keeps the rules, else a type that names the broken one. */
export type PolicyRules<Policies extends readonly unknown[], Seen = never> = Policies extends
  readonly [infer First, ...infer Rest]
  ? First extends { readonly kind: infer Kind extends keyof OnlyOnePerRoute }
    ? [Kind] extends [Seen] ? OnlyOnePerRoute[Kind] : PolicyRules<Rest, Seen | Kind>
  : PolicyRules<Rest, Seen>
  : unknown;

/** @internal */
type Input = z.input<typeof routeOptions>;

/** Options of {@linkcode mcpProxy}. */
export interface McpProxyOptions<Policies extends readonly RoutePolicy[] = readonly RoutePolicy[]>
  extends Input {
  /** At most one credential policy and one `capabilityFilter`; their order does not matter. */
  policies?: Policies & PolicyRules<Policies>;
}

const spec: DefinitionSpec<typeof routeSchema, Route> = {
  builder: "mcpProxy",
  schema: routeSchema,
  compile(options, context) {
    checkUpstream(options, context);
    const parts = options.policies.flatMap((policy, index) => {
      const part = context.open(policy, ["policies", index]);
      return part === null ? [] : [{ part, index, builder: policy.builder }];
    });
    return {
      path: options.path,
      operationId: options.operationId,
      title: options.summary ?? options.operationId,
      description: options.description ?? null,
      version: options.version ?? null,
      websiteUrl: options.websiteUrl ?? null,
      icons: (options.icons ?? []).map(({ src, mimeType, sizes }) => ({
        src,
        mimeType: mimeType ?? null,
        sizes: sizes ?? [],
      })),
      upstream: options.upstream,
      forwardSearch: options.forwardSearch,
      followRedirects: options.followRedirects,
      clientCertificate: options.clientCertificate ?? null,
      allowPrivateNetwork: options.allowPrivateNetwork,
      allowLoopback: context.site.loopback,
      timeouts: options.timeouts,
      ...combine({ upstream: options.upstream, parts }, context),
    };
  },
};

/** Publishes the MCP server at `options.upstream` under `path`, with OAuth in front of it. */
export function mcpProxy<const Policies extends readonly RoutePolicy[] = readonly []>(
  path: Text,
  options: McpProxyOptions<Policies>,
): RouteDefinition {
  return define("route", spec, { ...options, path });
}

function checkUpstream(options: z.output<typeof routeSchema>, context: CompileContext): void {
  const { hostname, protocol } = new URL(options.upstream);
  const onLoopback = isLoopbackHost(hostname);
  const allowed = options.allowPrivateNetwork || (onLoopback && context.site.loopback);
  if (!allowed && (onLoopback || isPrivateLiteral(hostname))) {
    context.fault(
      ["upstream"],
      `${hostname} is a private address`,
      "Set allowPrivateNetwork: true if the upstream really stands in your own network",
    );
  }
  if (options.clientCertificate !== undefined && protocol === "http:") {
    context.fault(["clientCertificate"], "A client certificate needs TLS", "Give an https upstream");
  }
}

/** What a policy contributed, and where it stands. */
interface PlacedPart {
  readonly part: RoutePolicyPart;
  readonly index: number;
  readonly builder: string;
}

function combine(
  { upstream, parts }: { upstream: string; parts: readonly PlacedPart[] },
  context: CompileContext,
): Pick<Route, "credential" | "headers" | "rateLimits" | "capabilities"> {
  let credential: UpstreamCredential = { kind: "none" };
  let credentialFrom: PlacedPart | null = null;
  let capabilities: Route["capabilities"] = null;
  let capabilitiesFrom: PlacedPart | null = null;
  const headers: (readonly [string, Secret])[] = [];
  const rateLimits = new Map<RateLimit["by"], PlacedPart & { readonly rateLimit: RateLimit }>();
  const setBy = new Map<string, PlacedPart>();
  const claim = (header: string, placed: PlacedPart) => {
    const other = setBy.get(header);
    if (other !== undefined && other !== placed) {
      const problem = `policies[${other.index}] (${other.builder}) sets the header "${header}" already`;
      context.fault(["policies", placed.index], problem, "Set each header once");
    }
    setBy.set(header, placed);
  };
  for (const placed of parts) {
    const { part, index, builder } = placed;
    if (part.kind === "headers") {
      for (const header of part.headers) {
        claim(header[0], placed);
        headers.push(header);
      }
    } else if (part.kind === "rateLimit") {
      const { rateLimit } = part;
      const other = rateLimits.get(rateLimit.by);
      if (other === undefined) rateLimits.set(rateLimit.by, { ...placed, rateLimit });
      else {
        const problem = `policies[${other.index}] limits by "${rateLimit.by}" already`;
        context.fault(["policies", index], problem, "Keep one of them");
      }
    } else if (part.kind === "capabilities") {
      if (capabilitiesFrom !== null) {
        const problem = `policies[${capabilitiesFrom.index}] is a capabilityFilter already`;
        context.fault(["policies", index], problem, "Put all lists into one of them");
      }
      capabilities = part.filter;
      capabilitiesFrom = placed;
    } else if (credentialFrom !== null) {
      const problem =
        `${builder}(…) is a second credential: policies[${credentialFrom.index}] (${credentialFrom.builder}) is one already`;
      context.fault(["policies", index], problem, "Keep one of them");
    } else {
      const given = part.credential;
      credentialFrom = placed;
      credential = given.kind === "tokenExchange"
        ? { kind: given.kind, connection: connectTo(upstream, given.settings, { context, index }) }
        : given;
      if (given.kind !== "none") claim(given.kind === "static" ? given.header : "authorization", placed);
    }
  }
  return {
    credential,
    headers,
    rateLimits: [...rateLimits.values()].map(({ rateLimit }) => rateLimit),
    capabilities,
  };
}
