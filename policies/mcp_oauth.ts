/** `mcpOAuth({ … })`: sign-in at any OpenID Connect provider, with every endpoint spelled out. */
import { z } from "zod";
import { define, type DefinitionSpec, type OAuthPolicy } from "../lib/gateway/definition.ts";
import type { OAuthSettings } from "../lib/gateway/gateway.ts";
import {
  loginPkce,
  loginScope,
  loginTiming,
  oauthSettings,
  remoteTimeoutMs,
  sharedOAuthOptions,
  standardProvider,
} from "../lib/gateway/oauth_options.ts";
import { secret, text } from "../lib/gateway/options.ts";
import { url } from "../lib/gateway/url_options.ts";

const providerUrl = (example: string, query = false) => url({ plainHttp: "loopback", query, example });

const schema = z.strictObject({
  /** How ID tokens are verified. */
  oidc: z.strictObject({
    /** The exact issuer of the identity provider. */
    issuer: providerUrl("https://login.example.com"),
    /** Where the keys of its ID tokens are. */
    jwksUrl: providerUrl("https://login.example.com/jwks.json", true),
    /** The audience of its ID tokens, when it is not the client id. */
    audience: text({ expected: "the audience of ID tokens", example: "https://gateway.example.com" })
      .optional(),
  }),
  /** How users are sent to the provider, and how its code is exchanged. */
  browserLogin: z.strictObject({
    /** The provider's authorization endpoint. */
    url: providerUrl("https://login.example.com/authorize", true),
    /** The provider's token endpoint. */
    tokenUrl: providerUrl("https://login.example.com/token", true),
    clientId: text({ expected: "the gateway's client id at the provider", example: "sallyport" }),
    clientSecret: secret({ expected: "the gateway's client secret at the provider" }),
    /** Scopes to ask for: `openid profile email`. */
    scope: loginScope,
    /** An extra `audience` parameter, as Auth0 wants it. */
    audience: text({ expected: "an audience", example: "https://api.example.com" }).optional(),
    /** `none` only for a provider that rejects PKCE. */
    pkce: loginPkce,
    /** How long the gateway waits for the provider: 10,000 milliseconds. */
    remoteTimeoutMs,
    ...loginTiming,
  }),
  ...sharedOAuthOptions,
});

/** @internal */
type Input = z.input<typeof schema>;

/** Options of {@linkcode mcpOAuth}. */
export interface McpOAuthOptions extends Input {}

const spec: DefinitionSpec<typeof schema, OAuthSettings> = {
  builder: "mcpOAuth",
  schema,
  compile(options, context) {
    const { oidc, browserLogin } = options;
    return oauthSettings(options, {
      login: {
        kind: "oidc",
        issuer: oidc.issuer,
        jwksUrl: oidc.jwksUrl,
        idTokenAudience: oidc.audience ?? browserLogin.clientId,
        authorizationUrl: browserLogin.url,
        tokenUrl: browserLogin.tokenUrl,
        clientId: browserLogin.clientId,
        clientSecret: browserLogin.clientSecret,
        scope: browserLogin.scope,
        audience: browserLogin.audience ?? null,
        pkce: browserLogin.pkce,
        remoteTimeoutMs: browserLogin.remoteTimeoutMs,
        ...standardProvider,
      },
      stateTtlSeconds: browserLogin.stateTtlSeconds,
      sessionTtlSeconds: browserLogin.sessionTtlSeconds,
    }, context);
  },
};

/** Signs users in at an OpenID Connect provider. */
export function mcpOAuth(options: McpOAuthOptions): OAuthPolicy {
  return define("oauth", spec, options);
}
