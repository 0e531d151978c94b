/** What the types of a configuration forbid does not compile, shown by the real compiler (contract section 2). */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { CAPABILITY_FILTER_MISUSES, CAPABILITY_FILTER_SOUND } from "./support/capability_filter_types.ts";
import {
  type Misuse,
  TOKEN_EXCHANGE_MISUSES,
  TOKEN_EXCHANGE_PIECES,
  TOKEN_EXCHANGE_SOUND,
} from "./support/token_exchange_types.ts";

const CONFIG = fileURLToPath(new URL("../deno.json", import.meta.url));

const NAMES =
  "capabilityFilter, defineGateway, env, mcpCognitoOAuth, mcpDevOAuth, mcpLogtoOAuth, mcpOAuth, mcpPingOAuth, " +
  "mcpProxy, rateLimit, setHeaders, tokenExchange, upstreamApiKey";
const IMPORTS = `import { ${NAMES} } from "@sallyport/gateway";\n`;

/** Sound pieces, for the snippets to break. */
const PIECES = `
export const used = [${NAMES}];
const oauth = mcpDevOAuth();
const upstream = "https://up.example/mcp";
const routes = [mcpProxy("/mcp/a", { operationId: "a", upstream })];
const oidc = { issuer: "https://idp.example", jwksUrl: env("JWKS") };
const browserLogin = { url: "https://a.example", tokenUrl: "https://a.example", clientId: "a", clientSecret: env("S") };
const client = { clientId: "a", clientSecret: env("S") };
const environmentId = "3c1b8f0e-7d6a-4b52-9a55-2f1f0c6f7a10";
${TOKEN_EXCHANGE_PIECES}`;

const SOUND = `${TOKEN_EXCHANGE_SOUND}${CAPABILITY_FILTER_SOUND}
mcpPingOAuth({ ...client, environmentId });
mcpPingOAuth({ ...client, environmentId: env("ENVIRONMENT"), region: "europe" });
mcpPingOAuth({ ...client, environmentId, region: env("REGION"), browserLoginOverrides: { pkce: "none" } });
mcpPingOAuth({ ...client, customDomain: env("DOMAIN"), gateway: { dcrEnabled: false } });
defineGateway(({ mode }) => ({
  oauth: mode === "development" ? oauth : mcpLogtoOAuth({ ...client, logtoEndpoint: env("LOGTO_ENDPOINT") }),
  routes,
}));
defineGateway({ oauth, routes });
defineGateway(() => ({ oauth, routes }));
export default defineGateway(({ mode }) => ({
  oauth: mode === "development" ? oauth : mcpOAuth({ oidc, browserLogin: { ...browserLogin, pkce: "none" } }),
  routes: [
    mcpProxy("/mcp/b", {
      operationId: "b",
      upstream: env("UPSTREAM", { default: upstream }),
      icons: [{ src: "https://a.example/i.png", sizes: ["any"] }],
      timeouts: { idleMs: 0 },
      policies: [
        setHeaders({ "x-team": env("TEAM"), "x-plan": "a" }),
        upstreamApiKey({ value: env("KEY") }),
        setHeaders({}),
        rateLimit({ requests: 60, windowSeconds: 60, by: "user" }),
        rateLimit({ requests: 600, windowSeconds: 60, by: "ip" }),
      ],
    }),
    ...["c", "d"].map((name) => mcpProxy(\`/mcp/\${name}\`, { operationId: name, upstream })),
  ],
  publicUrl: mode === "development" ? "http://localhost:9000" : { hosts: ["a.example", env("HOST")] },
  allowedHosts: [env("HOST")],
  trustProxy: 2,
  admins: (identity) => identity.emailVerified && identity.email === "a@example.com",
  clients: [{ clientId: "a", redirectUris: ["https://a.example/"], jwks: { keys: [{ kty: "EC" }] } }],
  redirectSchemes: ["cursor"],
  limits: { bodyBytes: 1000 },
  registry: { enabled: false },
  outbound: { allowLoopback: true },
}));
`;

