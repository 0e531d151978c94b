/** Attack corpus B7, the ID token: believed by configuration, never by what it says of itself. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { userIdOf } from "../../lib/login/identity.ts";
import { findUserByEmail } from "../../lib/login/user.ts";
import type { ProviderScript } from "../support/scripted_provider.ts";
import {
  assertNobody,
  latestReason,
  type LoginScene,
  loginScene,
  signedInUser,
  signIn,
} from "./login_scene.ts";

type Claims = Readonly<Record<string, unknown>>;
type Cases = Readonly<Record<string, readonly [script: ProviderScript, reason: RegExp]>>;

/** Each script alone keeps everybody out, for its own reason; without it the same gateway lets alice in. */
async function refusesAll(scene: LoginScene, cases: Cases): Promise<void> {
  const { idp } = scene;
  for (const [what, [script, reason]] of Object.entries(cases)) {
    idp.script = script;
    const asked = idp.tokenRequests.length;
    const browser = scene.browser();
    await assertNobody(scene, await signIn(scene, browser), 502, what);
    assert.match(latestReason(scene), reason, what);
    assert.equal(idp.tokenRequests.length, asked + 1, what);
    assert.equal(browser.cookies.get(new URL(scene.gateway.origin), "sallyport_session"), undefined, what);
  }
  idp.script = {};
  assert.equal(signedInUser(await signIn(scene)), "alice");
}

/** Claims that depend on when the token is made. */
function timed(change: (seconds: number, claims: Claims) => Claims): ProviderScript {
  return { claims: (claims) => ({ ...claims, ...change(Number(claims.iat), claims) }) };
}

Deno.test("an ID token that nobody signed is refused (B7 110)", async () => {
  await using scene = await loginScene({ expect5xx: [502] });
  const unsigned = (header: Claims) => {
    const part = (value: Claims) => Buffer.from(JSON.stringify(value)).toString("base64url");
    return `${part(header)}.${part({ iss: scene.idp.issuer, sub: "alice", aud: scene.idp.clientId })}.`;
  };
  await refusesAll(scene, {
    "alg none": [{ signature: "none" }, /alg/],
    "alg NONE": [{ signature: "none", header: { alg: "NONE" } }, /alg/],
    "no signature": [{ signature: "stripped" }, /signature/],
    "a broken signature": [{ signature: "broken" }, /signature/],
    "no alg at all": [{ idToken: unsigned({ typ: "JWT" }) }, /jws_invalid/],
    "two parts": [{ idToken: unsigned({ alg: "none" }).slice(0, -1) }, /jws_invalid/],
    "an object for a token": [{ tokenResponse: { id_token: { sub: "alice" } } }, /id_token_missing/],
    "a list for a token": [{ tokenResponse: { id_token: ["a.b.c"] } }, /id_token_missing/],
    "no token": [{ idToken: null }, /id_token_missing/],
    "64 KiB": [{ claims: { filler: "x".repeat(65_536) } }, /too_long/],
  });
});

Deno.test("a token for somebody else, or of somebody else, is refused (B7 113, AS-65)", async () => {
  await using scene = await loginScene({ expect5xx: [502] });
  const { issuer, clientId } = scene.idp;
  await refusesAll(scene, {
    "another issuer": [{ claims: { iss: "https://evil.test" } }, /claim_validation/],
    "the issuer with a slash": [{ claims: { iss: `${issuer}/` } }, /claim_validation/],
    "the issuer in a list": [{ claims: { iss: [issuer] } }, /claim_validation/],
    "no issuer": [{ claims: { iss: undefined } }, /claim_validation/],
    "another audience": [{ claims: { aud: "another-client" } }, /claim_validation/],
    "no audience": [{ claims: { aud: undefined } }, /claim_validation/],
    "an empty audience": [{ claims: { aud: [] } }, /claim_validation/],
    "two audiences without azp": [{ claims: { aud: [clientId, "another-client"] } }, /authorized_party/],
    "two audiences with the other's azp": [
      { claims: { aud: [clientId, "another-client"], azp: "another-client" } },
      /authorized_party/,
    ],
    "another azp": [{ claims: { azp: "another-client" } }, /authorized_party/],
    "azp null": [{ claims: { azp: null } }, /authorized_party/],
    "azp in a list": [{ claims: { azp: [clientId] } }, /authorized_party/],
  });
  scene.idp.script = { claims: { aud: [clientId, "another-client"], azp: clientId } };
  assert.equal(signedInUser(await signIn(scene)), "alice");
});

