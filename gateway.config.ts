/**
 * The one file to edit: who may sign in, and which MCP servers are behind the gateway.
 *
 * `deno task dev` runs it as it is. `deno task check` tells what is wrong with it, and prints what it means.
 */
import { defineGateway, env, mcpDevOAuth, mcpLogtoOAuth, mcpProxy, tokenExchange } from "@sallyport/gateway";

export default defineGateway(({ mode }) => ({
  // Who signs in.
  oauth: mode === "development"
    // On your own machine: one made-up user, no password. The gateway refuses this anywhere else.
    ? mcpDevOAuth()
    // In production: your identity provider. Register the gateway there as a web application with the redirect URI
    // <public URL>/oauth/callback, then set these variables. docs/identity-providers says how, for Logto and for ten
    // others. env() is read when the gateway starts, and whatever is missing is reported at once. Secrets are never printed.
    : mcpLogtoOAuth({
      logtoEndpoint: env("LOGTO_ENDPOINT"),
      clientId: env("LOGTO_CLIENT_ID"),
      clientSecret: env("LOGTO_CLIENT_SECRET"),
    }),

  // What they reach: one entry per MCP server. Clients are given <public URL> plus the path.
  routes: [
    mcpProxy("/mcp/demo", {
      operationId: "demo", // the route's identity: keep it when you rename the path
      summary: "Demo",
      // The demo server that `deno task dev` starts beside the gateway; in production, a server of yours.
      upstream: mode === "development" ? "http://127.0.0.1:9001/mcp" : env("DEMO_UPSTREAM_URL"),
      policies: [
        // The second gate: each user signs in at that server, once, and the gateway keeps and renews what it gets there.
        // A server that wants a key of yours: upstreamApiKey(). One that wants nothing: no policy. See docs/upstreams.md.
        tokenExchange({ id: "demo", displayName: "Demo" }),
      ],
    }),
  ],
  // In production the gateway must know the origin that clients see. Set GATEWAY_PUBLIC_URL, or write it here:
  // publicUrl: "https://gateway.example.com",
}));
