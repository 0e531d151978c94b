/** `private_key_jwt` for clients of every kind, and keys that move: jwks, jwks_uri, rotation, outages (AS-42, AS-56). */
import assert from "node:assert/strict";
import { ASSERTION_TYPE, assertionOf, type SigningKey, signingKey } from "../support/assertions.ts";
import { authorizeAs, documentHost, publish } from "../support/document_host.ts";
import { obtainCode, postForm, redeem, redemption, refresh, type TestClient } from "../support/oauth_flow.ts";
import { assertOAuthError } from "./answers.ts";
import { type WatchedGateway, watchedGateway } from "./watched_gateway.ts";

async function redeemSigned(
  gateway: WatchedGateway,
  client: TestClient,
  key: SigningKey,
  code?: string,
): Promise<Response> {
  const who = { clientId: client.clientId, audience: gateway.origin, clock: gateway.clock };
  return await postForm(
    gateway,
    "/oauth/token",
    redemption(client, code ?? await obtainCode(gateway, client), {
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await assertionOf(key, who),
    }),
  );
}

Deno.test("a client of the configuration with keys, and a document client with keys (AS-42, AS-56)", async () => {
  await using host = documentHost();
  const key = await signingKey("1");
  const redirectUri = "https://client.example/callback";
  await using gateway = await watchedGateway({
    config: () => ({
      clients: [{
        clientId: "configured",
        redirectUris: [redirectUri],
        jwks: { keys: [{ ...key.publicJwk }] },
      }],
    }),
  });
  const configured = { clientId: "configured", clientSecret: null, redirectUri, registration: {} };
  const document = publish(host, "/c.json", {
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [key.publicJwk] },
  });
  for (const client of [configured, document]) {
    const answer = await redeemSigned(gateway, client, key);
    assert.equal(answer.status, 200, client.clientId);
    const code = await obtainCode(gateway, client);
    await assertOAuthError(await redeem(gateway, client, code), "invalid_client", { status: 401 });
    await assertOAuthError(
      await redeemSigned(gateway, client, await signingKey("1"), code),
      "invalid_client",
      {
        status: 401,
      },
    );
    assert.equal((await redeemSigned(gateway, client, key, code)).status, 200);
  }
});

Deno.test("a document like ChatGPT's: plural methods, keys by reference, and the assertion preferred (AS-42, Q-14)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const key = await signingKey("2026-11");
  host.answers.set("/oauth/jwks.json", { keys: [key.publicJwk] });
  const client = publish(host, "/oauth/client.json", {
    client_name: "ChatGPT",
    client_uri: "https://chatgpt.com",
    redirect_uris: ["https://chatgpt.com/connector_platform_oauth_redirect"],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_methods_supported: ["none", "private_key_jwt"],
    token_endpoint_auth_signing_alg: "ES256",
    jwks_uri: `${host.origin}/oauth/jwks.json`,
  });
  // Both ways work, and in turn.
  const signed = await redeemSigned(gateway, client, key);
  assert.equal(signed.status, 200);
  const { refresh_token } = await signed.json();
  assert.equal((await refresh(gateway, client, refresh_token)).status, 200);
  assert.equal((await redeem(gateway, client, await obtainCode(gateway, client))).status, 200);
  // Whoever signs has to sign rightly, even where nothing would have done.
  const code = await obtainCode(gateway, client);
  await assertOAuthError(
    await redeemSigned(gateway, client, await signingKey("2026-11"), code),
    "invalid_client",
    {
      status: 401,
    },
  );
  const keyFetches = host.requests.filter(({ url }) => url.endsWith("/jwks.json"));
  assert.equal(keyFetches.length, 1, "the keys are kept");
});

Deno.test("keys behind jwks_uri rotate: an unknown kid is looked up once, and not again for each guess (AS-56)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const [first, second, thief] = await Promise.all([signingKey("1"), signingKey("2"), signingKey("3")]);
  host.answers.set("/keys", { keys: [first.publicJwk] });
  const client = publish(host, "/c.json", {
    token_endpoint_auth_method: "private_key_jwt",
    jwks_uri: `${host.origin}/keys`,
  });
  const fetches = () => host.requests.filter(({ url }) => url.endsWith("/keys")).length;
  const realNow = Date.now;
  let ahead = 0;
  // What keeps remote keys goes by the machine's clock.
  Date.now = () => realNow() + ahead;
  try {
    assert.equal((await redeemSigned(gateway, client, first)).status, 200);
    const code = await obtainCode(gateway, client);
    for (let n = 0; n < 20; n++) {
      await assertOAuthError(await redeemSigned(gateway, client, thief, code), "invalid_client", {
        status: 401,
      });
    }
    assert.equal(fetches(), 1, "guesses within half a minute fetch nothing");
    host.answers.set("/keys", { keys: [second.publicJwk] });
    ahead += 31_000;
    assert.equal((await redeemSigned(gateway, client, second, code)).status, 200);
    assert.equal(fetches(), 2);
    // The old key is gone with its publication.
    await assertOAuthError(await redeemSigned(gateway, client, first), "invalid_client", { status: 401 });
    for (let n = 0; n < 20; n++) await (await redeemSigned(gateway, client, thief, code)).body?.cancel();
    assert.equal(fetches(), 2);
  } finally {
    Date.now = realNow;
  }
});

