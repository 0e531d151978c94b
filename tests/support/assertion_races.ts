/** Races for signed statements that are good for once: client assertions (RFC 7523) and ID-JAGs. */
import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { obtainCode, postForm, redeem, refresh, registerClient } from "./oauth_flow.ts";
import { type Arena, type RaceLength, statuses, type TrustedIssuer } from "./races.ts";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const LIFETIME_SECONDS = 120;

/** Somebody who signs. */
interface Signer {
  readonly jwk: JWK;
  readonly sign: (claims: Readonly<Record<string, unknown>>, type?: string) => Promise<string>;
}

async function createSigner(): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk: JWK = { ...await exportJWK(publicKey), kid: "key-1", alg: "ES256", use: "sig" };
  return {
    jwk,
    sign: (claims, type = "JWT") =>
      new SignJWT({ ...claims }).setProtectedHeader({ alg: "ES256", kid: "key-1", typ: type }).sign(
        privateKey,
      ),
  };
}

/** An identity provider that does nothing but sign ID-JAGs. */
export interface AssertionIssuer extends TrustedIssuer, Signer, AsyncDisposable {}

/** Starts one, with its keys on loopback. */
export async function startAssertionIssuer(): Promise<AssertionIssuer> {
  const signer = await createSigner();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json({ keys: [signer.jwk] }),
  );
  const issuer = `http://127.0.0.1:${server.addr.port}`;
  return {
    ...signer,
    issuer,
    jwksUrl: `${issuer}/jwks`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Everybody refreshes with the same client assertion: one gets tokens, the others are not even looked at. */
export async function raceClientAssertions(shared: Arena, { rounds, parallel }: RaceLength): Promise<void> {
  const { home } = shared;
  const signer = await createSigner();
  const client = await registerClient(home, {
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [signer.jwk] },
  });
  const statement = async () => {
    const now = Math.floor(shared.now() / 1000);
    const { clientId } = client;
    return {
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await signer.sign({
        iss: clientId,
        sub: clientId,
        aud: home.origin,
        jti: crypto.randomUUID(),
        iat: now,
        exp: now + LIFETIME_SECONDS,
      }),
    };
  };
  const code = await obtainCode(home, client);
  const { ok: [first] } = await statuses([await redeem(home, client, code, await statement())]);
  assert.ok(first);
  let token = String(first.refresh_token);
  for (let round = 0; round < rounds; round++) {
    const used = await statement();
    const answers = await shared.atOnce(parallel, (node) => refresh(node, client, token, used));
    const { ok, refused } = await statuses(answers);
    assert.deepEqual([ok.length, refused.length], [1, parallel - 1], `round ${round}: ${refused}`);
    assert.ok(refused.every((each) => each === "401 invalid_client"), refused.join());
    token = String(ok[0]?.refresh_token);
    shared.saw(used.client_assertion, token);
  }
}

/** Everybody presents the same ID-JAG: one gets an access token. */
export async function raceIdJags(
  shared: Arena,
  issuer: AssertionIssuer,
  { rounds, parallel }: RaceLength,
): Promise<void> {
  const { home } = shared;
  const { clientId, clientSecret } = await registerClient(home, {
    token_endpoint_auth_method: "client_secret_post",
    grant_types: ["authorization_code", JWT_BEARER],
  });
  for (let round = 0; round < rounds; round++) {
    const now = Math.floor(shared.now() / 1000);
    const assertion = await issuer.sign({
      iss: issuer.issuer,
      sub: "alice",
      aud: home.origin,
      client_id: clientId,
      resource: `${home.origin}/alpha`,
      jti: crypto.randomUUID(),
      iat: now,
      exp: now + LIFETIME_SECONDS,
    }, "oauth-id-jag+jwt");
    const form = { grant_type: JWT_BEARER, client_id: clientId, client_secret: clientSecret, assertion };
    const answers = await shared.atOnce(parallel, (node) => postForm(node, "/oauth/token", form));
    const { ok, refused } = await statuses(answers);
    assert.deepEqual([ok.length, refused.length], [1, parallel - 1], `round ${round}: ${refused}`);
    assert.ok(refused.every((each) => each === "400 invalid_grant"), refused.join());
    assert.equal(ok[0]?.refresh_token, undefined);
    shared.saw(assertion, ok[0]?.access_token);
  }
}