const MISUSES: readonly Misuse[] = [
  {
    name: "an unknown option of the gateway",
    code: "defineGateway({ oauth, routes, publicURL: upstream });",
    says: /'publicURL' does not exist in type 'GatewayOptions/,
  },
  {
    name: "an unknown option in what a function returns",
    code: "defineGateway(() => ({ oauth, routes, publicURL: upstream }));",
    says: /'publicURL' are incompatible[\s\S]*is not assignable to type 'NoSuchOption'/,
  },
  {
    name: "an unknown option deep in what a function returns",
    code: "defineGateway(() => ({ oauth, routes, limits: { bodyBytes: 1, streem: 1 } }));",
    says: /streem[\s\S]*is not assignable to type 'NoSuchOption'/,
  },
  {
    name: "an unknown option in one of a function's two answers",
    code:
      'defineGateway(({ mode }) => mode === "production" ? { oauth, routes } : { oauth, routes, bogus: 1 });',
    says: /bogus[\s\S]*NoSuchOption|NoSuchOption[\s\S]*bogus/,
  },
  {
    name: "an unknown mode",
    code: 'defineGateway(({ mode }) => ({ oauth, routes, basePath: mode === "staging" ? "/a" : "" }));',
    says: /'Mode' and '"staging"' have no overlap/,
  },
  {
    name: "an unknown limit",
    code: "defineGateway({ oauth, routes, limits: { bodySize: 1 } });",
    says: /'bodySize' does not exist in type/,
  },
  { name: "no oauth", code: "defineGateway({ routes });", says: /Property 'oauth' is missing/ },
  { name: "no routes", code: "defineGateway({ oauth });", says: /Property 'routes' is missing/ },
  {
    name: "two OAuth policies",
    code: "defineGateway({ oauth: [oauth, oauth], routes });",
    says: /Type 'OAuthPolicy\[\]' is missing .* from type 'Definition<"oauth"/,
  },
  {
    name: "two OAuth policies in what a function returns",
    code: "defineGateway(() => ({ oauth: [oauth, oauth], routes }));",
    says: /'readonly \[OAuthPolicy, OAuthPolicy\]' is not assignable to type 'OAuthPolicy'/,
  },
  {
    name: "a route policy as the OAuth policy",
    code: "defineGateway({ oauth: setHeaders({}), routes });",
    says: /Type '"headers"' is not assignable to type '"oauth"'/,
  },
  {
    name: "an OAuth policy among the routes",
    code: "defineGateway({ oauth, routes: [oauth] });",
    says: /Type '"oauth"' is not assignable to type '"route"'/,
  },
  {
    name: "an OAuth policy on a route",
    code: 'mcpProxy("/mcp/b", { operationId: "b", upstream, policies: [oauth] });',
    says:
      /Type '"oauth"' is not assignable to type '"credential" \| "headers" \| "rateLimit" \| "capabilities"'/,
  },
  {
    name: "two credentials on a route",
    code: 'mcpProxy("/mcp/b", { operationId: "b", upstream, ' +
      'policies: [upstreamApiKey({ value: "a" }), setHeaders({}), upstreamApiKey({ value: "b" })] });',
    says: /"a route takes at most one credential policy"/,
  },
  {
    name: "a route without upstream",
    code: 'mcpProxy("/mcp/b", { operationId: "b" });',
    says: /Property 'upstream' is missing/,
  },
  {
    name: "a route without operationId",
    code: 'mcpProxy("/mcp/b", { upstream });',
    says: /Property 'operationId' is missing/,
  },
  {
    name: "an unknown option of a route",
    code: 'mcpProxy("/mcp/b", { operationId: "b", upstream, polices: [] });',
    says: /'polices' does not exist in type 'McpProxyOptions.*Did you mean to write 'policies'/,
  },
  {
    name: "an unknown timeout",
    code: 'mcpProxy("/mcp/b", { operationId: "b", upstream, timeouts: { idle: 1 } });',
    says: /'idle' does not exist in type/,
  },
  {
    name: "a wrong literal",
    code: 'mcpOAuth({ oidc, browserLogin: { ...browserLogin, pkce: "S265" } });',
    says: /Type '"S265"' is not assignable to type '"S256" \| "none"/,
  },
  {
    name: "a wrong literal deep in a list",
    code: "mcpOAuth({ oidc, browserLogin, idJag: { trustedIssuers: [" +
      '{ issuer: upstream, jwksUrl: upstream, subjectMapping: "mail" }] } });',
    says: /Type '"mail"' is not assignable to type '"issuer-subject" \| "email"/,
  },
  {
    name: "no client secret",
    code: 'mcpOAuth({ oidc, browserLogin: { url: "", tokenUrl: "", clientId: "" } });',
    says: /Property 'clientSecret' is missing/,
  },
  {
    name: "a number where text is expected",
    code: "upstreamApiKey({ value: 5 });",
    says: /Type 'number' is not assignable to type 'Text'/,
  },
  {
    name: "env() where a number is expected",
    code: 'mcpDevOAuth({ gateway: { accessTokenTtlSeconds: env("TTL") } });',
    says: /Type 'EnvReference' is not assignable to type 'number'/,
  },
  {
    name: "an option of another policy",
    code: 'mcpDevOAuth({ clientId: "a" });',
    says: /'clientId' does not exist in type/,
  },
  {
    name: "an option of env() that does not exist",
    code: 'env("A", { fallback: "b" });',
    says: /'fallback' does not exist in type 'EnvOptions'/,
  },
  {
    name: "an unknown region of PingOne",
    code: 'mcpPingOAuth({ ...client, environmentId, region: "eu" });',
    says: /Type '"eu"' is not assignable to type .*"europe"/,
  },
  {
    name: "both forms of PingOne",
    code: 'mcpPingOAuth({ ...client, environmentId, customDomain: "login.example.com" });',
    says: /'customDomain' are incompatible[\s\S]*Type 'string' is not assignable to type 'undefined'/,
  },
  {
    name: "a region beside a custom domain of PingOne",
    code: 'mcpPingOAuth({ ...client, region: "europe", customDomain: "login.example.com" });',
    says: /'customDomain' are incompatible[\s\S]*Type 'string' is not assignable to type 'undefined'/,
  },
  {
    name: "neither form of PingOne",
    code: "mcpPingOAuth({ ...client });",
    says: /Property '(?:environmentId|customDomain)' is missing/,
  },
  {
    name: "a wrapper without its client secret",
    code: 'mcpLogtoOAuth({ clientId: "a", logtoEndpoint: upstream });',
    says: /Property 'clientSecret' is missing/,
  },
  {
    name: "a wrapper without its provider's field",
    code: "mcpCognitoOAuth({ ...client, awsRegion: upstream, userPoolId: upstream });",
    says: /Property 'userPoolDomain' is missing/,
  },
  {
    name: "an option that a wrapper derives",
    code: "mcpLogtoOAuth({ ...client, logtoEndpoint: upstream, issuer: upstream });",
    says: /'issuer' does not exist in type/,
  },
  {
    name: "an option of another provider",
    code: "mcpLogtoOAuth({ ...client, logtoEndpoint: upstream, tenantId: environmentId });",
    says: /'tenantId' does not exist in type/,
  },
  {
    name: "an unknown override of a wrapper",
    code: "mcpLogtoOAuth({ ...client, logtoEndpoint: upstream, browserLoginOverrides: { url: upstream } });",
    says: /'url' does not exist in type/,
  },
  ...TOKEN_EXCHANGE_MISUSES,
  ...CAPABILITY_FILTER_MISUSES,
];

