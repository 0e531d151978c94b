/** What a strict client expects of the token and revocation endpoints, and of a route. */
import assert from "node:assert/strict";
import * as oauth from "@panva/oauth4webapi";
import { signingKey } from "../support/assertions.ts";
import {
  challenges,
  challengesBasic,
  ORIGIN,
  REDIRECT_URI,
  refuses,
  RESOURCE,
  type Row,
} from "./strict_client.ts";

/** AS-42, AS-52 to AS-56. */
export const TOKENS: readonly Row[] = [
  ["a public client's tokens", async ({ it, open }) => {
    const tokens = await it.tokens(open);
    assert.equal(tokens.token_type, "bearer");
    assert.deepEqual([tokens.expires_in, tokens.scope, tokens.resource], [900, "mcp:tools", RESOURCE]);
    assert.match(tokens.refresh_token ?? "", /^rt_/);
    assert.equal(tokens.id_token, undefined);
  }],
  ["the resource said again", ({ it, open }) => it.tokens(open, { token: { resource: RESOURCE } })],
  ["a secret by Basic", ({ it, secret }) => it.tokens(secret)],
  [
    "a secret in the body",
    ({ it, secret }) =>
      it.tokens(secret, { auth: oauth.ClientSecretPost(String(secret.client.client_secret)) }),
  ],
  ["a signed assertion", async ({ it }) => {
    const key = await signingKey("1");
    const jwks = { keys: [key.publicJwk as oauth.JWK] }; // as above
    const { client } = await it.register({ token_endpoint_auth_method: "private_key_jwt", jwks });
    await it.tokens({ client, auth: oauth.PrivateKeyJwt({ key: key.privateKey, kid: "1" }) });
  }],
  ["an assertion by another key", async ({ it }) => {
    const [key, thief] = await Promise.all([signingKey("1"), signingKey("1")]);
    const jwks = { keys: [key.publicJwk as oauth.JWK] }; // as above
    const { client } = await it.register({ token_endpoint_auth_method: "private_key_jwt", jwks });
    const auth = oauth.PrivateKeyJwt({ key: thief.privateKey, kid: "1" });
    await refuses(it.tokens({ client, auth }), "invalid_client", 401);
  }],
  [
    "a wrong secret by Basic",
    ({ it, secret }) => challengesBasic(it.tokens(secret, { auth: oauth.ClientSecretBasic("wrong") })),
  ],
  [
    "a wrong secret in the body",
    ({ it, secret }) =>
      refuses(it.tokens(secret, { auth: oauth.ClientSecretPost("wrong") }), "invalid_client", 401),
  ],
  [
    "no secret",
    ({ it, secret }) => refuses(it.tokens(secret, { auth: oauth.None() }), "invalid_client", 401),
  ],
  [
    "a secret from a public client",
    ({ it, open }) =>
      refuses(it.tokens(open, { auth: oauth.ClientSecretPost("made-up") }), "invalid_client", 401),
  ],
  [
    "an unknown client",
    ({ it, open }) => refuses(it.tokens(open, { client: { client_id: "unknown" } }), "invalid_client", 401),
  ],
  [
    "another client's code",
    ({ it, open, other }) => refuses(it.tokens(open, { client: other.client }), "invalid_grant"),
  ],
  [
    "another verifier",
    ({ it, open }) =>
      refuses(it.tokens(open, { verifier: oauth.generateRandomCodeVerifier() }), "invalid_grant"),
  ],
  [
    "another redirect URI",
    ({ it, open }) => refuses(it.tokens(open, { redirectUri: `${REDIRECT_URI}/other` }), "invalid_grant"),
  ],
  [
    "another resource",
    ({ it, open }) => refuses(it.tokens(open, { token: { resource: `${ORIGIN}/beta` } }), "invalid_target"),
  ],
  [
    "a made-up code",
    ({ it, as, open }) =>
      refuses(
        it.tokens(open, { callback: (url) => url.searchParams.set("code", "ac_made-up") }, as),
        "invalid_grant",
      ),
  ],
  ["a code that is too old", async ({ it, as, open }) => {
    const { params, verifier } = await it.authorize(open, as);
    it.gateway.clock.advance({ seconds: 61 });
    await refuses(it.redeem(open, as, params, { verifier }), "invalid_grant");
  }],
  ["a code twice, which ends the grant", async ({ it, as, open }) => {
    const { params, verifier } = await it.authorize(open, as);
    const tokens = await it.redeem(open, as, params, { verifier });
    await refuses(it.redeem(open, as, params, { verifier }), "invalid_grant");
    await challenges(it.call(tokens.access_token), "invalid_token");
  }],
];

