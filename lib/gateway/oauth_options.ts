/** The options that every OAuth policy has: what the gateway issues, and whose identity assertions it accepts. */
import { z } from "zod";
import type { CompileContext } from "./definition.ts";
import type { IdJagSettings, OAuthSettings, OidcLogin } from "./gateway.ts";
import { choice, flag, integer, list, type Text, text } from "./options.ts";
import { url } from "./url_options.ts";

const DAY = 86_400;
// Ten years with their leap days: what the hosted product calls a refresh token without end.
const TEN_YEARS = 3_653 * DAY;

const tokenOptions = z.strictObject({
  /** Lifetime of an access token: 900 seconds. */
  accessTokenTtlSeconds: integer({ min: 1, max: DAY, unit: "seconds" }).default(900),
  /** Lifetime of a refresh token from its last use: 30 days. */
  refreshTokenTtlSeconds: integer({ min: 1, max: TEN_YEARS, unit: "seconds" }).default(30 * DAY),
  /** Lifetime of a user's approval: a year. */
  grantTtlSeconds: integer({ min: 1, max: TEN_YEARS, unit: "seconds" }).default(365 * DAY),
  /** How long a rotated refresh token still answers with its successor: 120 seconds. */
  refreshGraceSeconds: integer({ min: 0, max: 3_600, unit: "seconds" }).default(120),
  /** Whether clients may name themselves by a metadata document. */
  cimdEnabled: flag().default(true),
  /** Whether clients may register themselves (RFC 7591). */
  dcrEnabled: flag().default(true),
});

const trustedIssuer = z.strictObject({
  /** The exact `iss` of the assertions. */
  issuer: url({ plainHttp: "loopback", example: "https://login.example.com" }),
  /** Where its keys are. */
  jwksUrl: url({ plainHttp: "loopback", query: true, example: "https://login.example.com/jwks.json" }),
  /** Clients that may present an assertion of this issuer; any of ours by default. */
  expectedClientIds: list(text({ expected: "a client id", example: "internal-assistant" })).optional(),
  /** How the assertion's subject becomes a user: by issuer and subject, or by verified e-mail address. */
  subjectMapping: choice(["issuer-subject", "email"]).default("issuer-subject"),
});

/** Bounds and defaults of the login's own timing, shared by the generic policy and the wrappers. */
export const loginTiming = {
  /** Lifetime of an unfinished login: 900 seconds. */
  stateTtlSeconds: integer({ min: 1, max: DAY, unit: "seconds" }).default(900),
  /** Lifetime of the browser session at the gateway: 8 hours. */
  sessionTtlSeconds: integer({ min: 1, max: 30 * DAY, unit: "seconds" }).default(28_800),
} as const;

/** How long the gateway waits for the identity provider: 10 seconds. */
export const remoteTimeoutMs: z.ZodDefault<z.ZodType<number, number>> = integer({
  min: 1,
  max: 120_000,
  unit: "milliseconds",
}).default(10_000);

/** Scopes that the gateway asks of the identity provider. */
export const loginScope: z.ZodDefault<z.ZodType<string, Text>> = text({
  expected: "scopes separated by single spaces, openid among them",
  example: "openid profile email",
  check: scopeProblem,
}).default("openid profile email");

/** Whether the login uses PKCE; `none` only for a provider that rejects it. */
export const loginPkce: z.ZodDefault<z.ZodType<"S256" | "none", "S256" | "none">> = choice(["S256", "none"])
  .default("S256");

/** What a login needs to say about a provider that keeps to OpenID Connect. */
export const standardProvider = {
  authorizationParameters: [],
  tokenEndpointAuthMethod: null,
  identitySource: { kind: "id_token" },
} as const satisfies Partial<OidcLogin>;

/** Spread into the schema of every OAuth policy. */
export const sharedOAuthOptions = {
  /** Lifetimes of what the gateway issues, and how clients may introduce themselves. */
  gateway: tokenOptions.prefault({}),
  /** Accept identity assertions (ID-JAG) at the token endpoint. Off unless given. */
  idJag: z.strictObject({
    /** Whose assertions count; the login provider's by default. */
    trustedIssuers: list(trustedIssuer).optional(),
  }).optional(),
} as const;

/** What a policy has to say about itself, beside the shared options. */
export interface LoginPart {
  readonly login: OAuthSettings["login"];
  readonly stateTtlSeconds: number;
  readonly sessionTtlSeconds: number;
}

/** Checks the rules across the shared options and makes the settings whole. */
export function oauthSettings(
  options: { gateway: z.output<typeof tokenOptions>; idJag?: z.output<typeof sharedOAuthOptions.idJag> },
  part: LoginPart,
  context: CompileContext,
): OAuthSettings {
  const { cimdEnabled, dcrEnabled, ...tokens } = options.gateway;
  if (tokens.refreshGraceSeconds >= tokens.refreshTokenTtlSeconds) {
    context.fault(
      ["gateway", "refreshGraceSeconds"],
      `The grace (${tokens.refreshGraceSeconds} s) is not shorter than a refresh token's life (${tokens.refreshTokenTtlSeconds} s)`,
      "Lower it: it only has to outlast a client's retry",
    );
  }
  if (tokens.grantTtlSeconds < tokens.refreshTokenTtlSeconds) {
    context.fault(
      ["gateway", "grantTtlSeconds"],
      `The approval (${tokens.grantTtlSeconds} s) ends before a refresh token (${tokens.refreshTokenTtlSeconds} s)`,
      "Raise grantTtlSeconds, or lower refreshTokenTtlSeconds",
    );
  }
  return {
    login: part.login,
    stateTtlSeconds: part.stateTtlSeconds,
    sessionTtlSeconds: part.sessionTtlSeconds,
    tokens,
    cimdEnabled,
    dcrEnabled,
    idJag: options.idJag === undefined
      ? null
      : idJagSettings(options.idJag.trustedIssuers, part.login, context),
  };
}

function idJagSettings(
  trusted: readonly z.output<typeof trustedIssuer>[] | undefined,
  login: OAuthSettings["login"],
  context: CompileContext,
): IdJagSettings {
  const at = ["idJag", "trustedIssuers"];
  if (trusted === undefined && login.kind === "oidc") {
    const { issuer, jwksUrl } = login;
    return {
      trustedIssuers: [{ issuer, jwksUrl, expectedClientIds: null, subjectMapping: "issuer-subject" }],
    };
  }
  if (trusted === undefined || trusted.length === 0) {
    const problem = trusted === undefined
      ? "The local login is no identity provider whose assertions could be trusted"
      : "The list is empty, so no assertion would ever be accepted";
    context.fault(at, problem, "Name at least one issuer with its jwksUrl, or leave idJag out");
    return { trustedIssuers: [] };
  }
  trusted.forEach(({ issuer }, index) => {
    const first = trusted.findIndex((other) => other.issuer === issuer);
    if (first < index) {
      context.fault(
        [...at, index, "issuer"],
        `Entry ${first} names this issuer already`,
        "Name each issuer once",
      );
    }
  });
  return {
    trustedIssuers: trusted.map(({ issuer, jwksUrl, expectedClientIds, subjectMapping }) => ({
      issuer,
      jwksUrl,
      expectedClientIds: expectedClientIds ?? null,
      subjectMapping,
    })),
  };
}

function scopeProblem(value: string): string | undefined {
  const scopes = value.split(" ");
  // RFC 6749 Appendix A.4: scope-token
  if (!scopes.every((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))) return "This is no list of scopes";
  return scopes.includes("openid")
    ? undefined
    : 'The scope "openid" is missing, without which there is no ID token';
}
