/** The answer codes of the attack corpus, as assertions: PAGE400, E:x, REDIR:x, RS401, and the public gateway `https://gw.test`. */
import assert from "node:assert/strict";
import { hashSecret } from "../../lib/crypto/secret_token.ts";
import { accessTokens } from "../../lib/store/schema.ts";
import { type GatewayOptions, mcpOAuth, mcpProxy } from "../../mod.ts";
import type { Harness, HarnessOptions } from "../support/harness.ts";

/** PAGE400: a page of our own that sends nobody anywhere. */
export async function assertPage400(response: Response, what = ""): Promise<string> {
  const html = await response.text();
  assert.equal(response.status, 400, `${what}: ${response.status} ${html.slice(0, 200)}`);
  assert.match(response.headers.get("content-type") ?? "", /^text\/html/, what);
  assert.equal(response.headers.get("location"), null, what);
  return html;
}

/** E:x: the RFC 6749 §5.2 error, with status 400 unless given. Returns the answer's JSON. */
export async function assertOAuthError(
  response: Response,
  error: string | readonly string[],
  { status = 400, what = "" }: { readonly status?: number; readonly what?: string } = {},
): Promise<Record<string, unknown>> {
  const body = await response.json();
  const expected = typeof error === "string" ? [error] : error;
  assert.ok(expected.includes(body.error), `${what}: ${response.status} ${JSON.stringify(body)}`);
  assert.equal(response.status, status, what);
  assert.equal(response.headers.get("cache-control"), "no-store", what);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/, what);
  return body;
}

/** REDIR:x: back to `redirectUri` with the error, the same `state`, and `iss`. Returns the location. */
export function assertRedirect(
  response: Response,
  error: string | readonly string[],
  options: {
    readonly redirectUri?: string;
    readonly iss: string;
    readonly state?: string | null;
    readonly what?: string;
  },
): URL {
  const { redirectUri = "https://client.example/callback", iss, state = "state-of-the-client", what = "" } =
    options;
  assert.ok(response.status === 302 || response.status === 303, `${what}: ${response.status}`);
  const location = new URL(response.headers.get("location") ?? "");
  assert.equal(location.origin + location.pathname, redirectUri, what);
  const expected = typeof error === "string" ? [error] : error;
  assert.ok(expected.includes(location.searchParams.get("error") ?? ""), `${what}: ${location}`);
  assert.deepEqual(location.searchParams.getAll("state"), state === null ? [] : [state], what);
  assert.deepEqual(location.searchParams.getAll("iss"), [iss], what);
  assert.equal(location.searchParams.get("code"), null, what);
  assert.equal(location.hash, "", what);
  return location;
}

/** RS401: the challenge of the route at `path`. Returns the header. */
export async function assertChallenge(
  response: Response,
  url: string,
  error: "invalid_token" | null,
  what = "",
): Promise<string> {
  await response.body?.cancel();
  assert.equal(response.status, 401, what);
  const header = response.headers.get("www-authenticate") ?? "";
  const { origin, pathname } = new URL(url);
  const metadata = `${origin}/.well-known/oauth-protected-resource${pathname}`;
  assert.ok(
    header.startsWith(`Bearer resource_metadata="${metadata}", scope="mcp:tools"`),
    `${what}: ${header}`,
  );
  assert.equal(/error="([a-z_]+)"/.exec(header)?.[1] ?? null, error, what);
  return header;
}

/** A gateway in production at `https://gw.test`, whose sign-in is at `https://idp.test`. */
export function publicGateway(changes: Partial<GatewayOptions> = {}): HarnessOptions {
  return {
    origin: "https://gw.test",
    mode: "production",
    config: (upstream) => ({
      publicUrl: "https://gw.test",
      oauth: mcpOAuth({
        oidc: { issuer: "https://idp.test", jwksUrl: "https://idp.test/jwks" },
        browserLogin: {
          url: "https://idp.test/authorize",
          tokenUrl: "https://idp.test/token",
          clientId: "sallyport",
          clientSecret: "secret-of-the-gateway-at-its-provider",
        },
      }),
      routes: ["/alpha", "/beta"].map((path) =>
        mcpProxy(path, { operationId: path.slice(1), upstream, allowPrivateNetwork: true })
      ),
      ...changes,
    }),
  };
}

/** An access token whose row is written straight into the store, for what no flow can make. */
export async function plantToken(
  gateway: Pick<Harness, "kv">,
  record: Readonly<Record<string, unknown>>,
): Promise<string> {
  const token = `at_${
    crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true })
  }`;
  const json = JSON.stringify(record);
  // The store's format for a row that is not sealed: a 1, then JSON.
  const bytes = new Uint8Array([1, ...new TextEncoder().encode(json)]);
  await gateway.kv.set([accessTokens.name, hashSecret(token)], bytes);
  return token;
}