/** AS-57 to AS-62, RS-04, RS-08. */
export const REFRESH_AND_REVOCATION: readonly Row[] = [
  ["a refresh rotates", async ({ it, open }) => {
    const first = await it.tokens(open);
    const second = await it.refresh(open, first.refresh_token ?? "");
    assert.notEqual(second.refresh_token, first.refresh_token);
    assert.equal(second.resource, RESOURCE);
    assert.equal(await it.call(second.access_token), 200);
  }],
  ["a refresh that is tried again gets the same tokens", async ({ it, secret }) => {
    const { refresh_token = "" } = await it.tokens(secret);
    const [one, two] = await Promise.all([
      it.refresh(secret, refresh_token),
      it.refresh(secret, refresh_token),
    ]);
    assert.equal(one.refresh_token, two.refresh_token);
  }],
  ["an old refresh token after the grace ends the grant", async ({ it, open }) => {
    const { refresh_token = "" } = await it.tokens(open);
    const next = await it.refresh(open, refresh_token);
    it.gateway.clock.advance({ seconds: 121 });
    await refuses(it.refresh(open, refresh_token), "invalid_grant");
    await refuses(it.refresh(open, next.refresh_token ?? ""), "invalid_grant");
  }],
  [
    "another client's refresh token",
    async ({ it, open, other }) =>
      refuses(it.refresh(other, (await it.tokens(open)).refresh_token ?? ""), "invalid_grant"),
  ],
  ["a made-up refresh token", ({ it, open }) => refuses(it.refresh(open, "rt_made-up"), "invalid_grant")],
  [
    "an access token is no refresh token",
    async ({ it, open }) => refuses(it.refresh(open, (await it.tokens(open)).access_token), "invalid_grant"),
  ],
  [
    "a refresh for another resource",
    async ({ it, open }) =>
      refuses(
        it.refresh(open, (await it.tokens(open)).refresh_token ?? "", {
          token: { resource: `${ORIGIN}/beta` },
        }),
        "invalid_target",
      ),
  ],
  [
    "a refresh without the secret",
    async ({ it, secret }) =>
      refuses(
        it.refresh(secret, (await it.tokens(secret)).refresh_token ?? "", { auth: oauth.None() }),
        "invalid_client",
        401,
      ),
  ],
  ["revoking a refresh token ends the grant", async ({ it, open }) => {
    const tokens = await it.tokens(open);
    await it.revoke(open, tokens.refresh_token ?? "", "refresh_token");
    await challenges(it.call(tokens.access_token), "invalid_token");
    await refuses(it.refresh(open, tokens.refresh_token ?? ""), "invalid_grant");
  }],
  ["revoking an access token, with a hint that is wrong", async ({ it, open }) => {
    const tokens = await it.tokens(open);
    await it.revoke(open, tokens.access_token, "refresh_token");
    await challenges(it.call(tokens.access_token), "invalid_token");
  }],
  ["revoking what is unknown is fine", ({ it, open }) => it.revoke(open, "at_unknown")],
  ["revoking another client's token changes nothing", async ({ it, open, other }) => {
    const tokens = await it.tokens(open);
    await it.revoke(other, tokens.access_token).catch(() => {});
    assert.equal(await it.call(tokens.access_token), 200);
  }],
  [
    "a token works at its route",
    async ({ it, open }) => assert.equal(await it.call((await it.tokens(open)).access_token), 200),
  ],
  [
    "a token for one route is refused at the other",
    async ({ it, open }) =>
      challenges(it.call((await it.tokens(open)).access_token, `${ORIGIN}/beta`), "invalid_token"),
  ],
  ["a made-up token", ({ it }) => challenges(it.call("at_made-up"), "invalid_token")],
  ["an expired token", async ({ it, open }) => {
    const { access_token } = await it.tokens(open);
    it.gateway.clock.advance({ seconds: 901 });
    await challenges(it.call(access_token), "invalid_token");
  }],
  [
    "a refresh token is no access token",
    async ({ it, open }) => challenges(it.call((await it.tokens(open)).refresh_token ?? ""), "invalid_token"),
  ],
];
