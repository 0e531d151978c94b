/** `tokenExchange({ … })`: the gateway is an OAuth client of the upstream, for each user, for all users together, or by ID-JAG. */
import type { z } from "zod";
import type { ConfigPath } from "../lib/gateway/config_error.ts";
import {
  type CompileContext,
  type CredentialPolicy,
  define,
  type DefinitionSpec,
  type PolicyConnection,
  type RoutePolicyPart,
} from "../lib/gateway/definition.ts";
import type { ClientRegistration, IdJagExchange } from "../lib/upstream/connection_settings.ts";
import type { Text } from "../lib/gateway/options.ts";
import { compileClientAuth, type ExchangeClientAuthOptions } from "./exchange_client_auth.ts";
import { tokenExchangeSchema } from "./token_exchange_options.ts";

/** @internal */
type Input = z.input<typeof tokenExchangeSchema>;
/** @internal */
type SharedInput = Omit<Input, "authMode" | "idJag" | "clientRegistration">;
/** @internal */
type Output = z.output<typeof tokenExchangeSchema>;

/** The gateway introduces itself to the upstream: by its metadata document, else by registering. */
export interface AutoRegistration {
  /** Nothing else to say. */
  mode: "auto";
  /** Belongs to `manual`. */
  clientId?: never;
  /** Belongs to `manual`. */
  clientSecret?: never;
  /** Belongs to `manual`. */
  tokenEndpointAuthMethod?: never;
}

/** A client that was registered by hand and has a secret. */
export interface ManualRegistrationWithSecret {
  /** The gateway sends what it was given. */
  mode: "manual";
  /** The client id that the upstream's authorization server gave. */
  clientId: Text;
  /** The secret that belongs to it. */
  clientSecret: Text;
  /** As the server's metadata says. */
  tokenEndpointAuthMethod?: "client_secret_basic" | "client_secret_post";
}

/** A client that was registered by hand and has none: public, or known by the gateway's published keys. */
export interface ManualRegistrationWithoutSecret {
  /** The gateway sends what it was given. */
  mode: "manual";
  /** The client id that the upstream's authorization server gave. */
  clientId: Text;
  /** There is none. */
  clientSecret?: never;
  /** As the server's metadata says. */
  tokenEndpointAuthMethod?: "none" | "private_key_jwt";
}

/** How the gateway becomes a client of the upstream's authorization server. */
export type ClientRegistrationOptions =
  | AutoRegistration
  | ManualRegistrationWithSecret
  | ManualRegistrationWithoutSecret;

/** Both halves of an ID-JAG exchange. */
export interface IdJagOptions {
  /** Scopes to ask for: those of the policy. */
  scopes?: SharedInput["scopes"];
  /** What stands between scopes: that of the policy. */
  scopeDelimiter?: Text;
  /** The identity provider, which gives an ID-JAG for the user's identity assertion. */
  idp: { tokenUrl: Text; clientAuth: ExchangeClientAuthOptions };
  /** The upstream's authorization server, which gives an access token for the ID-JAG; `audience` is its issuer. */
  resourceAs: { tokenUrl: Text; audience: Text; resource?: Text; clientAuth: ExchangeClientAuthOptions };
}

/** A connection that somebody makes in a browser. */
export interface OAuthConnectionOptions extends SharedInput {
  /** Whose account at the upstream is used: each user's own, or one for all that an administrator connects. */
  authMode?: "user-oauth" | "shared-oauth";
  /** How the gateway becomes a client of the upstream's authorization server: on its own. */
  clientRegistration?: ClientRegistrationOptions;
  /** Belongs to `authMode: "id-jag"`. */
  idJag?: never;
}

/** A connection that the identity provider vouches for, without a browser. */
export interface IdJagConnectionOptions extends SharedInput {
  /** The user's identity assertion is exchanged. */
  authMode: "id-jag";
  /** How the gateway becomes a client of the upstream's authorization server: on its own. */
  clientRegistration?: ClientRegistrationOptions;
  /** Both halves of the exchange. */
  idJag: IdJagOptions;
}

/** Options of {@linkcode tokenExchange}. */
export type TokenExchangeOptions = OAuthConnectionOptions | IdJagConnectionOptions;

const spec: DefinitionSpec<typeof tokenExchangeSchema, RoutePolicyPart> = {
  builder: "tokenExchange",
  schema: tokenExchangeSchema,
  compile(options, context) {
    return {
      kind: "credential",
      credential: { kind: "tokenExchange", settings: settings(options, context) },
    };
  },
};

