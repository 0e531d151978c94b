/** The pages under docs/identity-providers keep their word: their configurations compile, and the gateway says what they say it says. */
import assert from "node:assert/strict";
import { resolveGateway } from "../../../lib/gateway/compile.ts";
import * as gateway from "../../../mod.ts";
import { typeCheckPages } from "../../support/documentation.ts";
import { faults, type Loose, loosely, publicOptions } from "../gateway/configurations.ts";

const PAGES = new URL("../../../docs/identity-providers/", import.meta.url);

/** The builder of a page, options that are sound, and the mistakes that its first table tells of. */
type Documented = readonly [build: (options: never) => unknown, sound: Loose, mistakes: readonly Loose[]];

const UUID = "3c1b8f0e-7d6a-4b52-9a55-2f1f0c6f7a10";

const DOCUMENTED: Readonly<Record<string, Documented>> = {
  "auth0.md": [gateway.mcpAuth0OAuth, { auth0Domain: "acme.us.auth0.com" }, [
    { auth0Domain: "https://acme.us.auth0.com" },
    { auth0Domain: "acme" },
  ]],
  "clerk.md": [gateway.mcpClerkOAuth, { frontendApiUrl: "https://clerk.example.com" }, [
    { frontendApiUrl: "https://clerk.example.com/v1" },
    { frontendApiUrl: "clerk.example.com" },
  ]],
  "cognito.md": [gateway.mcpCognitoOAuth, {
    awsRegion: "eu-west-1",
    userPoolId: "eu-west-1_Ab1Cd2Ef3",
    userPoolDomain: "auth.example.com",
  }, [
    { awsRegion: "Ireland" },
    { userPoolId: "Ab1Cd2Ef3" },
    { userPoolId: "us-east-1_Ab1Cd2Ef3" },
    { userPoolDomain: "cognito-idp.eu-west-1.amazonaws.com" },
    { userPoolDomain: "https://auth.example.com" },
  ]],
  "entra.md": [gateway.mcpEntraOAuth, { tenantId: UUID }, [
    { tenantId: "common" },
    { tenantId: "acme.onmicrosoft.com" },
  ]],
  "google.md": [gateway.mcpGoogleOAuth, { clientId: "1-a.apps.googleusercontent.com" }, [
    { clientId: "1234567890-abc123" },
  ]],
  "keycloak.md": [gateway.mcpKeycloakOAuth, {
    keycloakBaseUrl: "https://keycloak.example.com",
    realm: "acme",
  }, [
    { keycloakBaseUrl: "https://keycloak.example.com/realms/acme" },
    { keycloakBaseUrl: "http://keycloak.example.com" },
    { realm: "acme/users" },
  ]],
  "logto.md": [gateway.mcpLogtoOAuth, { logtoEndpoint: "https://acme.logto.app" }, [
    { logtoEndpoint: "https://acme.logto.app/oidc" },
    { logtoEndpoint: "acme.logto.app" },
  ]],
  "okta.md": [gateway.mcpOktaOAuth, { oktaDomain: "acme.okta.com" }, [
    { oktaDomain: "acme-admin.okta.com" },
    { oktaDomain: "https://acme.okta.com" },
    { authorizationServerId: "https://acme.okta.com/oauth2/default" },
  ]],
  "onelogin.md": [gateway.mcpOneLoginOAuth, { oneLoginSubdomain: "acme" }, [
    { oneLoginSubdomain: "acme.onelogin.com" },
  ]],
  "ping.md": [gateway.mcpPingOAuth, { environmentId: UUID }, [
    { environmentId: "acme" },
    { environmentId: undefined },
    { customDomain: "login.example.com" },
    { region: "eu" },
    { environmentId: undefined, customDomain: "auth.pingone.eu" },
  ]],
  "workos.md": [gateway.mcpWorkosOAuth, { clientId: "client_01ABC" }, [
    { clientId: "01KC6057N3C66XJAXZ65YHAC72" },
  ]],
  "any-other-provider.md": [generic, {}, [
    { "oidc.issuer": "http://login.example.com" },
    { "oidc.issuer": "login.example.com" },
    { "browserLogin.scope": "profile email" },
    { "browserLogin.tokenUrl": "https://{tenant}.example.com/token" },
  ]],
};

/** `mcpOAuth` with options given by their paths. */
function generic(changes: Loose) {
  const url = "https://login.example.com";
  const options: Record<string, Loose> = {
    oidc: { issuer: url, jwksUrl: url },
    browserLogin: { url, tokenUrl: url, clientId: "gw", clientSecret: "s" },
  };
  for (const [path, value] of Object.entries(changes)) {
    const [group = "", name = ""] = path.split(".");
    if (name !== "") options[group] = { ...options[group], [name]: value };
  }
  return loosely(gateway.mcpOAuth, options);
}

Deno.test("there is a page for every provider, and nothing else", async () => {
  const found = (await Array.fromAsync(Deno.readDir(PAGES))).map((entry) => entry.name);
  assert.deepEqual(found.sort(), [...Object.keys(DOCUMENTED), "README.md"].sort());
  const index = await Deno.readTextFile(new URL("README.md", PAGES));
  for (const name of Object.keys(DOCUMENTED)) assert.ok(index.includes(`](${name})`), name);
});

for (const [name, [build, sound, mistakes]] of Object.entries(DOCUMENTED)) {
  Deno.test(`docs/identity-providers/${name}: the gateway says just this of these mistakes`, async () => {
    const page = await Deno.readTextFile(new URL(name, PAGES));
    const told = [...page.matchAll(/^\| `([\w.]+)`: `([^`]+)` +\|/gm)].map(([, path, text]) =>
      `${path}: ${text}`
    );
    const said = mistakes.flatMap((mistake) => {
      const oauth = loosely(build, { clientId: "gw", clientSecret: "s", ...sound, ...mistake });
      return faults(publicOptions({ oauth }), { mode: "production" })
        .map((fault) => `${fault.path.replace("oauth.", "")}: ${fault.problem}`);
    });
    assert.deepEqual(told, said);
  });

  Deno.test(`docs/identity-providers/${name}: its configuration compiles`, async () => {
    const page = await Deno.readTextFile(new URL(name, PAGES));
    const [, code] = /```ts\n([\s\S]+?)```/.exec(page) ?? [];
    const directory = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${directory}/gateway.config.ts`, code ?? "");
      const module = await import(new URL(`file://${directory}/gateway.config.ts`).href);
      const options = {
        mode: "production",
        env: () => undefined,
        publicUrl: "https://a.example",
        placeholders: true,
      } as const;
      assert.equal(resolveGateway(module.default, options).gateway.oauth.login.kind, "oidc");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("docs/identity-providers: every configuration is type-checked", async () => {
  const pages = Object.keys(DOCUMENTED).map((name) => new URL(name, PAGES));
  assert.equal(await typeCheckPages(pages), pages.length);
});
