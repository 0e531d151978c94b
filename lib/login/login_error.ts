/** What a provider is to the login, and why a login ended without a user. */
import type { Secret } from "../runtime/secret.ts";

/** The provider, as the configuration describes it. */
export interface OidcSettings {
  readonly issuer: string;
  readonly jwksUrl: string;
  readonly idTokenAudience: string;
  readonly authorizationUrl: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly scope: string;
  readonly audience: string | null;
  readonly pkce: "S256" | "none";
  /** For each answer of the provider, in milliseconds. */
  readonly remoteTimeoutMs: number;
  /** Further parameters of every authorization request. */
  readonly authorizationParameters: readonly (readonly [name: string, value: string])[];
  /** `null`: as the provider's metadata says, else by Basic. */
  readonly tokenEndpointAuthMethod: "client_secret_basic" | "client_secret_post" | null;
  /** What proves who signed in. */
  readonly identitySource: { readonly kind: "id_token" } | {
    readonly kind: "access_token";
    readonly issuers: readonly string[];
  };
}

/** Why nobody signed in. */
export type LoginFailureKind =
  /** The user, or the provider's policy, said no. */
  | "denied"
  /** The provider did not answer, or answered that it cannot now. */
  | "unavailable"
  /** What the browser brought is no answer of the provider to our request. */
  | "forged"
  /** The provider's answer is not to be believed, or it does not accept ours. */
  | "refused";

/** A login that ended without a user; nothing of the provider's words is in it. */
export class LoginError extends Error {
  override readonly name = "LoginError";
  readonly kind: LoginFailureKind;
  /** A snake_case word for the event log. */
  readonly reason: string;

  constructor(kind: LoginFailureKind, reason: string, options: { cause?: unknown } = {}) {
    super(`Login failed: ${reason}`, options);
    this.kind = kind;
    this.reason = reason;
  }
}
