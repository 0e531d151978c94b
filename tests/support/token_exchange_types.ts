/** What the types say about `tokenExchange()`: sound uses, and misuses with what the compiler must say. For tests/types_test.ts. */

/** One misuse of the configuration language. */
export interface Misuse {
  readonly name: string;
  readonly code: string;
  /** What the compiler must say about it, so that it is refused for the right reason. */
  readonly says: RegExp;
}

/** Sound pieces, for the snippets to break. */
export const TOKEN_EXCHANGE_PIECES = `
const up = { id: "up", displayName: "Up" };
const manual = { mode: "manual", clientId: env("CLIENT") } as const;
const secretAuth = { method: "client_secret_post", clientId: "a", clientSecret: env("S") } as const;
const keyAuth = { method: "private_key_jwt", clientId: "a", privateKeyPem: env("KEY"), algorithm: "ES256" } as const;
const idJag = {
  idp: { tokenUrl: env("IDP"), clientAuth: keyAuth },
  resourceAs: { tokenUrl: upstream, audience: upstream, clientAuth: secretAuth },
};
`;

/** Uses that have to compile. */
export const TOKEN_EXCHANGE_SOUND = `
tokenExchange({ id: env("ID"), displayName: env("NAME"), summary: env("S") });
tokenExchange({ ...up, authMode: "shared-oauth", scopes: ["a", env("SCOPE")], scopeDelimiter: ",", prompt: false });
tokenExchange({ ...up, prompt: "select_account", clientRegistration: { mode: "auto" } });
tokenExchange({ ...up, clientRegistration: manual });
tokenExchange({ ...up, clientRegistration: { ...manual, clientSecret: env("S") } });
tokenExchange({
  ...up,
  clientRegistration: { ...manual, clientSecret: env("S"), tokenEndpointAuthMethod: "client_secret_basic" },
});
tokenExchange({ ...up, clientRegistration: { ...manual, tokenEndpointAuthMethod: "private_key_jwt" } });
tokenExchange({
  ...up,
  protectedResourceMetadataUrl: env("PRM"),
  overrides: { issuer: env("ISSUER"), resource: upstream, assumePkce: true, omitResource: false },
});
tokenExchange({ ...up, authMode: "id-jag", scopes: ["a"], idJag });
tokenExchange({
  ...up,
  authMode: "id-jag",
  idJag: {
    ...idJag,
    scopes: ["a"],
    resourceAs: { ...idJag.resourceAs, resource: upstream, clientAuth: { ...keyAuth, keyId: "k", expiresInSeconds: 30 } },
  },
});
mcpProxy("/mcp/t", { operationId: "t", upstream, policies: [setHeaders({}), tokenExchange(up)] });
`;

const route = (policies: string) =>
  `mcpProxy("/mcp/t", { operationId: "t", upstream, policies: [${policies}] });`;
const registration = (given: string) => `tokenExchange({ ...up, clientRegistration: ${given} });`;
const clientAuth = (given: string) =>
  `tokenExchange({ ...up, authMode: "id-jag", idJag: { ...idJag, idp: { tokenUrl: upstream, clientAuth: ${given} } } });`;

