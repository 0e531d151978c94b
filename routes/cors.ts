/** Which browser origins may talk to us, and what they are told (Fetch standard; checklist AS-33, RS-11, RS-12). */
import type { Context, Next } from "@hono/hono";
import type { Gateway } from "../lib/gateway/gateway.ts";
import { isLoopbackHostname } from "../lib/http/public_url.ts";
import type { Env } from "./context.ts";

const PREFLIGHT_SECONDS = "600";
const OPEN_HEADERS = "Authorization, Content-Type, Accept, MCP-Protocol-Version";
const MCP_REQUEST_HEADERS = [
  "Authorization",
  "Content-Type",
  "Accept",
  "MCP-Protocol-Version",
  "Mcp-Method",
  "Mcp-Name",
  "Mcp-Session-Id",
  "Last-Event-ID",
];
const MCP_EXPOSED_HEADERS =
  "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After, X-Request-Id, Sallyport-Connect";

/** Middleware of metadata and of the token, register and revoke endpoints: open to all, without credentials. */
export function openToEveryOrigin(
  methods: string,
): (c: Context<Env>, next: Next) => Promise<Response | void> {
  return async function openCors(c, next) {
    if (c.req.method === "OPTIONS") {
      return c.body(null, 204, {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": OPEN_HEADERS,
        "Access-Control-Max-Age": PREFLIGHT_SECONDS,
      });
    }
    await next();
    c.res.headers.set("Access-Control-Allow-Origin", "*");
  };
}

/** Whether a page of this origin may call MCP routes. An absent `Origin` is no browser and is not judged here. */
export function isAllowedOrigin(gateway: Gateway, own: string, origin: string): boolean {
  if (origin === own || gateway.corsOrigins.has(origin)) return true;
  return isLoopbackOrigin(own) && isLoopbackOrigin(origin);
}

/** Lets a page of this origin, which is allowed, read an MCP route's answer, an error too. */
export function makeReadable(response: Response, origin: string): void {
  response.headers.set("access-control-allow-origin", origin);
  response.headers.set("access-control-expose-headers", MCP_EXPOSED_HEADERS);
  response.headers.set("vary", "Origin");
}

/** The answer to a preflight, or to a plain OPTIONS. */
export function mcpPreflight(request: Request, origin: string | null): Response {
  const headers = new Headers({ Allow: "GET, POST, DELETE, OPTIONS" });
  if (origin !== null) {
    headers.set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
    headers.set(
      "Access-Control-Allow-Headers",
      [...MCP_REQUEST_HEADERS, ...requestedParams(request)].join(", "),
    );
    headers.set("Access-Control-Max-Age", PREFLIGHT_SECONDS);
  }
  return new Response(null, { status: 204, headers });
}

/** `Mcp-Param-*` names are the tools' own, so they are reflected, as far as they are header names. */
function requestedParams(request: Request): string[] {
  const requested = request.headers.get("access-control-request-headers")?.split(",") ?? [];
  return requested.map((name) => name.trim().toLowerCase()).filter((name) =>
    /^mcp-param-[a-z0-9_-]{1,64}$/.test(name)
  ).slice(0, 32);
}

function isLoopbackOrigin(origin: string): boolean {
  const url = URL.parse(origin);
  return url !== null && (url.protocol === "http:" || url.protocol === "https:") &&
    isLoopbackHostname(url.hostname);
}