Deno.test("while keys cannot be had the last ones count; a client whose keys were never seen is told to come again (AS-56)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway({ expect5xx: [503] });
  const key = await signingKey("1");
  host.answers.set("/keys", { keys: [key.publicJwk] });
  const keys = { token_endpoint_auth_method: "private_key_jwt", jwks_uri: `${host.origin}/keys` };
  const known = publish(host, "/known.json", keys);
  assert.equal((await redeemSigned(gateway, known, key)).status, 200);
  const fresh = publish(host, "/fresh.json", { ...keys, jwks_uri: `${host.origin}/none` });
  const realNow = Date.now;
  // Past the ten minutes that keys are taken for current.
  Date.now = () => realNow() + 700_000;
  try {
    for (const status of [500, 404, 302]) {
      host.answers.set("/keys", () => new Response(null, { status, headers: { location: "/elsewhere" } }));
      assert.equal((await redeemSigned(gateway, known, key)).status, 200, String(status));
    }
    const late = await redeemSigned(gateway, fresh, key);
    await assertOAuthError(late, "temporarily_unavailable", { status: 503 });
    assert.match(late.headers.get("retry-after") ?? "", /^\d+$/);
    // The thief's key does not count for want of the client's.
    const thief = await redeemSigned(gateway, known, await signingKey("1"));
    await assertOAuthError(thief, "invalid_client", { status: 401 });
  } finally {
    Date.now = realNow;
  }
});

Deno.test("keys that are private, symmetric, too large or no key set verify nothing (AS-37, AS-56)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway({ expect5xx: [503] });
  const key = await signingKey("1");
  const open = key.publicJwk;
  const whole = { ...await crypto.subtle.exportKey("jwk", key.privateKey), kid: "1", alg: "ES256" };
  const answers: Record<string, unknown>[] = [
    { keys: [{ ...whole, key_ops: undefined }] },
    { keys: [{ kty: "oct", k: "AAAA", kid: "1", alg: "HS256" }] },
    { keys: [] },
    { keys: "x" },
    {},
    { keys: [{ ...open, x: "AAAA" }] },
    { keys: [{ ...open, use: "enc" }] },
    { keys: [open, ...Array.from({ length: 1_000 }, () => ({ ...open, x5c: ["A".repeat(100)] }))] },
  ];
  for (const [index, answer] of answers.entries()) {
    host.answers.set(`/keys${index}`, answer);
    const client = publish(host, `/${index}.json`, {
      token_endpoint_auth_method: "private_key_jwt",
      jwks_uri: `${host.origin}/keys${index}`,
    });
    const response = await redeemSigned(gateway, client, key);
    await assertOAuthError(response, ["invalid_client", "temporarily_unavailable"], {
      status: index === answers.length - 1 ? 503 : 401,
      what: String(index),
    });
  }
});

Deno.test("the keys' host is asked 30 times a minute at most, however many clients name it (B3 056)", async () => {
  await using host = documentHost();
  await using victim = documentHost();
  await using gateway = await watchedGateway({ expect5xx: [503] });
  const key = await signingKey("1");
  const clients = Array.from({ length: 100 }, (_, n) =>
    publish(host, `/${n}.json`, {
      token_endpoint_auth_method: "private_key_jwt",
      jwks_uri: `${victim.origin}/${n}`,
    }));
  // The documents are fetched within their own pace, and are then at hand.
  for (const [n, client] of clients.entries()) {
    if (n % 25 === 0) gateway.clock.advance({ seconds: 61 });
    assert.equal((await authorizeAs(gateway, client.clientId)).status, 303);
  }
  for (const client of clients) {
    const answer = await redeemSigned(gateway, client, key, "x");
    await answer.body?.cancel();
    assert.equal(answer.status, 503);
  }
  assert.equal(victim.requests.length, 30);
});
