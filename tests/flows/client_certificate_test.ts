/** `clientCertificate`: mutual TLS with a real server that lets nobody in without one. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { compileGateway } from "../../lib/gateway/compile.ts";
import { ConfigError } from "../../lib/gateway/config_error.ts";
import { defineGateway, mcpDevOAuth, mcpProxy, tokenExchange } from "../../mod.ts";
import { createApp } from "../../routes/app.ts";
import { watchedGateway } from "../security/watched_gateway.ts";
import { documentHost } from "../support/document_host.ts";
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { testServices } from "../support/services.ts";
import { type CertificateAuthority, certificateAuthority } from "../support/tls.ts";
import { browserOf, setupOf } from "../support/upstream_scene.ts";

interface MutualTls extends AsyncDisposable {
  readonly url: string;
  readonly bodies: readonly string[];
  /** Where its answers redirect to; `null`: they are answers. */
  location: string | null;
  /** What is at its well-known places, by path. */
  readonly documents: Map<string, unknown>;
}

/** An upstream that demands a certificate of the authority during the handshake. */
async function mutualTls(authority: CertificateAuthority): Promise<MutualTls> {
  const bodies: string[] = [];
  const own = await authority.issue({ names: ["127.0.0.1"] });
  const server = https.createServer({
    ...own,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  }, (request, response) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    request.on("end", () => {
      bodies.push(Buffer.concat(chunks).toString());
      if (request.url?.startsWith("/.well-known/")) {
        const document = self.documents.get(request.url);
        response.writeHead(document === undefined ? 404 : 200, { "content-type": "application/json" });
        response.end(JSON.stringify(document ?? null));
      } else if (self.location === null) {
        response.setHeader("content-type", "application/json");
        response.end('{"jsonrpc":"2.0","id":1,"result":{"secured":true}}');
      } else response.writeHead(307, { location: self.location }).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A listening TCP server has an address with a port.
  const { port } = server.address() as AddressInfo;
  const self: MutualTls = {
    url: `https://127.0.0.1:${port}/mcp`,
    bodies,
    location: null,
    documents: new Map(),
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return self;
}

type Pair = { readonly cert: string; readonly key: string };

async function callWith(
  upstream: Pick<MutualTls, "url">,
  { certificate, ca }: { readonly certificate: Pair | null; readonly ca: string },
): Promise<{ status: number; text: string }> {
  await using gateway = await watchedGateway({
    upstreams: { ca },
    expect5xx: [502],
    config: () => ({
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: upstream.url,
        followRedirects: true,
        ...(certificate === null ? {} : { clientCertificate: certificate }),
      })],
    }),
  });
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  const response = await callMcp(gateway, "/alpha", access_token);
  const text = await response.text();
  const log = JSON.stringify(gateway.events);
  assert.ok(!log.includes("PRIVATE KEY"));
  return { status: response.status, text };
}

Deno.test("the right certificate gets in; none, a stranger's, an expired one and a server's own are 502 and never an answer (F21)", async () => {
  const authority = await certificateAuthority();
  const stranger = await certificateAuthority("Stranger");
  await using upstream = await mutualTls(authority);
  const { certificate: ca } = authority;
  const good = await authority.issue({ names: ["gateway"], usage: "client" });
  const answered = await callWith(upstream, { certificate: good, ca });
  assert.deepEqual([answered.status, JSON.parse(answered.text).result], [200, { secured: true }]);
  const arrived = upstream.bodies.length;
  const past = new Date(Date.now() - 60_000);
  const refused: Readonly<Record<string, Pair | null>> = {
    none: null,
    "a stranger's": await stranger.issue({ names: ["gateway"], usage: "client" }),
    expired: await authority.issue({ names: ["gateway"], usage: "client", notAfter: past }),
    "a server's": await authority.issue({ names: ["gateway"] }),
  };
  for (const [name, certificate] of Object.entries(refused)) {
    const { status, text } = await callWith(upstream, { certificate, ca });
    assert.equal(status, 502, name);
    const { error, result } = JSON.parse(text);
    assert.deepEqual([result, error.code], [undefined, 5020], name);
    assert.doesNotMatch(error.message, /certificate|alert|127\.0\.0\.1/i, name);
  }
  assert.equal(upstream.bodies.length, arrived, "no request of theirs arrived");
});

Deno.test("what an upstream says of its OAuth is fetched with the certificate that it demands (UP-01, F21)", async () => {
  const authority = await certificateAuthority();
  const certificate = await authority.issue({ names: ["gateway"], usage: "client" });
  await using upstream = await mutualTls(authority);
  const { origin } = new URL(upstream.url);
  upstream.documents.set("/.well-known/oauth-protected-resource/mcp", {
    resource: upstream.url,
    authorization_servers: [origin],
  });
  upstream.documents.set("/.well-known/oauth-authorization-server", {
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    code_challenge_methods_supported: ["S256"],
  });
  await using gateway = await watchedGateway({
    upstreams: { ca: authority.certificate },
    config: () => ({
      routes: [mcpProxy("/alpha", {
        operationId: "alpha",
        upstream: upstream.url,
        clientCertificate: certificate,
        policies: [tokenExchange({
          id: "acme",
          displayName: "Acme",
          clientRegistration: { mode: "manual", clientId: "by-hand" },
        })],
      })],
    }),
  });
  const browser = browserOf(gateway);
  const setup = await setupOf({ gateway, client: await registerClient(gateway) }, browser);
  const stopAt = (url: URL) => url.origin === origin;
  const left = await browser.submit(setup, { decision: "connect" }, { stopAt });
  assert.equal(left.url.origin + left.url.pathname, `${origin}/authorize`);
});

Deno.test("an upstream whose own certificate is not trusted, or for another name, is 502 and gets no request (F21)", async () => {
  const authority = await certificateAuthority();
  const stranger = await certificateAuthority("Stranger");
  await using untrusted = documentHost({ tls: await stranger.issue({ names: ["127.0.0.1"] }) });
  await using misnamed = documentHost({ tls: await authority.issue({ names: ["other.example"] }) });
  for (const host of [untrusted, misnamed]) {
    const upstream = { url: `${host.origin}/mcp` };
    const { status } = await callWith(upstream, { certificate: null, ca: authority.certificate });
    assert.equal(status, 502);
    assert.equal(host.requests.length, 0);
  }
});

Deno.test("the certificate is not shown to another origin that a redirect leads to (B13 193)", async () => {
  const authority = await certificateAuthority();
  await using home = await mutualTls(authority);
  await using elsewhere = await mutualTls(authority);
  home.location = elsewhere.url;
  const certificate = await authority.issue({ names: ["gateway"], usage: "client" });
  const { status } = await callWith(home, { certificate, ca: authority.certificate });
  assert.equal(status, 502);
  assert.deepEqual([home.bodies.length, elsewhere.bodies.length], [1, 0]);
});

Deno.test("a certificate that does not belong to its key stops the start, with its path and without the key", async () => {
  const authority = await certificateAuthority();
  const [one, two] = [await authority.issue({ names: ["a"] }), await authority.issue({ names: ["b"] })];
  const pem = (label: string) => `-----BEGIN ${label}-----\nMIIcanary\n-----END ${label}-----`;
  using services = await testServices();
  for (
    const clientCertificate of [
      { cert: one.cert, key: two.key },
      { cert: pem("CERTIFICATE"), key: pem("PRIVATE KEY") },
    ]
  ) {
    const upstream = "https://up.example/mcp";
    const definition = defineGateway({
      oauth: mcpDevOAuth(),
      routes: [
        mcpProxy("/alpha", { operationId: "alpha", upstream }),
        mcpProxy("/beta", { operationId: "beta", upstream, clientCertificate }),
      ],
    });
    const gateway = compileGateway(definition, { mode: "development", env: () => undefined });
    assert.throws(() => createApp(services, gateway), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.faults.map(({ path }) => path), ["routes[1].clientCertificate"]);
      assert.doesNotMatch(error.format(), /canary|PRIVATE KEY/);
      return true;
    });
  }
});
