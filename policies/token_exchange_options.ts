/** The options of `tokenExchange({ … })`, and what each of them accepts. */
import { z } from "zod";
import { printable } from "../lib/gateway/config_error.ts";
import {
  type BrokenRule,
  choice,
  flag,
  list,
  option,
  secret,
  type Text,
  text,
  textProblem,
  typeName,
  withRules,
} from "../lib/gateway/options.ts";
import { url } from "../lib/gateway/url_options.ts";
import { displayName, MAX_DISPLAY_NAME_LENGTH } from "../lib/oauth/display_name.ts";
import { parseScope } from "../lib/oauth/scope.ts";
import { exchangeClientAuth, vscharProblem } from "./exchange_client_auth.ts";

const serverUrl = (example: string) => url({ plainHttp: "loopback", query: true, example });

const shownName = option<Text, string>(
  { expected: `a name of at most ${MAX_DISPLAY_NAME_LENGTH} characters`, example: "Linear" },
  (value, refuse) => {
    const problem = textProblem(value);
    const clean = displayName(String(value));
    if (problem !== undefined) refuse(problem);
    else if (clean === null) refuse("Nothing in it can be seen");
    else if ([...String(value)].length > MAX_DISPLAY_NAME_LENGTH) refuse("The name is too long");
    return clean ?? "";
  },
);

const scopeList = list(text({
  expected: "one scope, as the upstream's authorization server calls it",
  example: "read",
  check(value) {
    if (parseScope(value)[0] === value) return undefined;
    return value.includes(" ")
      ? `${printable(value)} has a space in it: each scope is an entry of its own`
      : `${printable(value)} is no scope`;
  },
}));

// text() would refuse the space, which is the usual one.
const delimiter = option<Text, string>(
  { expected: "what stands between scopes: a space, or a character such as a comma", example: "," },
  (value, refuse) => {
    if (typeof value !== "string") refuse(`A string is expected, but ${typeName(value)} was given`);
    else if (!/^[ ,;|+]$/.test(value)) refuse("This is no delimiter");
    return String(value);
  },
);

const PROMPTS = ["none", "login", "consent", "select_account"] as const;
type Prompt = typeof PROMPTS[number];

const prompt = option<Prompt | false, Prompt | false>(
  { expected: `false, or one of ${PROMPTS.map((word) => `"${word}"`).join(", ")}` },
  (value, refuse) => {
    const found = PROMPTS.find((word) => word === value);
    if (found === undefined && value !== false) {
      refuse(
        typeof value === "string"
          ? `${printable(value)} is not a choice here`
          : `${typeName(value)} was given`,
      );
    }
    return found ?? false;
  },
);

const MANUAL_ONLY = ["clientId", "clientSecret", "tokenEndpointAuthMethod"] as const;

const clientRegistration = withRules(
  z.strictObject({
    /** `auto`: the gateway introduces itself. `manual`: it has been registered by hand. */
    mode: choice(["auto", "manual"]),
    /** The client id that the upstream's authorization server gave. */
    clientId: text({ expected: "the client id that the upstream gave", check: vscharProblem }).optional(),
    /** The secret that belongs to it. */
    clientSecret: secret({ expected: "the client secret that the upstream gave", check: vscharProblem })
      .optional(),
    /** How the client authenticates at the token endpoint: as the server's metadata says. */
    tokenEndpointAuthMethod: choice(["client_secret_basic", "client_secret_post", "none", "private_key_jwt"])
      .optional(),
  }),
  (options) => {
    const { mode, clientId, clientSecret, tokenEndpointAuthMethod: method } = options;
    if (mode === "auto") {
      return MANUAL_ONLY.filter((path) => options[path] !== undefined).map((path) => ({
        path,
        problem: 'It belongs to the mode "manual"',
        mend: 'Set mode: "manual", or remove it',
      }));
    }
    const broken: BrokenRule[] = [];
    if (mode === "manual" && clientId === undefined) {
      broken.push({
        path: "clientId",
        problem: 'The mode "manual" needs it',
        mend: "Give the client id that the upstream gave",
      });
    }
    const secretive = method === "client_secret_basic" || method === "client_secret_post";
    if (secretive && clientSecret === undefined) {
      broken.push({
        path: "clientSecret",
        problem: `The method ${method} needs it`,
        mend: "Give the client secret that the upstream gave",
      });
    }
    if ((method === "none" || method === "private_key_jwt") && clientSecret !== undefined) {
      broken.push({
        path: "clientSecret",
        problem: `The method ${method} has no use for it`,
        mend: "Remove it, or choose another method",
      });
    }
    return broken;
  },
);

