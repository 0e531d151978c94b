/**
 * The gateway as a client that registers nowhere: `oidc-provider` reads our metadata document and our keys over https, and we authenticate
 * with `private_key_jwt`. Everything is a process or a server of its own, under a public-looking name.
 */
import assert from "node:assert/strict";
import { createKeyRingEntry } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import { HeadlessBrowser, type Page } from "../support/browser.ts";
import { freePort } from "../support/child_process.ts";
import { startGateway } from "../support/gateway_process.ts";
import { startIdentityProvider, type TestIdentityProvider } from "../support/identity_provider.ts";
import { type Askable, authorizeUrl, redeem, registerClient } from "../support/oauth_flow.ts";
import { startOidcUpstream } from "../support/oidc_upstream.ts";
import { publicNames } from "../support/public_names.ts";
import { callAs, nextStep } from "../support/upstream_fleet.ts";

const GATEWAY = "https://gw.example";
/** How the second process is reached. */
const SECOND = "https://gw-2.example";
const UPSTREAM = "https://notes.example";

const configuration = (idp: TestIdentityProvider) => `
import { defineGateway, mcpOAuth, mcpProxy, tokenExchange } from "@sallyport/gateway";
export default defineGateway({
  publicUrl: "${GATEWAY}",
  allowedHosts: ["${new URL(SECOND).host}"],
  oauth: mcpOAuth({
    oidc: { issuer: "${idp.issuer}", jwksUrl: "${idp.jwksUrl}" },
    browserLogin: {
      url: "${idp.authorizationUrl}", tokenUrl: "${idp.tokenUrl}",
      clientId: "${idp.clientId}", clientSecret: "${idp.clientSecret}",
    },
  }),
  routes: [mcpProxy("/alpha", {
    operationId: "alpha",
    upstream: "${UPSTREAM}/mcp",
    // The name is nobody's; only the proxy of the test knows where it leads.
    allowPrivateNetwork: true,
    policies: [tokenExchange({ id: "notes", displayName: "Notes" })],
  })],
});
`;

/** An assertion that the provider was shown, after it had found its signature good. */
interface Assertion {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly header: Readonly<Record<string, unknown>>;
  readonly at: number;
}

