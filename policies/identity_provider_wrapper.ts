/** What the wrappers of `identity_providers.ts` have in common: from a provider's own fields to the settings that `mcpOAuth` makes. */
import { z } from "zod";
import type { DefinitionSpec } from "../lib/gateway/definition.ts";
import type { OAuthSettings, OidcLogin } from "../lib/gateway/gateway.ts";
import {
  loginPkce,
  loginScope,
  loginTiming,
  oauthSettings,
  remoteTimeoutMs,
  sharedOAuthOptions,
  standardProvider,
} from "../lib/gateway/oauth_options.ts";
import { type BrokenRule, secret, text, withRules } from "../lib/gateway/options.ts";

/** Options that every wrapper has beside its provider's own; a wrapper may put a stricter `clientId` over this one. */
export const wrapperOptions = {
  /** The gateway's client id at the provider. */
  clientId: text({ expected: "the gateway's client id at the provider", example: "0oa1b2c3d4" }),
  /** The gateway's client secret at the provider. */
  clientSecret: secret({ expected: "the gateway's client secret at the provider" }),
  /** Scopes to ask for: `openid profile email`. */
  scope: loginScope,
  /** The login's own timing, and whether it uses PKCE. */
  browserLoginOverrides: z.strictObject({
    /** How long the gateway waits for the provider: 10,000 milliseconds. */
    remoteTimeoutMs,
    ...loginTiming,
    /** `none` only for a provider that rejects PKCE. */
    pkce: loginPkce,
  }).prefault({}),
  ...sharedOAuthOptions,
} as const;

const sharedSchema = z.strictObject(wrapperOptions);

/** What a wrapper derives from its provider's fields. */
export interface ProviderEndpoints
  extends
    Pick<OidcLogin, "issuer" | "jwksUrl" | "authorizationUrl" | "tokenUrl">,
    Partial<
      Pick<OidcLogin, "authorizationParameters" | "tokenEndpointAuthMethod" | "identitySource">
    > {
  /** The extra `audience` parameter of the authorization request. */
  readonly audience?: string | undefined;
}

/** One provider: everything that is particular to it. */
export interface ProviderRow<Schema extends z.ZodType<z.output<typeof sharedSchema>>> {
  /** The builder's name, as a configuration writes it. */
  readonly builder: string;
  /** {@linkcode wrapperOptions} and the provider's own fields, with their checks. */
  readonly schema: Schema;
  /** Called only with options that satisfy the schema. */
  readonly endpoints: (options: z.output<Schema>) => ProviderEndpoints;
}

/** Makes the specification of a wrapper from its row. */
export function identityProvider<Schema extends z.ZodType<z.output<typeof sharedSchema>>>(
  { builder, schema, endpoints }: ProviderRow<Schema>,
): DefinitionSpec<Schema, OAuthSettings> {
  return {
    builder,
    schema,
    compile(options, context) {
      const { clientId, clientSecret, scope, browserLoginOverrides } = options;
      const { stateTtlSeconds, sessionTtlSeconds, remoteTimeoutMs, pkce } = browserLoginOverrides;
      const { audience, ...derived } = endpoints(options);
      const login: OidcLogin = {
        kind: "oidc",
        ...standardProvider,
        ...derived,
        idTokenAudience: clientId,
        clientId,
        clientSecret,
        scope,
        audience: audience ?? null,
        pkce,
        remoteTimeoutMs,
      };
      return oauthSettings(options, { login, stateTtlSeconds, sessionTtlSeconds }, context);
    },
  };
}

/** {@linkcode withRules} for the one rule that the fields of a provider have. */
export function withRule<Schema extends z.ZodObject>(
  schema: Schema,
  rule: (options: Partial<z.output<Schema>>) => BrokenRule | undefined,
): Schema {
  return withRules(schema, (options) => {
    const broken = rule(options);
    return broken === undefined ? [] : [broken];
  });
}
