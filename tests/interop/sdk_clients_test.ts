/** Both SDKs as every kind of client: registered, named by a document, known to the configuration with and without a secret. */
import assert from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import { serveDemo } from "../../examples/demo/server.ts";
import { close, type ConnectionV1, type ConnectionV2, connectV1, connectV2 } from "../support/clients.ts";
import { type DocumentHost, documentHost, publish } from "../support/document_host.ts";
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import { certificateAuthority } from "../support/tls.ts";

const REDIRECT_URI = "http://127.0.0.1:33418/callback";

interface Scene {
  readonly gateway: GatewayProcess;
  readonly url: URL;
  readonly host: DocumentHost;
}

async function onStage(act: (scene: Scene) => Promise<void>): Promise<void> {
  const demo = serveDemo({ port: 0, open: true });
  // The SDKs take a document's address only if it is https, so the gateway is told whom to trust.
  const ca = await certificateAuthority();
  await using host = documentHost({ tls: await ca.issue({ names: ["127.0.0.1"] }) });
  const trusted = await Deno.makeTempFile({ prefix: "sallyport-test-ca-" });
  await Deno.writeTextFile(trusted, ca.certificate);
  try {
    const gateway = await startGateway({
      env: { DENO_CERT: trusted },
      config: `
        import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
        export default defineGateway({
          oauth: mcpDevOAuth({ gateway: { accessTokenTtlSeconds: 1 } }),
          clients: [
            { clientId: "open", redirectUris: ["${REDIRECT_URI}"] },
            { clientId: "closed", clientSecret: "s3cret%:+ of the client", redirectUris: ["${REDIRECT_URI}"] },
          ],
          routes: [mcpProxy("/mcp/demo", { operationId: "demo", upstream: "${demo.url}" })],
        });`,
    });
    try {
      await act({ gateway, url: new URL("/mcp/demo", gateway.origin), host });
    } finally {
      await gateway.stop();
    }
    assert.doesNotMatch(gateway.child.lines.join("\n"), /s3cret/);
  } finally {
    await demo.close();
    await Deno.remove(trusted);
  }
}

type Connect = (
  url: URL,
  options: { readonly oauth: HeadlessOAuthProvider },
) => Promise<ConnectionV1 | ConnectionV2>;

const SDKS: readonly (readonly [name: string, connect: Connect])[] = [
  ["SDK v1", connectV1],
  ["SDK v2", connectV2],
  ["SDK v2, 2026-07-28", (url, options) => connectV2(url, { ...options, mode: { pin: "2026-07-28" } })],
];

/** Connects, calls a tool, lets the access token expire, and calls again; returns the client id that was used. */
async function connectAndRefresh(connect: Connect, url: URL, oauth: HeadlessOAuthProvider): Promise<string> {
  const connection = await connect(url, { oauth });
  try {
    // The two SDKs' clients agree on this call; a union of their overloads cannot be called.
    const client = connection.client as Client;
    assert.ok((await client.listTools()).tools.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.ok((await client.listTools()).tools.length > 0);
  } finally {
    await close(connection);
  }
  assert.equal(oauth.authorizationUrls.length, 1, "the user was asked once");
  assert.ok(oauth.tokenHistory.length >= 2, "the token was refreshed");
  return oauth.authorizationUrls[0]?.searchParams.get("client_id") ?? "";
}

for (const [name, connect] of SDKS) {
  Deno.test(`${name} registers itself, with and without a secret (AS-44, AS-48, AS-54, AS-55)`, () =>
    onStage(async ({ gateway, url }) => {
      await Promise.all(
        ["none", "client_secret_basic", "client_secret_post"].map(async (token_endpoint_auth_method) => {
          const oauth = new HeadlessOAuthProvider({ clientMetadata: { token_endpoint_auth_method } });
          const clientId = await connectAndRefresh(connect, url, oauth);
          assert.doesNotMatch(clientId, /^http/);
          assert.equal(
            oauth.clientInformation()?.client_secret === undefined,
            token_endpoint_auth_method === "none",
          );
        }),
      );
      const registered = gateway.events.filter(({ event }) =>
        event === "mcp_auth_downstream_client_registered"
      );
      assert.equal(registered.length, 3);
    }));

  Deno.test(`${name} prefers its metadata document where it has one (AS-08, AS-34, Q-14, Q-18)`, () =>
    onStage(async ({ gateway, url, host }) => {
      const { clientId } = publish(host, "/client.json", {
        client_name: "Document client",
        // Without a port, as Claude Code's: the request has one.
        redirect_uris: ["http://127.0.0.1/callback"],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
      });
      const oauth = new HeadlessOAuthProvider({ redirectUri: REDIRECT_URI, clientMetadataUrl: clientId });
      assert.equal(await connectAndRefresh(connect, url, oauth), clientId);
      assert.equal(host.requests.length, 1);
      assert.equal(
        gateway.events.some(({ event }) => event === "mcp_auth_downstream_client_registered"),
        false,
      );
    }));

  Deno.test(`${name} as a client of the configuration, public and with a secret (AS-34, AS-54)`, () =>
    onStage(async ({ gateway, url }) => {
      const issuer = gateway.origin;
      const known = [
        { client_id: "open", issuer },
        { client_id: "closed", client_secret: "s3cret%:+ of the client", issuer },
      ];
      await Promise.all(known.map(async (information) => {
        const oauth = new HeadlessOAuthProvider({ redirectUri: REDIRECT_URI });
        oauth.saveClientInformation(information);
        assert.equal(await connectAndRefresh(connect, url, oauth), information.client_id);
      }));
      const wrong = new HeadlessOAuthProvider({ redirectUri: REDIRECT_URI });
      wrong.saveClientInformation({ client_id: "closed", client_secret: "another", issuer });
      await assert.rejects(connect(url, { oauth: wrong }));
      assert.equal(wrong.tokens(), undefined);
      assert.equal(
        gateway.events.some(({ event }) => event === "mcp_auth_downstream_client_registered"),
        false,
      );
    }));
}
