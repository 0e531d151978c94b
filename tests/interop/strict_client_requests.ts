/** What a strict client expects of discovery, registration and the authorization endpoint. */
import assert from "node:assert/strict";
import * as oauth from "@panva/oauth4webapi";
import { signingKey } from "../support/assertions.ts";
import {
  clientRefuses,
  ORIGIN,
  REDIRECT_URI,
  refuses,
  RESOURCE,
  type Row,
  sendsBack,
} from "./strict_client.ts";

/** AS-01 to AS-09, RS-01. */
export const DISCOVERY: readonly Row[] = [
  ["the origin's RFC 8414 document", ({ as }) => assert.equal(as.issuer, ORIGIN)],
  ["its OpenID Connect form", async ({ it, as }) => assert.deepEqual(await it.discover(ORIGIN, "oidc"), as)],
  [
    "a route's RFC 8414 document",
    async ({ it }) => assert.equal((await it.discover(RESOURCE)).issuer, RESOURCE),
  ],
  [
    "a route's OpenID Connect form",
    async ({ it }) => assert.equal((await it.discover(RESOURCE, "oidc")).issuer, RESOURCE),
  ],
  [
    "no document for another path",
    ({ it }) => clientRefuses(it.discover(`${ORIGIN}/gamma`), /unexpected HTTP status|not a conform/),
  ],
  ["one issuer is not the other", async ({ it }) => {
    const response = await oauth.discoveryRequest(new URL(RESOURCE), { ...it.options, algorithm: "oauth2" });
    await clientRefuses(oauth.processDiscoveryResponse(new URL(ORIGIN), response), /issuer/);
  }],
  ["S256 and nothing else", ({ as }) => assert.deepEqual(as.code_challenge_methods_supported, ["S256"])],
  ["code and nothing else", ({ as }) => assert.deepEqual(as.response_types_supported, ["code"])],
  [
    "iss in responses is promised",
    ({ as }) => assert.equal(as.authorization_response_iss_parameter_supported, true),
  ],
  [
    "all four authentication methods",
    ({ as }) =>
      assert.deepEqual(as.token_endpoint_auth_methods_supported, [
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
      ]),
  ],
  [
    "documents as client ids are promised",
    ({ as }) => assert.equal(as.client_id_metadata_document_supported, true),
  ],
  ["a route's resource metadata", async ({ it }) => {
    const url = new URL(RESOURCE);
    const response = await oauth.resourceDiscoveryRequest(url, it.options);
    const metadata = await oauth.processResourceDiscoveryResponse(url, response);
    assert.deepEqual(metadata.authorization_servers, [ORIGIN]);
  }],
  ["another route's metadata is not this one's", async ({ it }) => {
    const response = await oauth.resourceDiscoveryRequest(new URL(`${ORIGIN}/beta`), it.options);
    await clientRefuses(oauth.processResourceDiscoveryResponse(new URL(RESOURCE), response), /resource/);
  }],
];

/** AS-44 to AS-46. */
export const REGISTRATION: readonly Row[] = [
  ["a public client", ({ open }) => assert.equal(open.client.client_secret, undefined)],
  ["a client with a secret", ({ secret }) => {
    assert.equal(typeof secret.client.client_secret, "string");
    assert.equal(secret.client.client_secret_expires_at, 0);
  }],
  ["a client with keys", async ({ it }) => {
    const { publicJwk } = await signingKey("1");
    const jwks = { keys: [publicJwk as oauth.JWK] }; // jose and oauth4webapi type the same RFC 7517 members differently
    const { client } = await it.register({ token_endpoint_auth_method: "private_key_jwt", jwks });
    assert.equal(client.token_endpoint_auth_method, "private_key_jwt");
  }],
  ["unknown members are ignored", ({ it }) => it.register({ resource: RESOURCE, made_up: { a: 1 } })],
  ["unknown scopes are no error", ({ it }) => it.register({ scope: "openid offline_access mcp:tools" })],
  ["no redirect URI", ({ it }) => refuses(it.register({ redirect_uris: [] }), "invalid_redirect_uri")],
  [
    "plain http to a host",
    ({ it }) => refuses(it.register({ redirect_uris: ["http://evil.test/cb"] }), "invalid_redirect_uri"),
  ],
  [
    "a script",
    ({ it }) => refuses(it.register({ redirect_uris: ["javascript:alert(1)"] }), "invalid_redirect_uri"),
  ],
  [
    "a fragment",
    ({ it }) => refuses(it.register({ redirect_uris: [`${REDIRECT_URI}#f`] }), "invalid_redirect_uri"),
  ],
  [
    "the gateway's own callback",
    ({ it }) => refuses(it.register({ redirect_uris: [`${ORIGIN}/oauth/callback`] }), "invalid_redirect_uri"),
  ],
  [
    "the implicit grant",
    ({ it }) => refuses(it.register({ grant_types: ["implicit"] }), "invalid_client_metadata"),
  ],
  [
    "the token response type",
    ({ it }) => refuses(it.register({ response_types: ["token"] }), "invalid_client_metadata"),
  ],
  [
    "an unsupported method",
    ({ it }) =>
      refuses(it.register({ token_endpoint_auth_method: "client_secret_jwt" }), "invalid_client_metadata"),
  ],
];

