/** What the login has to know of an OpenID Connect provider. */
import type { Secret } from "../runtime/secret.ts";

/** The provider, as the configuration describes it. */
export interface OidcSettings {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** The ID-token audience: `oidc.audience`, else the client id. */
  readonly idTokenAudience: string;
  readonly authorizationUrl: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly scope: string;
  /** The extra `audience` parameter of the authorization request. */
  readonly audience: string | null;
  readonly pkce: "S256" | "none";
  /** For each answer of the provider, in milliseconds. */
  readonly remoteTimeoutMs: number;
  /** Further parameters that the provider wants in every authorization request. */
  readonly authorizationParameters: readonly (readonly [name: string, value: string])[];
  /** How the gateway authenticates at the token endpoint; `null`: as the provider's metadata says, else by Basic. */
  readonly tokenEndpointAuthMethod: "client_secret_basic" | "client_secret_post" | null;
  readonly identitySource: IdentitySource;
}

/**
 * What proves who signed in.
 *
 * `access_token`: the provider sends no ID token, but its access token is a JWT that the keys at `jwksUrl` verify. It
 * has no nonce and need not have an audience, so the code must be bound to the browser by PKCE and state, and the keys must be this client's own.
 */
export type IdentitySource =
  | { readonly kind: "id_token" }
  | {
    readonly kind: "access_token";
    /** Every `iss` that counts; the user's identity is under the login's own `issuer` all the same. */
    readonly issuers: readonly string[];
  };
