/** The demo's authorization server over HTTP: both well-known documents, registration, consent, tokens, revocation. */
import { type Context, Hono } from "@hono/hono";
import { bodyLimit } from "@hono/hono/body-limit";
import { accounts, type DemoAuthorizationServer, demoScope, OAuthFault } from "./authorization_server.ts";
import { consentPage, faultPage, homePage, pageHeaders, stylesheet } from "./consent_page.ts";

/** In bytes. */
const largestBody = 65_536;

/** What the documents say. */
export interface OAuthAddresses {
  /** The origin. */
  readonly issuer: string;
  /** The MCP endpoint. */
  readonly resource: string;
}

/** Everything but the MCP endpoint. */
export function oauthRoutes(server: DemoAuthorizationServer, { issuer, resource }: OAuthAddresses): Hono {
  const app = new Hono();
  app.use(bodyLimit({ maxSize: largestBody }));
  app.get("/", (c) => c.html(homePage(resource), 200, pageHeaders));
  app.get("/style.css", (c) => c.text(stylesheet, 200, { "content-type": "text/css; charset=utf-8" }));
  app.get("/.well-known/oauth-protected-resource/mcp", (c) =>
    c.json({
      resource,
      resource_name: "Sallyport demo",
      authorization_servers: [issuer],
      scopes_supported: [demoScope],
      bearer_methods_supported: ["header"],
    }));
  app.get("/.well-known/oauth-authorization-server", (c) =>
    c.json({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      registration_endpoint: `${issuer}/register`,
      revocation_endpoint: `${issuer}/revoke`,
      scopes_supported: [demoScope],
      response_types_supported: ["code"],
      grant_types_supported: ["authorization_code", "refresh_token"],
      token_endpoint_auth_methods_supported: ["none"],
      revocation_endpoint_auth_methods_supported: ["none"],
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
    }));
  app.post("/register", async (c) => {
    const { clientId, name, redirectUris } = server.register(await readJson(c));
    return c.json({
      client_id: clientId,
      client_id_issued_at: Math.floor(Date.now() / 1000),
      client_name: name,
      redirect_uris: redirectUris,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    }, 201);
  });
  app.get("/authorize", (c) => {
    const request = server.ask(new URL(c.req.url).searchParams);
    return c.html(consentPage(request, accounts), 200, pageHeaders);
  });
  app.post("/authorize", async (c) => {
    // Another site must not press the button.
    if (c.req.header("origin") !== issuer) {
      throw new OAuthFault("invalid_request", "This form was sent from another site.");
    }
    const form = await readForm(c);
    const account = accounts.find((known) => known === form.get("account")) ?? null;
    return leave(c, server.decide(form.get("request") ?? "", account));
  });
  app.post("/token", async (c) => c.json(await server.exchange(await readForm(c)), 200, noStore));
  app.post("/revoke", async (c) => {
    server.revoke(await readForm(c));
    return c.body(null, 200, noStore);
  });
  app.notFound((c) => c.text("Not found. The MCP endpoint is /mcp.\n", 404));
  app.onError((error, c) => answerFault(error, c));
  return app;
}

const noStore = { "cache-control": "no-store" };

function leave(c: Context, location: URL): Response {
  return c.body(null, 303, { location: location.href, "referrer-policy": "no-referrer", ...noStore });
}

/** Browsers get a page or are sent back to the client; clients get the RFC's JSON. */
function answerFault(error: Error, c: Context): Response | Promise<Response> {
  if (!(error instanceof OAuthFault)) throw error;
  if (error.redirect !== null) return leave(c, error.redirect);
  if (c.req.path === "/authorize") return c.html(faultPage(error.message), 400, pageHeaders);
  const status = error.code === "invalid_client" ? 401 : 400;
  return c.json({ error: error.code, error_description: error.message }, status, noStore);
}

async function readForm(c: Context): Promise<URLSearchParams> {
  return new URLSearchParams(await c.req.text());
}

async function readJson(c: Context): Promise<unknown> {
  try {
    return await c.req.json();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new OAuthFault("invalid_client_metadata", "The body has to be JSON.");
  }
}
