/** Attack corpus B11: what an ID-JAG has to say, and who may have signed it. */
import assert from "node:assert/strict";
import { signingKey } from "../support/assertions.ts";
import { startScriptedProvider } from "../support/scripted_provider.ts";
import { assertOAuthError } from "./answers.ts";
import { type IdJagChanges, type IdJagScene, idJagScene } from "./id_jag_scene.ts";

/** Every one of them is refused and writes nothing; a right one is accepted before and after. */
async function assertRefused(
  scene: IdJagScene,
  bent: Readonly<Record<string, IdJagChanges>>,
): Promise<void> {
  await assertAccepted(scene, { "before": {} });
  const before = await scene.gateway.contents();
  for (const [what, changes] of Object.entries(bent)) {
    await assertOAuthError(await scene.present(scene.assertion(changes)), "invalid_grant", { what });
  }
  assert.deepEqual(await scene.gateway.contents(), before, "nothing was written");
  await assertAccepted(scene, { "after": {} });
}

async function assertAccepted(
  scene: IdJagScene,
  right: Readonly<Record<string, IdJagChanges>>,
): Promise<void> {
  for (const [what, changes] of Object.entries(right)) {
    const response = await scene.present(scene.assertion(changes));
    assert.equal(response.status, 200, `${what}: ${await response.clone().text()}`);
  }
}

Deno.test("an ID token, an access token or anything else that is no ID-JAG by its type is refused (B11 162, EM-03)", async () => {
  await using scene = await idJagScene();
  const types = [
    "JWT",
    "at+jwt",
    "application/at+jwt",
    "",
    "oauth-id-jag",
    "id-jag+jwt",
    "client-authentication+jwt",
  ];
  await assertRefused(scene, {
    "no typ": { header: { typ: undefined } },
    "typ is a list": { header: { typ: ["oauth-id-jag+jwt"] } },
    ...Object.fromEntries(types.map((typ) => [`typ ${typ}`, { header: { typ } }])),
    "an ID token for this client": { header: { typ: "JWT" }, claims: { client_id: undefined } },
  });
  await assertAccepted(scene, { "as a media type": { header: { typ: "application/oauth-id-jag+jwt" } } });
});

Deno.test("the audience is this server, alone, and its issuer to the letter (B11 165, EM-04)", async () => {
  await using scene = await idJagScene();
  const { origin } = scene.gateway;
  const audiences: readonly unknown[] = [
    undefined,
    null,
    "",
    [],
    [""],
    "https://other.example",
    [origin, "https://other.example"],
    ["https://other.example", origin],
    [origin, origin],
    [[origin]],
    { 0: origin },
    `${origin}/`,
    `${origin}/oauth/token`,
    `${origin}/token`,
    `${origin}/alpha`,
    origin.toUpperCase(),
    `${origin} `,
    `${origin} https://other.example`,
  ];
  await assertRefused(
    scene,
    Object.fromEntries(audiences.map((aud) => [`aud ${JSON.stringify(aud)}`, { claims: { aud } }])),
  );
  await assertAccepted(scene, {
    "a string": { claims: { aud: origin } },
    "a list of one": { claims: { aud: [origin] } },
  });
});

Deno.test("the assertion is for the client that authenticated, and says so (B11 166, EM-05)", async () => {
  await using scene = await idJagScene();
  const { clientId } = scene.client;
  const values = [undefined, null, "", "somebody-else", `${clientId} `, [clientId], clientId.toUpperCase()];
  await assertRefused(scene, {
    ...Object.fromEntries(
      values.map((id) => [`client_id ${JSON.stringify(id)}`, { claims: { client_id: id } }]),
    ),
    "only azp": { claims: { client_id: undefined, azp: clientId } },
  });
});

