/** The authorization request: what is told to the client by redirect, in which order, and what passes. */
import assert from "node:assert/strict";
import { AuthorizationError } from "../../../lib/authorization_server/authorization_error.ts";
import {
  type AuthorizationRequest,
  validateAuthorizationRequest,
} from "../../../lib/authorization_server/authorization_request.ts";
import { fromRecord } from "../../../lib/authorization_server/client.ts";
import { ALPHA, BETA, CHALLENGE, ORIGIN, REDIRECT_URI, redirectOf } from "./stage.ts";

type Changes = Readonly<Record<string, string | readonly string[] | null>>;

const client = fromRecord({
  clientId: "c",
  metadata: {
    redirectUris: [REDIRECT_URI],
    clientName: null,
    clientUri: null,
    logoUri: null,
    policyUri: null,
    tosUri: null,
    contacts: [],
    scope: null,
    grantTypes: [],
    responseTypes: [],
    tokenEndpointAuthMethod: "none",
    authMethodStated: true,
    applicationType: null,
    softwareId: null,
    softwareVersion: null,
    jwks: null,
    jwksUri: null,
  },
  secretHash: null,
  unusedPlace: null,
  registrationTokenHash: "",
  issuedAt: 0,
  expiresAt: 0,
});

function validate(
  changes: Changes = {},
  context: Partial<Parameters<typeof validateAuthorizationRequest>[1]> = {},
): AuthorizationRequest {
  const params = new URLSearchParams();
  const given: Changes = {
    client_id: "c",
    response_type: "code",
    redirect_uri: REDIRECT_URI,
    state: "s",
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
    resource: ALPHA.resource,
    ...changes,
  };
  for (const [name, value] of Object.entries(given)) {
    for (const each of value === null ? [] : typeof value === "string" ? [value] : value) {
      params.append(name, each);
    }
  }
  const redirect = redirectOf(client, params.get("state"));
  return validateAuthorizationRequest(params, {
    redirect,
    targets: [ALPHA, BETA],
    origin: ORIGIN,
    routeTarget: null,
    ...context,
  });
}

function refused(changes: Changes, code: string, reason: string, context = {}): void {
  assert.throws(() => validate(changes, context), (error: unknown) => {
    assert.ok(error instanceof AuthorizationError, String(error));
    assert.deepEqual([error.code, error.reason], [code, reason], JSON.stringify(changes).slice(0, 100));
    assert.equal(error.redirect.uri, REDIRECT_URI);
    return true;
  });
}

Deno.test("a right request passes with what it asks for", () => {
  const request = validate({
    scope: "mcp:tools offline_access",
    prompt: " login  consent ",
    login_hint: "alice",
  });
  assert.deepEqual(request, {
    codeChallenge: CHALLENGE,
    target: ALPHA,
    askedScope: ["mcp:tools", "offline_access"],
    scope: ["mcp:tools"],
    prompt: new Set(["login", "consent"]),
    loginHint: "alice",
  });
  assert.equal(validate({ state: null }).loginHint, null);
});

Deno.test("unknown parameters are ignored, even repeated `resource` of one route is taken", () => {
  assert.equal(validate({ audience: "x", nonce: "y" }).target, ALPHA);
  assert.equal(validate({ resource: [ALPHA.resource, ALPHA.resource] }).target, ALPHA);
});

Deno.test("a parameter may appear once, `resource` excepted (RFC 6749 §3.1)", () => {
  for (const name of ["state", "scope", "code_challenge", "response_type", "prompt", "unknown"]) {
    refused({ [name]: ["a", "a"] }, "invalid_request", "parameter_repeated");
  }
});

Deno.test("only `response_type=code` by query is served (AS-14)", () => {
  refused({ response_type: null }, "invalid_request", "response_type_missing");
  for (const type of ["token", "id_token", "code token", "Code", ""]) {
    refused({ response_type: type }, "unsupported_response_type", "response_type_unsupported");
  }
  for (const mode of ["fragment", "form_post", ""]) {
    refused({ response_mode: mode }, "invalid_request", "response_mode_unsupported");
  }
  assert.ok(validate({ response_mode: "query" }));
});

Deno.test("PKCE with S256 is required (AS-15)", () => {
  refused({ code_challenge: null }, "invalid_request", "code_challenge_missing");
  refused({ code_challenge: null, code_challenge_method: null }, "invalid_request", "code_challenge_missing");
  for (const method of [null, "plain", "s256", "S512", ""]) {
    refused({ code_challenge_method: method }, "invalid_request", "code_challenge_method");
  }
  for (
    const challenge of [
      "",
      CHALLENGE.slice(1),
      `${CHALLENGE}x`,
      CHALLENGE.replace(/^./, "+"),
      `${CHALLENGE}=`,
    ]
  ) {
    refused({ code_challenge: challenge }, "invalid_request", "code_challenge_malformed");
  }
});

Deno.test("request objects are refused by their own codes (OIDC Core §6)", () => {
  refused({ request: "ey" }, "request_not_supported", "request_object");
  refused({ request_uri: "https://client.example/r" }, "request_uri_not_supported", "request_uri");
});

Deno.test("a state of 8,192 characters passes, a longer one does not", () => {
  assert.ok(validate({ state: "s".repeat(8192) }));
  refused({ state: "s".repeat(8193) }, "invalid_request", "state_too_long");
});

Deno.test("`resource` must name one route of ours (B4 068, RFC 8707)", () => {
  for (
    const resource of [
      "https://gateway.example/gamma",
      "https://other.example/alpha",
      `${ALPHA.resource}#fragment`,
      `${ALPHA.resource}?x=1`,
      "alpha",
      "",
    ]
  ) refused({ resource }, "invalid_target", "resource_unknown");
  refused({ resource: [ALPHA.resource, BETA.resource] }, "invalid_target", "resource_ambiguous");
  refused({ resource: [ALPHA.resource, "https://other.example/"] }, "invalid_target", "resource_unknown");
});

Deno.test("the bare origin says no more than naming nothing (AS-22, Q-02)", () => {
  for (const resource of [null, ORIGIN, `${ORIGIN}/`, "HTTPS://GATEWAY.EXAMPLE"]) {
    assert.equal(validate({ resource }).target, null, String(resource));
    assert.equal(validate({ resource }, { targets: [ALPHA] }).target, ALPHA);
    assert.equal(validate({ resource }, { routeTarget: BETA }).target, BETA);
  }
  assert.equal(validate({ resource: [ORIGIN, BETA.resource] }).target, BETA);
});

Deno.test("a route's own endpoint takes no other route's resource", () => {
  assert.equal(validate({ resource: ALPHA.resource }, { routeTarget: ALPHA }).target, ALPHA);
  refused({ resource: BETA.resource }, "invalid_target", "resource_ambiguous", { routeTarget: ALPHA });
});

Deno.test("no scope that is asked for makes the grant larger than the one scope there is", () => {
  for (const scope of [null, "", "admin", "mcp:tools admin", "openid profile"]) {
    assert.deepEqual(validate({ scope }).scope, ["mcp:tools"]);
  }
});