/** Gets the upstream's credential by OAuth. The same value may serve several routes that have the same upstream. */
export function tokenExchange(options: TokenExchangeOptions): CredentialPolicy {
  return define("credential", spec, options);
}

function settings(options: Output, context: CompileContext): PolicyConnection {
  const { overrides } = options;
  const scopes = scopesOf(options, context);
  checkLoopback(options.protectedResourceMetadataUrl, context, ["protectedResourceMetadataUrl"]);
  checkLoopback(overrides.issuer, context, ["overrides", "issuer"]);
  return {
    id: options.id,
    displayName: options.displayName,
    summary: options.summary ?? null,
    authMode: options.authMode,
    ...scopes,
    prompt: options.prompt ?? null,
    clientRegistration: registration(options.clientRegistration),
    protectedResourceMetadataUrl: options.protectedResourceMetadataUrl ?? null,
    overrides: {
      issuer: overrides.issuer ?? null,
      resource: overrides.resource ?? null,
      assumePkce: overrides.assumePkce ?? false,
      omitResource: overrides.omitResource ?? false,
    },
    idJag: options.idJag === undefined ? null : exchange(options.idJag, scopes, context),
  };
}

function registration(options: Output["clientRegistration"]): ClientRegistration {
  const { mode, clientId, clientSecret, tokenEndpointAuthMethod } = options;
  // The schema has made sure that `manual` has a client id.
  if (mode === "auto" || clientId === undefined) return { mode: "auto" };
  return {
    mode,
    clientId,
    clientSecret: clientSecret ?? null,
    tokenEndpointAuthMethod: tokenEndpointAuthMethod ?? null,
  };
}

/** What is asked for, and how it is written. */
type Scopes = Pick<PolicyConnection, "scopes" | "scopeDelimiter">;

function exchange(
  options: NonNullable<Output["idJag"]>,
  outer: Scopes,
  context: CompileContext,
): IdJagExchange {
  const { idp, resourceAs } = options;
  checkLoopback(idp.tokenUrl, context, ["idJag", "idp", "tokenUrl"]);
  checkLoopback(resourceAs.tokenUrl, context, ["idJag", "resourceAs", "tokenUrl"]);
  checkLoopback(resourceAs.resource, context, ["idJag", "resourceAs", "resource"]);
  return {
    ...innerScopes(options, outer, context),
    idp: {
      tokenUrl: idp.tokenUrl,
      clientAuth: compileClientAuth(idp.clientAuth, context, ["idJag", "idp", "clientAuth"]),
    },
    resourceAs: {
      tokenUrl: resourceAs.tokenUrl,
      audience: resourceAs.audience,
      resource: resourceAs.resource ?? null,
      clientAuth: compileClientAuth(resourceAs.clientAuth, context, ["idJag", "resourceAs", "clientAuth"]),
    },
  };
}

function scopesOf(
  { scopes = [], scopeDelimiter = " " }: Pick<Output, "scopes" | "scopeDelimiter">,
  context: CompileContext,
): Scopes {
  const index = scopes.findIndex((scope) => scope.includes(scopeDelimiter));
  if (index >= 0) context.fault(["scopes", index], ...separated(scopeDelimiter));
  return { scopes: [...new Set(scopes)], scopeDelimiter };
}

/** What the exchange says about scopes, over what the policy says. */
function innerScopes(
  { scopes, scopeDelimiter }: Pick<Output, "scopes" | "scopeDelimiter">,
  outer: Scopes,
  { fault }: CompileContext,
): Scopes {
  if (scopes === undefined && scopeDelimiter === undefined) return outer;
  const made = {
    scopes: [...new Set(scopes ?? outer.scopes)],
    scopeDelimiter: scopeDelimiter ?? outer.scopeDelimiter,
  };
  if (made.scopes.some((scope) => scope.includes(made.scopeDelimiter))) {
    fault(["idJag", scopes === undefined ? "scopeDelimiter" : "scopes"], ...separated(made.scopeDelimiter));
  }
  return made;
}

function separated(delimiter: string): [problem: string, mend: string] {
  return [
    `A scope has ${JSON.stringify(delimiter)} in it, which is what separates scopes`,
    "Choose another scopeDelimiter, or make each scope an entry of its own",
  ];
}

/** A gateway that others can reach speaks plain http to nobody; the schema has left it to loopback. */
function checkLoopback(given: string | undefined, { site, fault }: CompileContext, path: ConfigPath): void {
  if (given === undefined || site.allowLoopback || !/^http:/i.test(given)) return;
  const mend = "Give an https URL; outbound: { allowLoopback: true } permits plain http on this machine";
  fault(path, "Plain http is used, although the gateway itself is not on loopback", mend);
}