Deno.test("an assertion has an id, lives five minutes at most, and is used in its time (B11 168, EM-06)", async () => {
  await using scene = await idJagScene();
  const now = Math.floor(scene.clock.now() / 1000);
  await assertRefused(scene, {
    "no jti": { claims: { jti: undefined } },
    "empty jti": { claims: { jti: "" } },
    "jti is a number": { claims: { jti: 7 } },
    "endless jti": { claims: { jti: "j".repeat(1025) } },
    "no exp": { claims: { exp: undefined } },
    "no iat": { claims: { iat: undefined } },
    "exp is text": { claims: { exp: `${now + 60}` } },
    "iat is text": { claims: { iat: `${now}` } },
    "lives 301 s": { claims: { exp: now + 301 } },
    "lives long, issued before": { claims: { iat: now - 200, exp: now + 101 } },
    "ends before it began": { claims: { iat: now, exp: now - 1 } },
    "issued in the future": { claims: { iat: now + 61, exp: now + 120 } },
    "nbf in the future": { claims: { nbf: now + 61 } },
    "nbf is text": { claims: { nbf: "0" } },
    "expired by more than the skew": { claims: { iat: now - 200, exp: now - 61 } },
    "no sub": { claims: { sub: undefined } },
    "empty sub": { claims: { sub: "" } },
    "sub is a number": { claims: { sub: 1 } },
    "sub with a control character": { claims: { sub: "alice\n" } },
    "endless sub": { claims: { sub: "s".repeat(256) } },
    "no iss": { claims: { iss: undefined } },
  });
  await assertAccepted(scene, {
    "lives 300 s": { claims: { exp: now + 300 } },
    "a clock ahead of ours": { claims: { iat: now + 59, nbf: now + 59, exp: now + 120 } },
    "a clock behind ours": { claims: { iat: now - 200, exp: now - 59 } },
  });
});

Deno.test("a key or an authorization that we would ignore is refused, and nothing is written (B11 171, EM-09)", async () => {
  await using scene = await idJagScene();
  await assertRefused(scene, {
    "cnf.jkt": { claims: { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } } },
    "cnf.x5t#S256": { claims: { cnf: { "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" } } },
    "empty cnf": { claims: { cnf: {} } },
    "cnf null": { claims: { cnf: null } },
    "authorization_details": { claims: { authorization_details: [{ type: "payment", amount: 1 }] } },
    "no authorization_details in the list": { claims: { authorization_details: [] } },
  });
});

Deno.test("only a key of the issuer's set signs, by an algorithm for signatures with it (B11 172, EM-03)", async () => {
  await using scene = await idJagScene();
  await assertRefused(scene, {
    "alg none": { signature: "none" },
    "alg None": { signature: "none", header: { alg: "None" } },
    "no signature": { signature: "stripped" },
    "HS256 with the public key": { signature: "hmac-public-key" },
    "HS256 with a client secret": { signature: "hmac-client-secret" },
    "one byte changed": { signature: "broken" },
    "a stranger's key under the right id": { signature: "other-key" },
    "a stranger's key": { signature: "unknown-key" },
    "a stranger's key in the header": { signature: "embedded-key" },
    "an algorithm of another key type": { header: { alg: "RS256" } },
    "an algorithm outside the list": { header: { alg: "ES256K" } },
    "an extension that we do not know": { header: { crit: ["exp"], exp: 1 } },
    "an extension that is nowhere": { header: { crit: ["urn:x"] } },
  });
});

Deno.test("keys at a URL of the assertion's own are not fetched (B11 172, EM-03)", async () => {
  await using scene = await idJagScene();
  await using stranger = startScriptedProvider({ clock: scene.clock });
  await assertRefused(scene, {
    "jku": { issuer: stranger, claims: { iss: scene.issuer.issuer }, header: { jku: stranger.jwksUrl } },
    "x5u": { issuer: stranger, claims: { iss: scene.issuer.issuer }, header: { x5u: stranger.jwksUrl } },
  });
  assert.equal(stranger.counts.jwks, 0);
});

Deno.test("without a key id one key is meant, and of several none (B11 172, EM-03)", async () => {
  await using one = await idJagScene();
  await assertAccepted(one, { "the only key": { header: { kid: undefined } } });
  await using several = await idJagScene();
  const { keys: own } = await (await fetch(several.issuer.jwksUrl)).json();
  const { publicJwk } = await signingKey("another");
  several.issuer.script = { keys: [...own, publicJwk] };
  await assertRefused(several, { "one of two": { header: { kid: undefined } } });
});

Deno.test("a symmetric key in the issuer's set does not make HS256 count (B11 172, EM-03)", async () => {
  await using scene = await idJagScene();
  scene.issuer.script = { keys: "symmetric" };
  const response = await scene.present(scene.assertion({ signature: "hmac-client-secret" }));
  await assertOAuthError(response, "invalid_grant");
});