/** The messages of one `deno check` over all files, by file name. */
async function checkAll(files: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, code] of files) await Deno.writeTextFile(`${directory}/${name}`, code);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["check", "--config", CONFIG, ...[...files.keys()].map((name) => `${directory}/${name}`)],
      env: { NO_COLOR: "1" },
    });
    const { stderr } = await command.output();
    // One block per error; its first place in one of our files says whose it is.
    const found = new Map<string, string>();
    for (const block of new TextDecoder().decode(stderr).split(/^(?=TS\d+ \[ERROR\]|error: )/m)) {
      const [, name] = /at file:\S*\/(\w+\.ts):\d+:\d+/.exec(block) ?? [];
      const owner = block.includes("[ERROR]") ? name ?? "elsewhere" : "";
      found.set(owner, (found.get(owner) ?? "") + block);
    }
    return found;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("what the types can forbid does not compile, and the message says why", async (t) => {
  const files = new Map([["sound.ts", IMPORTS + PIECES + SOUND]]);
  for (const [index, { code }] of MISUSES.entries()) files.set(`misuse_${index}.ts`, IMPORTS + PIECES + code);
  const found = await checkAll(files);
  await t.step("a sound configuration compiles", () => {
    assert.equal(found.get("sound.ts"), undefined);
    assert.equal(found.get("elsewhere"), undefined);
  });
  for (const [index, { name, says }] of MISUSES.entries()) {
    await t.step(`${name} does not compile`, () => {
      assert.match(found.get(`misuse_${index}.ts`) ?? "it compiles", says);
    });
  }
});
