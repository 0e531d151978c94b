/** Client metadata documents in the shape of real clients' ones, and what the consent page makes of them. */
import assert from "node:assert/strict";
import { exportJWK, generateKeyPair } from "jose";
import { authorizeAs, documentHost, publish } from "../support/document_host.ts";
import {
  authorizeUrl,
  obtainCode,
  obtainTokens,
  postForm,
  redeem,
  redemption,
  refresh,
  registerClient,
} from "../support/oauth_flow.ts";
import { assertOAuthError, assertPage400 } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

Deno.test("the consent page names the document's host, and warns of loopback only where all redirects are (B6 096)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const page = async (redirect_uris: string[]) =>
    (await gateway.browser().get(
      authorizeUrl(gateway, publish(host, `/${crypto.randomUUID()}.json`, { redirect_uris })),
    )).html;
  assert.match(
    await page(["http://localhost/callback", "http://127.0.0.1/callback"]),
    /runs on your computer/,
  );
  const mixed = await page(["https://client.example/callback", "http://127.0.0.1/callback"]);
  assert.doesNotMatch(mixed, /runs on your computer/);
  assert.match(mixed, /client\.example/);
});

Deno.test("a document like Claude Code's: loopback without a port, any port at the time (Q-18, AS-18)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const client = publish(host, "/oauth/claude-code-client-metadata", {
    client_name: "Claude Code",
    client_uri: "https://claude.ai",
    redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  });
  for (
    const redirectUri of [
      "http://localhost:54545/callback",
      "http://127.0.0.1:1/callback",
      "http://localhost/callback",
    ]
  ) {
    const tokens = await obtainTokens(gateway, { ...client, redirectUri });
    assert.equal(tokens.scope, "mcp:tools");
    assert.equal((await refresh(gateway, client, tokens.refresh_token)).status, 200);
  }
  for (
    const redirect_uri of [
      "http://localhost:54545/other",
      "http://[::1]:54545/callback",
      "https://localhost:54545/callback",
      "http://localhost:9000/callback",
    ]
  ) {
    await assertPage400(
      await authorizeAs(gateway, client.clientId, { changes: { redirect_uri } }),
      redirect_uri,
    );
  }
});

Deno.test("a document like Cursor's: three redirect URIs of three kinds, also when registered (Q-05, AS-19, AS-47)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const metadata = {
    client_name: "Cursor",
    application_type: "web",
    redirect_uris: [
      "cursor://anysphere.cursor-mcp/oauth/callback",
      "https://www.cursor.com/agents/mcp/oauth/callback",
      "http://localhost:8787/callback",
    ],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  for (const client of [publish(host, "/cursor.json", metadata), await registerClient(gateway, metadata)]) {
    for (const redirectUri of [...metadata.redirect_uris, "http://localhost:60001/callback"]) {
      const tokens = await obtainTokens(gateway, { ...client, redirectUri });
      assert.match(tokens.access_token, /^at_/);
    }
    // With three registered, the request has to say which.
    await assertPage400(await gateway.fetch(authorizeUrl(gateway, client, { redirect_uri: null })));
  }
});

Deno.test("documents like VS Code's and claude.ai's are clients (Q-19, Q-20)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const code = publish(host, "/oauth/client-metadata.json", {
    client_name: "Visual Studio Code",
    client_uri: "https://vscode.dev/product",
    grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    response_types: ["code"],
    redirect_uris: [
      "http://127.0.0.1:33418/",
      "https://vscode.dev/redirect",
      "https://insiders.vscode.dev/redirect",
    ],
    token_endpoint_auth_method: "none",
    application_type: "native",
  });
  const claude = publish(host, "/oauth/mcp-oauth-client-metadata", {
    client_name: "Claude",
    redirect_uris: ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
    token_endpoint_auth_method: "none",
    scope: "openid offline_access",
    contacts: [],
    logo_uri: "",
    tos_uri: null,
  });
  for (const client of [code, claude]) {
    assert.equal((await obtainTokens(gateway, client)).scope, "mcp:tools");
  }
});

Deno.test("a document of several methods: none and assertion with the plural, what the singular says without it (AS-42, Q-14)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const { publicKey } = await generateKeyPair("ES256", { extractable: true });
  const jwks = { keys: [{ ...await exportJWK(publicKey), kid: "1" }] };
  const singular = publish(host, "/singular.json", { token_endpoint_auth_method: "private_key_jwt", jwks });
  const code = await obtainCode(gateway, singular);
  await assertOAuthError(await redeem(gateway, singular, code), "invalid_client", { status: 401 });
  const plural = publish(host, "/plural.json", {
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_methods_supported: ["none", "private_key_jwt", "client_secret_post"],
    jwks,
  });
  assert.equal((await redeem(gateway, plural, await obtainCode(gateway, plural))).status, 200);
  // A secret from a client that cannot have one is refused all the same.
  const again = await obtainCode(gateway, plural);
  const withSecret = redemption(plural, again, { client_secret: "x" });
  await assertOAuthError(await postForm(gateway, "/oauth/token", withSecret), "invalid_client", {
    status: 401,
  });
});