/** Uses that must not compile. */
export const TOKEN_EXCHANGE_MISUSES: readonly Misuse[] = [
  {
    name: "two connections on a route",
    code: route('tokenExchange(up), tokenExchange({ ...up, id: "b" })'),
    says: /"a route takes at most one credential policy"/,
  },
  {
    name: "a key beside a connection",
    code: route('tokenExchange(up), setHeaders({}), upstreamApiKey({ value: "a" })'),
    says: /"a route takes at most one credential policy"/,
  },
  {
    name: "a connection without id",
    code: 'tokenExchange({ displayName: "Up" });',
    says: /'\{ displayName: string; \}' is not assignable|Property 'id' is missing/,
  },
  {
    name: "an unknown option of a connection",
    code: 'tokenExchange({ ...up, scope: "a" });',
    says: /'scope' does not exist in type/,
  },
  {
    name: "an unknown authMode",
    code: 'tokenExchange({ ...up, authMode: "user" });',
    says: /Type '"user"' is not assignable to type .*"user-oauth"/,
  },
  {
    name: "an unknown prompt",
    code: 'tokenExchange({ ...up, prompt: "create" });',
    says: /Type '"create"' is not assignable to type .*"none"/,
  },
  {
    name: "prompt: true",
    code: "tokenExchange({ ...up, prompt: true });",
    says: /Type 'true' is not assignable to type .*"none"/,
  },
  {
    name: "scopes in one string",
    code: 'tokenExchange({ ...up, scopes: "a b" });',
    says: /Type 'string' is not assignable to type 'readonly Text\[\]/,
  },
  {
    name: "an unknown override",
    code: "tokenExchange({ ...up, overrides: { pkce: true } });",
    says: /'pkce' does not exist in type/,
  },
  {
    name: "id-jag without the exchange",
    code: 'tokenExchange({ ...up, authMode: "id-jag" });',
    says: /Property 'idJag' is missing/,
  },
  {
    name: "the exchange without id-jag",
    code: "tokenExchange({ ...up, idJag });",
    says: /Property 'authMode' is missing|'idJag' are incompatible|to type 'undefined'/,
  },
  {
    name: "the exchange in another mode",
    code: 'tokenExchange({ ...up, authMode: "shared-oauth", idJag });',
    says: /to type 'undefined'|Type '"shared-oauth"' is not assignable to type '"id-jag"'/,
  },
  {
    name: "an unknown registration mode",
    code: registration('{ mode: "dcr" }'),
    says: /Type '"dcr"' is not assignable to type .*"manual"/,
  },
  {
    name: "a client id in auto mode",
    code: registration('{ mode: "auto", clientId: "a" }'),
    says: /Type 'string' is not assignable to type 'undefined'/,
  },
  {
    name: "a client without client id",
    code: registration('{ mode: "manual", clientSecret: "a" }'),
    says: /Property 'clientId' is missing/,
  },
  {
    name: "a secret method without secret",
    code: registration('{ ...manual, tokenEndpointAuthMethod: "client_secret_basic" }'),
    says: /Property 'clientSecret' is missing|Type '"client_secret_basic"' is not assignable/,
  },
  {
    name: "a secret without a method for it",
    code: registration('{ ...manual, clientSecret: "a", tokenEndpointAuthMethod: "none" }'),
    says: /Type '"none"' is not assignable|Type 'string' is not assignable to type 'undefined'/,
  },
  {
    name: "an unknown method of a client",
    code: registration('{ ...manual, clientSecret: "a", tokenEndpointAuthMethod: "client_secret_jwt" }'),
    says: /Type '"client_secret_jwt"' is not assignable/,
  },
  {
    name: "an exchange with a key and a secret",
    code: clientAuth(
      '{ method: "private_key_jwt", clientId: "a", privateKeyPem: "k", algorithm: "ES256", clientSecret: "a" }',
    ),
    says: /Type 'string' is not assignable to type 'undefined'/,
  },
  {
    name: "an exchange with a secret and a key id",
    code: clientAuth(
      '{ method: "client_secret_basic", clientId: "a", clientSecret: "a", keyId: "k" }',
    ),
    says: /Type 'string' is not assignable to type 'undefined'/,
  },
  {
    name: "an exchange without its secret",
    code: clientAuth('{ method: "client_secret_post", clientId: "a" }'),
    says: /Property 'clientSecret' is missing/,
  },
  {
    name: "an exchange without its key",
    code: clientAuth('{ method: "private_key_jwt", clientId: "a", algorithm: "ES256" }'),
    says: /Property 'privateKeyPem' is missing/,
  },
  {
    name: "an unknown algorithm",
    code: clientAuth('{ ...keyAuth, algorithm: "HS256" }'),
    says: /Type '"HS256"' is not assignable to type .*"ES256"/,
  },
];