const scopes = {
  /** Scopes to ask for; they win over what the upstream says. */
  scopes: scopeList.optional(),
  /** What stands between scopes: a space. */
  scopeDelimiter: delimiter.optional(),
} as const;

const idJag = z.strictObject({
  ...scopes,
  /** The identity provider, which gives an ID-JAG for the user's identity assertion. */
  idp: z.strictObject({
    tokenUrl: serverUrl("https://login.example.com/token"),
    clientAuth: exchangeClientAuth,
  }),
  /** The upstream's authorization server, which gives an access token for the ID-JAG. */
  resourceAs: z.strictObject({
    tokenUrl: serverUrl("https://auth.upstream.example.com/token"),
    /** The issuer of that server, as the identity provider knows it. */
    audience: text({
      expected: "the issuer of the upstream's authorization server",
      example: "https://auth.upstream.example.com",
      check: (value) => /^[\x21-\x7e]+$/.test(value) ? undefined : `${printable(value)} is no audience`,
    }),
    /** The `resource` of both exchanges: none. */
    resource: serverUrl("https://upstream.example.com/mcp").optional(),
    clientAuth: exchangeClientAuth,
  }),
});

/** The schema of {@linkcode TokenExchangeOptions}. */
export const tokenExchangeSchema = withRules(
  z.strictObject({
    /** Names the connection in URLs, stored records and events: keep it. */
    id: text({
      expected: "letters, digits, dots, dashes and underscores, at most 64",
      example: "linear",
      check: (value) =>
        /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value) ? undefined : `${printable(value)} is no id`,
    }),
    /** What people read. */
    displayName: shownName,
    /** A sentence about the upstream. */
    summary: text({ expected: "a sentence", example: "Issues and projects of the team." }).optional(),
    /** Whose account at the upstream is used: each user's own. */
    authMode: choice(["user-oauth", "shared-oauth", "id-jag"]).default("user-oauth"),
    ...scopes,
    /** The `prompt` of authorization requests: `consent` is added when `offline_access` is asked; `false`: never. */
    prompt: prompt.optional(),
    /** How the gateway becomes a client of the upstream's authorization server: on its own. */
    clientRegistration: clientRegistration.prefault({ mode: "auto" }),
    /** Where the upstream's protected resource metadata is, if it cannot be found. */
    protectedResourceMetadataUrl: serverUrl(
      "https://mcp.linear.app/.well-known/oauth-protected-resource",
    ).optional(),
    /** The exchange of `authMode: "id-jag"`. */
    idJag: idJag.optional(),
    /** Exceptions for an upstream that breaks a rule; each is reported at startup. */
    overrides: z.strictObject({
      /** The issuer that the authorization server's metadata really names. */
      issuer: url({ plainHttp: "loopback", example: "https://accounts.google.com/" }).optional(),
      /** The `resource` that the protected resource metadata names: a parent path of the upstream. */
      resource: url({ plainHttp: "loopback", example: "https://mcp.example.com" }).optional(),
      /** Go on although the metadata does not say that PKCE with S256 is supported. */
      assumePkce: flag().optional(),
      /** Never send `resource` (RFC 8707). */
      omitResource: flag().optional(),
    }).prefault({}),
  }),
  (options) => {
    if (options.authMode === "id-jag") {
      return options.idJag !== undefined ? [] : [{
        path: "idJag",
        problem: 'authMode "id-jag" needs to know the exchange',
        mend: "Give idJag: { idp: { tokenUrl, clientAuth }, resourceAs: { tokenUrl, audience, clientAuth } }",
      }];
    }
    const known = options.authMode === "user-oauth" || options.authMode === "shared-oauth";
    return !known || options.idJag === undefined ? [] : [{
      path: "idJag",
      problem: `authMode "${options.authMode}" has no use for it`,
      mend: 'Set authMode: "id-jag", or remove idJag',
    }];
  },
);