Deno.test("with `oidc.audience` that audience counts, and the client id does not (B7 113)", async () => {
  const audience = "https://api.example.test";
  await using scene = await loginScene({
    expect5xx: [502],
    oauth: (options) => ({ ...options, oidc: { ...options.oidc, audience } }),
  });
  await assertNobody(scene, await signIn(scene), 502);
  scene.idp.script = { claims: { aud: audience } };
  assert.equal(signedInUser(await signIn(scene)), "alice");
});

Deno.test("a token of another login is refused, whoever's (B7 114)", async () => {
  await using scene = await loginScene({ expect5xx: [502] });
  const nonces: string[] = [];
  scene.idp.script = {
    claims: (claims) => {
      nonces.push(String(claims.nonce));
      return { ...claims };
    },
  };
  assert.equal(signedInUser(await signIn(scene)), "alice");
  await using fresh = await loginScene({ expect5xx: [502] });
  await refusesAll(fresh, {
    "no nonce": [{ claims: { nonce: undefined } }, /nonce/],
    "an empty nonce": [{ claims: { nonce: "" } }, /nonce/],
    "the nonce of an earlier login": [{ claims: { nonce: nonces[0] } }, /nonce/],
    "a list with the right one": [{ claims: (claims) => ({ ...claims, nonce: [claims.nonce] }) }, /nonce/],
    "null": [{ claims: { nonce: null } }, /nonce/],
  });
});

Deno.test("a token that is over, not yet, or dated with no date is refused (B7 115)", async () => {
  await using scene = await loginScene({ expect5xx: [502] });
  await refusesAll(scene, {
    "expired 61 s ago": [timed((now) => ({ exp: now - 61 })), /expired/],
    "exp a string": [timed((now) => ({ exp: String(now + 300) })), /claim_validation/],
    "exp 1e308": [{ claims: { exp: 1e308 } }, /expiry_malformed/],
    "exp in two years": [timed((now) => ({ exp: now + 2 * 366 * 86_400 })), /expiry_malformed/],
    "exp negative": [{ claims: { exp: -1 } }, /expired/],
    "exp null": [{ claims: { exp: null } }, /claim_validation/],
    "no exp": [{ claims: { exp: undefined } }, /claim_validation/],
    "issued in an hour": [timed((now) => ({ iat: now + 3_600, exp: now + 7_200 })), /claim_validation/],
    "issued 61 s ahead": [timed((now) => ({ iat: now + 61 })), /claim_validation/],
    "issued two hours ago": [timed((now) => ({ iat: now - 7_200 })), /expired|claim_validation/],
    "iat a string": [timed((now) => ({ iat: String(now) })), /claim_validation/],
    "no iat": [{ claims: { iat: undefined } }, /claim_validation/],
    "not before 61 s from now": [timed((now) => ({ nbf: now + 61 })), /claim_validation/],
    "nbf a string": [timed((now) => ({ nbf: String(now) })), /claim_validation/],
  });
  for (
    const script of [
      timed((now) => ({ exp: now - 59 })),
      timed((now) => ({ iat: now + 59 })),
      timed((now) => ({ nbf: now + 59 })),
    ]
  ) {
    scene.idp.script = script;
    assert.equal(signedInUser(await signIn(scene)), "alice");
  }
});

