/** Attack corpus B8 133: what a client assertion has to say, and who may have signed it. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { ASSERTION_TYPE, assertionOf, jwtParts, signingKey } from "../support/assertions.ts";
import { documentHost } from "../support/document_host.ts";
import { obtainCode, postForm, redemption, registerClient } from "../support/oauth_flow.ts";
import { assertOAuthError } from "./answers.ts";
import { assertionScene } from "./assertion_scene.ts";
import { watchedGateway } from "./watched_gateway.ts";

Deno.test("a right assertion redeems a code, with and without client_id, for each of our audiences (B8 133, AS-56)", async () => {
  await using stage = await assertionScene();
  const { gateway, client, redeem } = stage;
  const audiences = [
    gateway.origin,
    `${gateway.origin}/oauth/token`,
    `${gateway.origin}/token`,
    `${gateway.origin}/alpha`,
    `${gateway.origin}/beta`,
  ];
  for (const [index, aud] of audiences.entries()) {
    const response = await redeem(await obtainCode(gateway, client), {
      claims: { aud },
      parameters: index % 2 === 0 ? {} : { client_id: client.clientId },
    });
    assert.equal(response.status, 200, aud);
  }
  const {
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: algs,
  } = await (await gateway.fetch("/.well-known/oauth-authorization-server")).json();
  assert.ok(methods.includes("private_key_jwt"));
  for (const alg of algs) assert.doesNotMatch(alg, /^HS|none/);
});

Deno.test("every advertised algorithm works (AS-56)", async () => {
  await using gateway = await watchedGateway();
  const metadata = await (await gateway.fetch("/.well-known/oauth-authorization-server")).json();
  for (const alg of metadata.token_endpoint_auth_signing_alg_values_supported) {
    const key = await signingKey("k", alg);
    const client = await registerClient(gateway, {
      client_name: alg,
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [key.publicJwk] },
    });
    const who = { clientId: client.clientId, audience: gateway.origin, clock: gateway.clock };
    const response = await postForm(
      gateway,
      "/oauth/token",
      redemption(client, await obtainCode(gateway, client), {
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: await assertionOf(key, who),
      }),
    );
    assert.equal(response.status, 200, alg);
  }
});

Deno.test("an algorithm that is not advertised is refused, though the key would verify it (AS-56)", async () => {
  await using gateway = await watchedGateway();
  for (const alg of ["RS512", "PS384", "ES512"]) {
    const key = await signingKey("k", alg);
    const { alg: _stated, ...publicJwk } = key.publicJwk;
    const client = await registerClient(gateway, {
      client_name: alg,
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [publicJwk] },
    });
    const who = { clientId: client.clientId, audience: gateway.origin, clock: gateway.clock };
    const parameters = {
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await assertionOf(key, who),
    };
    const response = await postForm(gateway, "/oauth/token", redemption(client, "x", parameters));
    await assertOAuthError(response, "invalid_client", { status: 401, what: alg });
  }
});

Deno.test("assertions with a wrong claim are invalid_client, and consume no code (B8 133, AS-56)", async () => {
  await using stage = await assertionScene();
  const { gateway, client, redeem } = stage;
  const code = await obtainCode(gateway, client);
  const now = Math.floor(gateway.clock.now() / 1000);
  const claims: Record<string, unknown>[] = [
    { aud: "https://as.evil.test/token" },
    { aud: "https://as.evil.test" },
    { aud: `${gateway.origin}/` },
    { aud: `${gateway.origin}/oauth/token/` },
    { aud: `${gateway.origin}/gamma` },
    { aud: gateway.origin.replace("127.0.0.1", "localhost") },
    { aud: [gateway.origin] },
    { aud: [gateway.origin, "https://as.evil.test"] },
    { aud: "" },
    { aud: null },
    { exp: now + 900 },
    { exp: now + 331 },
    { exp: now - 31 },
    { exp: 1e308 },
    { exp: -1 },
    { exp: `${now + 60}` },
    { exp: null },
    { nbf: now + 31 },
    { nbf: "soon" },
    { iat: "now" },
    { jti: null },
    { jti: "" },
    { jti: 7 },
    { iss: "somebody" },
    { iss: null },
    { sub: "somebody" },
    { sub: null },
    { iss: "somebody", sub: "somebody" },
    { iss: [client.clientId], sub: [client.clientId] },
  ];
  for (const each of claims) {
    await assertOAuthError(await redeem(code, { claims: each }), "invalid_client", {
      status: 401,
      what: JSON.stringify(each),
    });
  }
  // Within the allowed skew, and as late as it may.
  assert.equal(
    (await redeem(code, { claims: { exp: now + 300, nbf: now + 20, iat: now + 20 } })).status,
    200,
  );
});

Deno.test("forged, unsigned, foreign and malformed assertions are invalid_client, and fetch nothing (B8 133, AS-56)", async () => {
  await using host = documentHost();
  await using stage = await assertionScene();
  const { gateway, client, key, redeem } = stage;
  const code = await obtainCode(gateway, client);
  const who = { clientId: client.clientId, audience: gateway.origin, clock: gateway.clock };
  const good = await assertionOf(key, who);
  const [head = "", body = "", signature = ""] = good.split(".");
  const claims = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(body, { alphabet: "base64url" })));
  const thief = await signingKey("1");
  const asSecret = createHmac("sha256", JSON.stringify(key.publicJwk)).update(
    `${jwtParts({ alg: "HS256", kid: "1" })}.${body}`,
  );
  const attacks: Record<string, string> = {
    "no signature": `${head}.${body}.`,
    "alg none": `${jwtParts({ alg: "none" }, claims)}.`,
    "alg None": `${jwtParts({ alg: "None", kid: "1" }, claims)}.${signature}`,
    "HMAC with the public key": `${jwtParts({ alg: "HS256", kid: "1" })}.${body}.${
      asSecret.digest("base64url")
    }`,
    "another key, same kid": await assertionOf(thief, who),
    "its own key in the header": await assertionOf(thief, who, { header: { jwk: thief.publicJwk } }),
    "keys by reference": await assertionOf(thief, who, {
      header: { jku: `${host.origin}/keys`, x5u: `${host.origin}/x5u` },
    }),
    "an unknown kid": await assertionOf(key, who, { header: { kid: "../../1" } }),
    "an unknown critical header": jwtParts({ alg: "ES256", kid: "1", crit: ["x"], x: 1 }, claims, signature),
    "changed claims": jwtParts(head, { ...claims, jti: "other" }, signature),
    "claims that are no object": jwtParts(head, [claims], signature),
    "a JWE's five parts": `${good}.AAAA.AAAA`,
    "two parts": `${head}.${body}`,
    "no JWT": "x",
    "20 KB": `${good}${"A".repeat(20_000)}`,
    "nothing": "",
  };
  host.answers.set("/keys", { keys: [thief.publicJwk] });
  for (const [what, assertion] of Object.entries(attacks)) {
    const response = await redeem(code, { assertion });
    const { error } = await response.json();
    assert.deepEqual([response.status, error], [401, "invalid_client"], what);
  }
  assert.equal(host.requests.length, 0);
  assert.equal((await redeem(code, { assertion: good })).status, 200);
});

Deno.test("an assertion comes alone, whole, and from the client that it names (B8 130, B8 133, AS-54)", async () => {
  await using stage = await assertionScene();
  const { gateway, client, key, redeem } = stage;
  const code = await obtainCode(gateway, client);
  const other = await registerClient(gateway, { client_name: "Other", token_endpoint_auth_method: "none" });
  const secret = await registerClient(gateway, {
    client_name: "S",
    token_endpoint_auth_method: "client_secret_basic",
  });
  const refused: [Record<string, string | null>, string, number][] = [
    [{ client_assertion_type: null }, "invalid_client", 401],
    [
      { client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:saml2-bearer" },
      "invalid_client",
      401,
    ],
    [{ client_assertion: null }, "invalid_client", 401],
    [{ client_id: other.clientId }, "invalid_client", 401],
    [{ client_secret: "x" }, "invalid_request", 400],
  ];
  for (const [parameters, error, status] of refused) {
    await assertOAuthError(await redeem(code, { parameters }), error, {
      status,
      what: JSON.stringify(parameters),
    });
  }
  // Nothing weaker stands in for it.
  await assertOAuthError(
    await postForm(gateway, "/oauth/token", redemption(client, code)),
    "invalid_client",
    { status: 401 },
  );
  // A client without keys cannot use it, whoever signs.
  for (const foreign of [other, secret]) {
    const assertion = await assertionOf(key, {
      clientId: foreign.clientId,
      audience: gateway.origin,
      clock: gateway.clock,
    });
    await assertOAuthError(await redeem(code, { assertion }), "invalid_client", { status: 401 });
  }
  const basic = await postForm(
    gateway,
    "/oauth/token",
    redemption(client, code, {
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await assertionOf(key, {
        clientId: client.clientId,
        audience: gateway.origin,
        clock: gateway.clock,
      }),
    }),
    { authorization: `Basic ${btoa(`${client.clientId}:x`)}` },
  );
  await assertOAuthError(basic, "invalid_request");
  assert.equal((await redeem(code)).status, 200);
});
