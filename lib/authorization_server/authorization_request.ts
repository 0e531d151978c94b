/**
 * The authorization request (RFC 6749 §4.1.1, RFC 7636, RFC 8707), checked in order: client and redirect URI first, whose
 * faults are shown on a page; everything after is told to the client by redirect.
 */
import { isCodeChallenge } from "../oauth/pkce.ts";
import { canonicalResource } from "../oauth/resource_indicator.ts";
import { grantScope, parseScope } from "../oauth/scope.ts";
import { AuthorizationError } from "./authorization_error.ts";
import type { ValidatedRedirect } from "./validated_redirect.ts";

const MAX_STATE_LENGTH = 8192;
const MAX_HINT_LENGTH = 320;

/** A route that tokens can be for. */
export interface Target {
  readonly operationId: string;
  /** Canonical resource URI. */
  readonly resource: string;
}

/** What the client asks for, once every check has passed. */
export interface AuthorizationRequest {
  readonly codeChallenge: string;
  /** `null` when the user has to choose among several. */
  readonly target: Target | null;
  readonly askedScope: readonly string[];
  readonly scope: readonly string[];
  /** The values of `prompt`. */
  readonly prompt: ReadonlySet<string>;
  readonly loginHint: string | null;
}

/**
 * Checks what may be answered by redirect.
 * @throws {AuthorizationError} with the RFC's code.
 */
export function validateAuthorizationRequest(
  params: URLSearchParams,
  context: {
    redirect: ValidatedRedirect;
    targets: readonly Target[];
    origin: string;
    routeTarget: Target | null;
  },
): AuthorizationRequest {
  const { redirect } = context;
  const fail = (code: AuthorizationError["code"], description: string, reason: string): never => {
    throw new AuthorizationError(code, description, { redirect, reason });
  };
  checkOnce(params, fail);
  if ((redirect.state?.length ?? 0) > MAX_STATE_LENGTH) {
    fail("invalid_request", "state is too long.", "state_too_long");
  }
  if (params.has("request")) {
    fail("request_not_supported", "The request parameter is not supported.", "request_object");
  }
  if (params.has("request_uri")) {
    fail("request_uri_not_supported", "The request_uri parameter is not supported.", "request_uri");
  }
  checkResponse(params, fail);
  const codeChallenge = checkChallenge(params, fail);
  const target = chooseTarget(params.getAll("resource"), context, fail);
  const askedScope = parseScope(params.get("scope") ?? undefined);
  return {
    codeChallenge,
    target,
    askedScope,
    scope: grantScope(askedScope),
    prompt: new Set((params.get("prompt") ?? "").split(" ").filter((value) => value !== "")),
    // A hint that is longer than an e-mail address can be is none.
    loginHint: (params.get("login_hint") ?? "").length > MAX_HINT_LENGTH ? null : params.get("login_hint"),
  };
}

/** Of a client's `prompt`, what concerns the sign-in, in one order; `consent` is ours, and always asked. */
export function signInPrompt(prompt: ReadonlySet<string>): string | null {
  const asked = ["login", "select_account"].filter((value) => prompt.has(value));
  return asked.length === 0 ? null : asked.join(" ");
}

type Fail = (code: AuthorizationError["code"], description: string, reason: string) => never;

/** Parameters other than `resource` may appear once (RFC 6749 §3.1). */
function checkOnce(params: URLSearchParams, fail: Fail): void {
  const seen = new Set<string>();
  for (const name of params.keys()) {
    if (seen.has(name) && name !== "resource") {
      fail("invalid_request", `${JSON.stringify(name.slice(0, 40))} is repeated.`, "parameter_repeated");
    }
    seen.add(name);
  }
}

function checkResponse(params: URLSearchParams, fail: Fail): void {
  const type = params.get("response_type");
  if (type === null) fail("invalid_request", "response_type is required.", "response_type_missing");
  if (type !== "code") {
    fail("unsupported_response_type", "Only response_type=code is supported.", "response_type_unsupported");
  }
  const mode = params.get("response_mode") ?? "query";
  if (mode !== "query") {
    fail("invalid_request", "Only response_mode=query is supported.", "response_mode_unsupported");
  }
}

function checkChallenge(params: URLSearchParams, fail: Fail): string {
  const challenge = params.get("code_challenge");
  if (challenge === null) {
    return fail("invalid_request", "code_challenge is required (PKCE, RFC 7636).", "code_challenge_missing");
  }
  if (params.get("code_challenge_method") !== "S256") {
    fail("invalid_request", "code_challenge_method must be S256.", "code_challenge_method");
  }
  if (!isCodeChallenge(challenge)) {
    fail("invalid_request", "code_challenge must be 43 base64url characters.", "code_challenge_malformed");
  }
  return challenge;
}

function chooseTarget(
  resources: readonly string[],
  context: { targets: readonly Target[]; origin: string; routeTarget: Target | null },
  fail: Fail,
): Target | null {
  const named = resources.map((resource) =>
    findTarget(resource, context) ??
      fail("invalid_target", "resource names no route of this gateway.", "resource_unknown")
  );
  // The bare origin says no more than naming nothing: some clients send it for every route (checklist Q-02).
  const targets = named.filter((target) => target !== "origin");
  const [target = null] = context.routeTarget === null ? targets : [context.routeTarget];
  if (targets.some((other) => other.resource !== target?.resource)) {
    fail("invalid_target", "A token is for one route: name one resource.", "resource_ambiguous");
  }
  if (target !== null) return target;
  const [only, ...others] = context.targets;
  return only !== undefined && others.length === 0 ? only : null;
}

function findTarget(
  resource: string,
  context: { targets: readonly Target[]; origin: string },
): Target | "origin" | undefined {
  const canonical = canonicalResource(resource);
  if (canonical === context.origin) return "origin";
  return context.targets.find((target) => target.resource === canonical);
}