/** AS-13 to AS-26. */
export const AUTHORIZATION: readonly Row[] = [
  ["a code, with state and iss", async ({ it, as, open }) => {
    const { params } = await it.authorize(open, as);
    assert.match(params.get("code") ?? "", /^ac_/);
    assert.equal(params.get("iss"), ORIGIN);
  }],
  ["a route's issuer names itself", async ({ it, open }) => {
    const as = await it.discover(RESOURCE);
    assert.equal((await it.authorize(open, as)).params.get("iss"), RESOURCE);
  }],
  [
    "another issuer's response is refused",
    ({ it, as, open }) =>
      clientRefuses(
        it.authorize(open, as, { callback: (url) => url.searchParams.set("iss", RESOURCE) }),
        /iss/,
      ),
  ],
  [
    "a response without iss is refused",
    ({ it, as, open }) =>
      clientRefuses(it.authorize(open, as, { callback: (url) => url.searchParams.delete("iss") }), /iss/),
  ],
  [
    "a response with another state is refused",
    ({ it, as, open }) =>
      clientRefuses(
        it.authorize(open, as, { callback: (url) => url.searchParams.set("state", "x") }),
        /state/,
      ),
  ],
  [
    "no challenge",
    ({ it, as, open }) =>
      sendsBack(it.authorize(open, as, { authorize: { code_challenge: null } }), "invalid_request"),
  ],
  [
    "the plain method",
    ({ it, as, open }) =>
      sendsBack(it.authorize(open, as, { authorize: { code_challenge_method: "plain" } }), "invalid_request"),
  ],
  [
    "no method, which would be plain",
    ({ it, as, open }) =>
      sendsBack(it.authorize(open, as, { authorize: { code_challenge_method: null } }), "invalid_request"),
  ],
  [
    "a challenge that is too short",
    ({ it, as, open }) =>
      sendsBack(it.authorize(open, as, { authorize: { code_challenge: "x".repeat(42) } }), "invalid_request"),
  ],
  [
    "the token response type",
    ({ it, as, open }) =>
      sendsBack(
        it.authorize(open, as, { authorize: { response_type: "token" } }),
        "unsupported_response_type",
      ),
  ],
  [
    "a resource of somebody else",
    ({ it, as, open }) =>
      sendsBack(
        it.authorize(open, as, { authorize: { resource: "https://evil.test/mcp" } }),
        "invalid_target",
      ),
  ],
  [
    "a resource with a fragment",
    ({ it, as, open }) =>
      sendsBack(it.authorize(open, as, { authorize: { resource: `${RESOURCE}#f` } }), "invalid_target"),
  ],
  [
    "another route at a route's endpoint",
    async ({ it, open }) =>
      sendsBack(
        it.authorize(open, await it.discover(RESOURCE), { authorize: { resource: `${ORIGIN}/beta` } }),
        "invalid_target",
      ),
  ],
  [
    "a request object",
    ({ it, as, open }) =>
      sendsBack(it.authorize(open, as, { authorize: { request: "e30.e30." } }), "request_not_supported"),
  ],
  [
    "a request by reference",
    ({ it, as, open }) =>
      sendsBack(
        it.authorize(open, as, { authorize: { request_uri: "https://evil.test/r" } }),
        "request_uri_not_supported",
      ),
  ],
  [
    "no page allowed, nobody signed in",
    ({ it, as, open }) =>
      sendsBack(it.authorize(open, as, { authorize: { prompt: "none" } }), "login_required"),
  ],
  [
    "a scope that is none of ours is dropped",
    async ({ it, open }) =>
      assert.equal((await it.tokens(open, { authorize: { scope: "mcp:tools admin" } })).scope, "mcp:tools"),
  ],
  [
    "a request without a scope",
    async ({ it, open }) =>
      assert.equal((await it.tokens(open, { authorize: { scope: null } })).scope, "mcp:tools"),
  ],
];
