/** Attack corpus B7, the keys: only those of the configured key set, fetched sparingly, from nowhere else. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { EndpointScript, ProviderScript } from "../support/scripted_provider.ts";
import { assertNobody, latestReason, loginScene, signedInUser, signIn } from "./login_scene.ts";

for (const alg of ["ES256", "RS256"] as const) {
  Deno.test(`a public or shared secret is no signing key where ${alg} is expected (B7 111)`, async () => {
    await using scene = await loginScene({ alg, expect5xx: [502] });
    for (
      const [script, reason] of [
        [{ signature: "hmac-public-key" }, /alg/],
        [{ signature: "hmac-client-secret" }, /alg/],
        [{ signature: "hmac-client-secret", keys: "symmetric" }, /alg/],
        [{ keys: "symmetric" }, /no_matching_key/],
        [{ signature: "other-key" }, /signature/],
        [{ header: { alg: alg === "ES256" ? "RS256" : "PS256" } }, /no_matching_key|signature/],
        [{ header: { alg: "HS256" } }, /alg/],
      ] satisfies [ProviderScript, RegExp][]
    ) {
      scene.idp.script = script;
      // What was fetched for the case before is not good any more.
      scene.clock.advance({ seconds: 31 });
      await assertNobody(scene, await signIn(scene), 502, JSON.stringify(script));
      assert.match(latestReason(scene), reason, JSON.stringify(script));
    }
  });
}

Deno.test("a header that brings or names keys of its own is refused or not listened to, and nothing is fetched (B7 112)", async () => {
  let fetched = 0;
  await using evil = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    fetched++;
    return Response.json({ keys: [] });
  });
  const url = `http://127.0.0.1:${evil.addr.port}/keys`;
  await using scene = await loginScene({ expect5xx: [502] });
  const { idp } = scene;
  for (
    const script of [
      { signature: "embedded-key" },
      { signature: "unknown-key", header: { jku: url } },
      { signature: "unknown-key", header: { x5u: url } },
      { signature: "other-key", header: { jku: url, x5u: url, x5c: ["MIIB"] } },
      { signature: "unknown-key", header: { kid: "../../../../etc/passwd" } },
      { signature: "unknown-key", header: { kid: "' OR 1=1 --" } },
      { signature: "unknown-key", header: { kid: url } },
      { header: { kid: { toString: "x" } } },
      { header: { crit: ["b64"], b64: false } },
      { header: { crit: ["exp"], exp: 1 } },
      { header: { crit: [] } },
      { header: { crit: "exp" } },
    ] satisfies ProviderScript[]
  ) {
    idp.script = script;
    await assertNobody(scene, await signIn(scene), 502, JSON.stringify(script));
  }
  // The right key, with an address beside it that is not asked.
  idp.script = { header: { jku: url, x5u: url } };
  assert.equal(signedInUser(await signIn(scene)), "alice");
  assert.equal(fetched, 0);
});

Deno.test("unknown key ids ask the provider again once per cool-down, not once per token (B7 119)", async () => {
  await using scene = await loginScene({ expect5xx: [502] });
  const { idp } = scene;
  assert.equal(signedInUser(await signIn(scene)), "alice");
  assert.equal(idp.counts.jwks, 1);
  idp.script = { signature: "unknown-key" };
  const flood = () => Promise.all(Array.from({ length: 40 }, () => signIn(scene)));
  await flood();
  assert.equal(idp.counts.jwks, 2);
  scene.clock.advance({ seconds: 29 });
  await flood();
  assert.equal(idp.counts.jwks, 2);
  scene.clock.advance({ seconds: 2 });
  await flood();
  assert.equal(idp.counts.jwks, 3);
});

Deno.test("a changed key is known at the first login after it, and the old one no longer (B7 119)", async () => {
  await using scene = await loginScene({ expect5xx: [502] });
  const { idp } = scene;
  assert.equal(signedInUser(await signIn(scene)), "alice");
  idp.rotateKeys();
  const pages = await Promise.all(Array.from({ length: 5 }, () => signIn(scene)));
  for (const page of pages) assert.equal(signedInUser(page), "alice");
  assert.equal(idp.counts.jwks, 2);
  // Signed with a key that has left the set.
  idp.script = { keys: "other" };
  idp.rotateKeys();
  scene.clock.advance({ seconds: 31 });
  assert.equal((await signIn(scene)).status, 502);
});

Deno.test("a key set that is huge, elsewhere, broken or late is no key set (B7 119)", async () => {
  let elsewhere = 0;
  await using evil = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    elsewhere++;
    return Response.json({ keys: [] });
  });
  const cases: Readonly<Record<string, EndpointScript>> = {
    "10 MiB": { paddingBytes: 10 * 1_048_576 },
    "elsewhere": { redirectTo: `http://127.0.0.1:${evil.addr.port}/jwks` },
    "elsewhere for good": { redirectTo: `http://127.0.0.1:${evil.addr.port}/jwks`, status: 308 },
    "no JSON": { body: "<html>" },
    "a list": { body: "[]" },
    "keys that are none": { body: { keys: [null, 1, "k"] } },
    "an error": { status: 500 },
    "half of it": { hang: "body" },
    "nothing": { hang: "answer" },
  };
  for (const [what, jwks] of Object.entries(cases)) {
    await using scene = await loginScene({ expect5xx: [502], script: { jwks }, remoteTimeoutMs: 1_000 });
    const started = performance.now();
    await assertNobody(scene, await signIn(scene), 502, what);
    assert.ok(performance.now() - started < 8_000, what);
    assert.equal(latestReason(scene), "provider_keys_unavailable", what);
    scene.idp.script = {};
    assert.equal(signedInUser(await signIn(scene)), "alice", what);
  }
  assert.equal(elsewhere, 0);
});

Deno.test("the code is proved with the verifier of its challenge, and the client with its secret (AS-30, B7 121)", async () => {
  await using scene = await loginScene();
  assert.equal(signedInUser(await signIn(scene)), "alice");
  const { params, headers } = scene.idp.tokenRequests[0] ?? {};
  const challenge = scene.idp.authorizationRequests[0]?.get("code_challenge");
  const verifier = params?.get("code_verifier") ?? "";
  assert.equal(createHash("sha256").update(verifier).digest("base64url"), challenge);
  assert.match(headers?.get("authorization") ?? "", /^Basic /);
  assert.equal(params?.get("client_secret"), null);
  assert.equal(params?.get("redirect_uri"), `${scene.gateway.origin}/oauth/callback`);
});
