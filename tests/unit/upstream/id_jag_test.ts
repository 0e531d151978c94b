/** The two exchanges of cross-app access, their authentication, and how long their outcome is kept. */
import assert from "node:assert/strict";
import { decodeJwt, decodeProtectedHeader, exportPKCS8, generateKeyPair } from "jose";
import { Secret } from "../../../lib/runtime/secret.ts";
import type { ExchangeClientAuth, IdJagExchange } from "../../../lib/upstream/connection_settings.ts";
import { IdJagTokens } from "../../../lib/upstream/id_jag.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { network } from "./stage.ts";

const IDP = "https://idp.test/token";
const AS = "https://as.test/token";

const secret = (method: "client_secret_post" | "client_secret_basic"): ExchangeClientAuth => ({
  method,
  clientId: "gateway",
  clientSecret: new Secret("s"),
});

function exchange(changes: Partial<IdJagExchange> = {}): IdJagExchange {
  return {
    scopes: ["read", "write"],
    scopeDelimiter: " ",
    idp: { tokenUrl: IDP, clientAuth: secret("client_secret_post") },
    resourceAs: {
      tokenUrl: AS,
      audience: "https://as.test",
      resource: "https://up.test/mcp",
      clientAuth: secret("client_secret_basic"),
    },
    ...changes,
  };
}

function stage(changes: Partial<IdJagExchange> = {}, answer: Record<string, unknown> = {}) {
  const clock = new FakeClock();
  let serial = 0;
  const net = network(({ url }) =>
    Response.json(
      url === IDP
        ? {
          access_token: "assertion-of-the-idp",
          issued_token_type: "urn:ietf:params:oauth:token-type:id-jag",
          token_type: "N_A",
        }
        : { access_token: `token-${++serial}`, token_type: "Bearer", expires_in: 300, ...answer },
    )
  );
  return { clock, net, tokens: new IdJagTokens(exchange(changes), { fetch: net.fetch, clock }) };
}

Deno.test("the identity assertion is exchanged at the provider, and what comes of it at the upstream's server (EM-10)", async () => {
  const { tokens, net } = stage();
  assert.equal(await tokens.obtain("alice", "id-token"), "token-1");
  assert.deepEqual(net.urls(), [IDP, AS]);
  const [first, second] = net.sent.map(({ form }) => Object.fromEntries(form));
  assert.deepEqual(first, {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    requested_token_type: "urn:ietf:params:oauth:token-type:id-jag",
    subject_token: "id-token",
    subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
    audience: "https://as.test",
    resource: "https://up.test/mcp",
    scope: "read write",
    client_id: "gateway",
    client_secret: "s",
  });
  assert.deepEqual(second, {
    grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    assertion: "assertion-of-the-idp",
    resource: "https://up.test/mcp",
    scope: "read write",
  });
  assert.equal(net.sent[1]?.headers.get("authorization"), `Basic ${btoa("gateway:s")}`);
});

Deno.test("`private_key_jwt` signs for the audience that is configured, else for the token endpoint (EM-10)", async () => {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const privateKeyPem = new Secret(await exportPKCS8(privateKey));
  for (const audience of [null, "https://idp.test"]) {
    const { tokens, net } = stage({
      idp: {
        tokenUrl: IDP,
        clientAuth: {
          method: "private_key_jwt",
          clientId: "gateway",
          privateKeyPem,
          algorithm: "ES256",
          keyId: "k",
          audience,
          expiresInSeconds: 45,
        },
      },
    });
    await tokens.obtain("alice", "id-token");
    const assertion = net.sent[0]?.form.get("client_assertion") ?? "";
    const { aud, iss, exp, iat } = decodeJwt(assertion);
    assert.deepEqual([aud, iss, Number(exp) - Number(iat)], [audience ?? IDP, "gateway", 45]);
    assert.deepEqual(decodeProtectedHeader(assertion), { alg: "ES256", kid: "k" });
  }
});

Deno.test("callers at once share one exchange; a token is one user's, and is kept until shortly before its end (EM-10)", async () => {
  const { tokens, net, clock } = stage();
  const all = await Promise.all(Array.from({ length: 20 }, () => tokens.obtain("alice", "id-token")));
  assert.deepEqual([...new Set(all)], ["token-1"]);
  assert.equal(net.sent.length, 2);
  assert.equal(tokens.known("alice", null), "token-1");
  assert.equal(tokens.known("alice", "token-1"), null, "the one that was refused");
  assert.equal(tokens.known("bob", null), null);
  clock.advance({ seconds: 269 });
  assert.equal(tokens.known("alice", null), "token-1");
  clock.advance({ seconds: 1 });
  assert.equal(tokens.known("alice", null), null);
  assert.equal(await tokens.obtain("bob", "id-token-of-bob"), "token-2");
  assert.equal(net.sent.at(-2)?.form.get("subject_token"), "id-token-of-bob");
});

Deno.test("a short life is used to its half, an unknown one for five minutes", async () => {
  const short = stage({}, { expires_in: 20 });
  await short.tokens.obtain("alice", "x");
  short.clock.advance({ seconds: 9 });
  assert.ok(short.tokens.known("alice", null));
  short.clock.advance({ seconds: 2 });
  assert.equal(short.tokens.known("alice", null), null);
  const silent = stage({}, { expires_in: undefined });
  await silent.tokens.obtain("alice", "x");
  silent.clock.advance({ seconds: 269 });
  assert.ok(silent.tokens.known("alice", null));
});

Deno.test("an outage, a refusal and an answer that is no token are told apart, and nothing of them is kept", async () => {
  const cases = [
    [() => Promise.reject(new TypeError("down")), "unavailable"],
    [() => new Response(null, { status: 503 }), "unavailable"],
    [() => new Response(null, { status: 429 }), "unavailable"],
    [() => Response.json({ error: "invalid_client" }, { status: 401 }), "refused"],
    [() => Response.json({ access_token: "a b", token_type: "N_A" }), "refused"],
    [() => Response.json({ access_token: "x" }), "refused"],
  ] as const;
  for (const [answer, kind] of cases) {
    const net = network(answer);
    const tokens = new IdJagTokens(exchange(), { fetch: net.fetch, clock: new FakeClock() });
    await assert.rejects(tokens.obtain("alice", "x"), { name: "UpstreamError", kind });
    assert.equal(tokens.known("alice", null), null);
  }
  // The provider's word on the user's session is for the user; the upstream's server's on its assertion is for the operator.
  for (const error of ["invalid_grant", "login_required", "interaction_required"]) {
    for (const [place, kind] of [[IDP, "denied"], [AS, "refused"]] as const) {
      const net = network(({ url }) =>
        url === place
          ? Response.json({ error }, { status: 400 })
          : Response.json({ access_token: "x", token_type: "N_A" })
      );
      const tokens = new IdJagTokens(exchange(), { fetch: net.fetch, clock: new FakeClock() });
      await assert.rejects(tokens.obtain("alice", "x"), { kind }, `${place} ${error}`);
    }
  }
  const { tokens } = stage({}, { token_type: "N_A" });
  await assert.rejects(tokens.obtain("alice", "x"), { reason: "token_type_unsupported" });
});