Deno.test("a subject that is none is refused; those of real providers are not (B7 116)", async () => {
  await using scene = await loginScene({ expect5xx: [502] });
  await refusesAll(scene, {
    "missing": [{ claims: { sub: undefined } }, /claim_validation|subject/],
    "empty": [{ claims: { sub: "" } }, /subject/],
    "256 characters": [{ claims: { sub: "s".repeat(256) } }, /subject/],
    "10 KiB": [{ claims: { sub: "s".repeat(10_240) } }, /subject/],
    "a number": [{ claims: { sub: 4711 } }, /subject/],
    "a list": [{ claims: { sub: ["alice"] } }, /subject/],
    "an object": [{ claims: { sub: { toString: "alice" } } }, /subject/],
    "null": [{ claims: { sub: null } }, /subject/],
    "with NUL": [{ claims: { sub: "alice\u0000" } }, /subject/],
    "with a newline": [{ claims: { sub: "alice\n" } }, /subject/],
    "with ESC": [{ claims: { sub: "\u001b[31malice" } }, /subject/],
    "beyond ASCII": [{ claims: { sub: "älice" } }, /subject/],
  });
  const users = new Set<string>();
  for (
    const sub of [
      "auth0|5f7c8ec7c33c6c004bbafe82",
      "f:8b2c:alice",
      "a/b",
      "a:b",
      "__proto__",
      "s".repeat(255),
    ]
  ) {
    scene.idp.script = { claims: { sub, name: undefined, email: undefined } };
    const page = await signIn(scene);
    assert.equal(page.status, 200, sub);
    users.add(userIdOf({ issuer: scene.idp.issuer, subject: sub }));
  }
  const kept = [...(await scene.gateway.contents()).keys()].filter((key) => key.startsWith('["user"'));
  for (const user of users) assert.ok(kept.includes(JSON.stringify(["user", user])));
  assert.equal(users.size, 6);
});

Deno.test("the same subject at two providers is two users (B7 116, AS-65)", async () => {
  await using kv = await disposableKv();
  const ids: string[] = [];
  for (let provider = 0; provider < 2; provider++) {
    await using scene = await loginScene({ kv: kv.kv });
    assert.equal(signedInUser(await signIn(scene)), "alice");
    const completed = scene.gateway.events.find(({ event }) => event === "mcp_auth_login_completed");
    ids.push(String(completed?.subjectId));
  }
  assert.notEqual(ids[0], ids[1]);
});

Deno.test("somebody with the same e-mail address is somebody else, verified or not (B7 118, AS-65)", async () => {
  await using scene = await loginScene();
  const { gateway, idp } = scene;
  const subjectOf = async (script: ProviderScript) => {
    idp.script = script;
    assert.equal((await signIn(scene)).status, 200);
    return String(gateway.events.findLast(({ event }) => event === "mcp_auth_login_completed")?.subjectId);
  };
  const email = "alice@example.test";
  const alice = await subjectOf({});
  assert.equal(await findUserByEmail(gateway.services, email), alice);
  for (const email_verified of [false, undefined, null, 1, "yes", "TRUE", {}]) {
    const mallory = await subjectOf({ subject: "mallory", claims: { email, email_verified } });
    assert.notEqual(mallory, alice);
    assert.equal(await findUserByEmail(gateway.services, email), alice, String(email_verified));
  }
  const bob = await subjectOf({ subject: "bob", claims: { email, email_verified: true } });
  assert.notEqual(bob, alice);
  const rows = [...(await gateway.contents()).keys()].filter((key) => key.startsWith('["user"'));
  assert.equal(rows.length, 3);
});

Deno.test("an encrypted token is refused without doing its arithmetic (B7 120)", async () => {
  await using scene = await loginScene({ expect5xx: [502] });
  const jwe = (header: Claims) =>
    [JSON.stringify(header), "k".repeat(40), "i".repeat(12), "c".repeat(64), "t".repeat(16)]
      .map((part) => Buffer.from(part).toString("base64url")).join(".");
  const started = performance.now();
  await refusesAll(scene, {
    "PBES2 with 2^31 rounds": [
      {
        idToken: jwe({
          alg: "PBES2-HS512+A256KW",
          enc: "A256GCM",
          p2c: 2 ** 31,
          p2s: "c2FsdHNhbHRzYWx0",
        }),
      },
      /jws_invalid/,
    ],
    "compressed": [{ idToken: jwe({ alg: "dir", enc: "A256GCM", zip: "DEF" }) }, /jws_invalid/],
  });
  assert.ok(performance.now() - started < 3_000);
});

async function disposableKv(): Promise<{ readonly kv: Deno.Kv } & AsyncDisposable> {
  const kv = await Deno.openKv(":memory:");
  return { kv, [Symbol.asyncDispose]: () => Promise.resolve(kv.close()) };
}