Deno.test("oidc-provider reads our client id metadata document and keys; connect, refresh and disconnect authenticate with private_key_jwt (UP-07, UP-08, UP-21, UP-22, F24)", async () => {
  await using names = await publicNames();
  await using idp = await startIdentityProvider({ redirectUris: [`${GATEWAY}/oauth/callback`] });
  const assertions: Assertion[] = [];
  const fetched: string[] = [];
  let documentIsThere = true;
  await using upstream = await startOidcUpstream({
    users: ["alice", "bob"],
    tokenSeconds: 600,
    callsPerToken: 2,
    tls: { origin: UPSTREAM, ...await names.issue(new URL(UPSTREAM).host) },
    clientAuthMethods: ["private_key_jwt"],
    features: {
      registration: { enabled: false },
      clientIdMetadataDocument: { enabled: true, ack: "draft-02", cacheDuration: { min: 1, max: 1 } },
    },
    async fetch(url, init) {
      fetched.push(String(url));
      return documentIsThere ? await names.fetch(url, init) : new Response("not now", { status: 503 });
    },
    assertClientAssertion: (_context, claims, header) =>
      void assertions.push({ claims, header, at: Date.now() / 1000 }),
  });
  names.lead(new URL(UPSTREAM).host, upstream.port);
  const ports = [freePort(), freePort()] as const;
  await names.front(new URL(GATEWAY).host, ports[0]);
  await names.front(new URL(SECOND).host, ports[1]);
  const folder = await Deno.makeTempDir({ prefix: "sallyport-cimd-" });
  const env = {
    ...names.environment,
    GATEWAY_ENCRYPTION_KEYS: createKeyRingEntry("k1", systemRandom),
  };
  const options = { config: configuration(idp), folder, env, mode: "production" } as const;
  // Two processes that make the key at the same moment.
  const gateways = await Promise.all(ports.map((port) => startGateway({ ...options, port })));
  try {
    const keySets = await Promise.all(
      [GATEWAY, SECOND, GATEWAY, SECOND].map(async (origin) =>
        await (await names.fetch(`${origin}/.well-known/jwks.json`)).json()
      ),
    );
    assert.equal(new Set(keySets.map(({ keys }) => keys[0].kid)).size, 1);
    assert.ok(keySets.every(({ keys }) => keys.length === 1 && !("d" in keys[0])));

    const gateway: Askable = {
      origin: GATEWAY,
      fetch: (url, init) => names.fetch(new URL(url, GATEWAY), { ...init, redirect: "manual" }),
      browser: () => new HeadlessBrowser(),
    };
    const person = new HeadlessBrowser({
      fetch: (input, init) => {
        const url = new URL(input instanceof Request ? input.url : input);
        return url.protocol === "https:" ? names.fetch(url, init) : fetch(url, init);
      },
    });
    const client = await registerClient(gateway);
    const stopAt = (url: URL) => url.href.startsWith(client.redirectUri);
    let page: Page = await person.get(authorizeUrl(gateway, client), { stopAt });
    for (let pages = 0; pages < 6 && !page.left; pages++) {
      page = await person.submit(page, nextStep(page, "alice"), { stopAt });
    }
    const tokens = await (await redeem(gateway, client, page.url.searchParams.get("code") ?? "")).json();
    const call = () => callAs(gateway, { token: tokens.access_token });

    const clientId = `${GATEWAY}/.well-known/oauth-client/notes?authProfileId=notes%3Auser-oauth`;
    assert.deepEqual([fetched[0], upstream.registrations], [clientId, []]);
    for (let count = 0; count < 5; count++) {
      assert.equal((await call()).body.result?.content?.[0]?.text, "alice");
    }
    assert.equal(upstream.granted.length, 2);
    assert.ok(fetched.includes(`${GATEWAY}/.well-known/jwks.json`));

    // The server cannot read our document for a while: that is no reason to lose the grant, nor to register.
    documentIsThere = false;
    const deadline = performance.now() + 30_000;
    const untilCallIs = async (status: number) => {
      for (;;) {
        const answer = await call();
        if (answer.status === status) return answer;
        assert.ok([200, 502].includes(answer.status) && performance.now() < deadline, JSON.stringify(answer));
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    };
    const { retryAfter, body } = await untilCallIs(502);
    assert.ok(Number(retryAfter) >= 1 && body.error?.data === undefined, JSON.stringify(body));
    documentIsThere = true;
    assert.equal((await untilCallIs(200)).body.result?.content?.[0]?.text, "alice");

    const before = assertions.length;
    const account = await person.get(`${GATEWAY}/account`);
    await person.submit(account, { action: "disconnect" });
    assert.equal(assertions.length, before + 1, "the revocation was not authenticated");
    assert.equal((await call()).body.error?.data?.state, "authenticating");

    const [key] = keySets[0].keys;
    for (const { claims, header, at } of assertions) {
      assert.deepEqual([claims.iss, claims.sub, claims.aud], [clientId, clientId, UPSTREAM]);
      assert.deepEqual([header.alg, header.kid], ["ES256", key.kid]);
      assert.ok(Number(claims.exp) > at && Number(claims.exp) <= at + 300, "the assertion lives too long");
    }
    assert.equal(new Set(assertions.map(({ claims }) => claims.jti)).size, assertions.length);
    assert.deepEqual(upstream.errors, []);
    assert.ok(names.asked.includes(new URL(UPSTREAM).host));
  } finally {
    for (const each of gateways) await each.stop();
    await Deno.remove(folder, { recursive: true });
  }
});
