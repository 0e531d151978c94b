/** Real clients sign in through a provider laid out as Logto lays it out: the gateway as a process, `mcpLogtoOAuth`, ES384, a login form. */
import assert from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import { serveDemo } from "../../examples/demo/server.ts";
import { type ApprovalOptions, HeadlessBrowser, type Page } from "../support/browser.ts";
import { freePort } from "../support/child_process.ts";
import { close, connectV1, connectV2 } from "../support/clients.ts";
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";
import {
  startIdentityProvider,
  startSloppyIdentityProvider,
  type TestIdentityProvider,
} from "../support/identity_provider.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import type { TestProvider } from "../support/test_provider.ts";
import type { Connect } from "./journeys.ts";

/** Somebody at a browser: presses one button of the provider's form, if it is shown, and then ours. */
class Person extends HeadlessBrowser {
  readonly #atProvider: Readonly<Record<string, string>>;
  readonly #provider: string;
  /** Every address of the provider and of the gateway that was opened, with its secrets. */
  lastPage: Page | null = null;

  constructor(provider: string, atProvider: Readonly<Record<string, string>>) {
    super();
    this.#provider = provider;
    this.#atProvider = atProvider;
  }

  override async signInAndApprove(authorizeUrl: URL | string, options: ApprovalOptions = {}): Promise<URL> {
    const redirectUri = new URL(authorizeUrl).searchParams.get("redirect_uri") ?? "";
    const stopAt = (url: URL) => url.href.startsWith(redirectUri);
    let page = await this.get(authorizeUrl, { stopAt });
    if (page.url.origin === this.#provider) page = await this.submit(page, this.#atProvider, { stopAt });
    this.lastPage = page;
    if (page.url.pathname !== "/oauth/setup") {
      throw new Error(`Not signed in: ${page.status} ${page.url.pathname}`);
    }
    page = await this.submit(page, { decision: options.decision ?? "approve" }, { stopAt });
    return page.url;
  }
}

interface Scene<Provider extends TestProvider> {
  readonly idp: Provider;
  readonly gateway: GatewayProcess;
  readonly route: URL;
}

const LOGTO = (idp: TestProvider) =>
  `mcpLogtoOAuth({ logtoEndpoint: "${idp.origin}", clientId: "${idp.clientId}", clientSecret: "${idp.clientSecret}" })`;

const GENERIC = (idp: TestProvider) =>
  `mcpOAuth({
    oidc: { issuer: "${idp.issuer}", jwksUrl: "${idp.jwksUrl}" },
    browserLogin: { url: "${idp.authorizationUrl}", tokenUrl: "${idp.tokenUrl}",
      clientId: "${idp.clientId}", clientSecret: "${idp.clientSecret}" },
  })`;

/** Starts provider, demo and gateway; at the end nothing that passed the browsers may be in the gateway's output. */
async function onStage<Provider extends TestProvider>(
  start: (origin: string) => Promise<Provider>,
  oauth: (idp: Provider) => string,
  act: (scene: Scene<Provider>) => Promise<readonly Person[]>,
): Promise<void> {
  const port = freePort();
  const idp = await start(`http://127.0.0.1:${port}`);
  const demo = serveDemo({ port: 0, open: true });
  try {
    const gateway = await startGateway({
      port,
      env: { GATEWAY_LOG: "debug" },
      config: `
        import { defineGateway, mcpLogtoOAuth, mcpOAuth, mcpProxy } from "@sallyport/gateway";
        export default defineGateway({
          oauth: ${oauth(idp)},
          routes: [mcpProxy("/mcp/demo", { operationId: "demo", summary: "Demo", upstream: "${demo.url}" })],
        });`,
    });
    let people: readonly Person[] = [];
    try {
      people = await act({ idp, gateway, route: new URL("/mcp/demo", gateway.origin) });
    } finally {
      await gateway.stop();
    }
    assertSilent(gateway.child.lines, [idp.clientSecret, ...people.flatMap(secretsOf)]);
  } finally {
    await demo.close();
    await idp.close();
  }
}

function logto(act: (scene: Scene<TestIdentityProvider>) => Promise<readonly Person[]>): Promise<void> {
  const start = (origin: string) =>
    startIdentityProvider({
      redirectUris: [`${origin}/oauth/callback`],
      postLogoutRedirectUris: [`${origin}/`],
    });
  return onStage(start, LOGTO, act);
}

function secretsOf(person: Person): string[] {
  const named = ["code", "state", "nonce", "code_challenge"];
  const cookies = ["sallyport_session", "sallyport_browser"];
  return person.visited.flatMap((url) => [
    ...named.map((name) => url.searchParams.get(name) ?? ""),
    ...cookies.map((name) => person.cookies.get(url, name) ?? ""),
  ]);
}

function assertSilent(lines: readonly string[], secrets: readonly string[]): void {
  const long = new Set(secrets.filter((secret) => secret.length >= 12));
  assert.ok(long.size >= 5, `${long.size} secrets`);
  for (const line of lines) {
    assert.doesNotMatch(line, /\b(?:at|rt|ac|se|br|cs)_[\w-]{20,}|\beyJ/);
    for (const secret of long) assert.ok(!line.includes(secret), `${secret.slice(0, 6)}… in ${line}`);
  }
}

/** Connects as somebody, and uses a tool. */
async function useATool(connect: Connect, route: URL, oauth: HeadlessOAuthProvider): Promise<void> {
  const connection = await connect(route, { oauth });
  try {
    // The two SDKs' clients agree on the calls made here; a union of their overloads cannot be called.
    const { tools } = await (connection.client as Client).listTools();
    assert.ok(tools.length > 0);
  } finally {
    await close(connection);
  }
}

function client(browser: Person, origin?: { readonly clientMetadata: { readonly client_name: string } }) {
  return new HeadlessOAuthProvider({ browser, ...origin });
}

const SDKS: Readonly<Record<string, Connect>> = { "SDK v1": connectV1, "SDK v2": connectV2 };

for (const [name, connect] of Object.entries(SDKS)) {
  Deno.test(`${name}: alice and bob sign in through the provider's form, and share nothing (AS-30, AS-65)`, () =>
    logto(async ({ idp, gateway, route }) => {
      const people = ["alice", "bob"].map((user) => new Person(idp.origin, { user }));
      const clients = people.map((person) => client(person));
      for (const [index, oauth] of clients.entries()) {
        await useATool(connect, route, oauth);
        const user = ["alice", "bob"][index] ?? "";
        assert.match(people[index]?.lastPage?.html ?? "", new RegExp(`Signed in here as[\\s\\S]*${user}`));
        const account = await people[index]?.get(`${gateway.origin}/account`);
        assert.match(account?.html ?? "", new RegExp(`Signed in as <b><bdi>${user}`));
      }
      const told = (event: string, field: string) =>
        new Set(gateway.events.filter((each) => each.event === event).map((each) => each[field]));
      // The log is written in batches, so its lines come after the answers; bob's token is the last of those that are counted.
      const deadline = Date.now() + 5_000;
      while (told("mcp_auth_downstream_token_issued", "subjectId").size < 2 && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      assert.equal(told("mcp_auth_login_completed", "subjectId").size, 2);
      assert.equal(told("mcp_auth_downstream_consent_granted", "grantId").size, 2);
      assert.equal(told("mcp_auth_downstream_token_issued", "subjectId").size, 2);
      const tokens = clients.map((oauth) => oauth.tokens()?.access_token);
      assert.equal(new Set(tokens).size, 2);
      for (const token of tokens) assert.match(token ?? "", /^at_/);
      assert.equal(idp.tokenRequests, 2);
      assert.deepEqual(idp.errors, []);
      return people;
    }));
}

Deno.test("a second app of somebody who is signed in needs no form, but a click", () =>
  logto(async ({ idp, gateway, route }) => {
    const alice = new Person(idp.origin, { user: "alice" });
    await useATool(connectV2, route, client(alice));
    await useATool(connectV2, route, client(alice, { clientMetadata: { client_name: "Another app" } }));
    assert.equal(idp.authorizationRequests.length, 1);
    assert.match(alice.lastPage?.html ?? "", /Another app/);
    await gateway.waitForEvent("mcp_auth_downstream_token_issued");
    return [alice];
  }));

Deno.test("who says no at the provider is not signed in, is told so, and can start again", () =>
  logto(async ({ idp, gateway, route }) => {
    const undecided = new Person(idp.origin, { decision: "deny" });
    const oauth = client(undecided);
    await assert.rejects(connectV2(route, { oauth }), /Not signed in: 403/);
    assert.equal(oauth.tokens(), undefined);
    const page = undecided.lastPage;
    assert.ok(page);
    assert.match(page.html, /You were not signed in/);
    assert.equal(idp.tokenRequests, 0);
    const restart = page.links.find((url) => url.pathname === "/oauth/setup");
    assert.ok(restart);
    const form = await undecided.get(restart, { from: page });
    assert.equal(form.url.origin, idp.origin);
    const setup = await undecided.submit(form, { user: "bob" });
    assert.deepEqual([setup.status, setup.url.pathname], [200, "/oauth/setup"]);
    assert.match(setup.html, /bob/);
    await gateway.waitForEvent("mcp_auth_login_completed");
    return [undecided];
  }));

Deno.test("the provider changes its key between two logins, and nobody notices", () =>
  logto(async ({ idp, route }) => {
    const alice = new Person(idp.origin, { user: "alice" });
    await useATool(connectV1, route, client(alice));
    assert.equal(idp.keyRequests, 1);
    await idp.rotateKeys();
    const bob = new Person(idp.origin, { user: "bob" });
    await useATool(connectV1, route, client(bob));
    assert.equal(idp.keyRequests, 2);
    assert.deepEqual(idp.errors, []);
    return [alice, bob];
  }));

Deno.test("prompt and login_hint reach the provider, and prompt=login asks who is signed in there already", () =>
  logto(async ({ idp, gateway, route }) => {
    const alice = new Person(idp.origin, { user: "alice" });
    const oauth = client(alice);
    await useATool(connectV2, route, oauth);
    const again = new URL(oauth.authorizationUrls[0]?.href ?? "");
    for (const [prompt, form] of [["login", true], ["select_account", null], ["consent", false]] as const) {
      again.searchParams.set("prompt", prompt);
      again.searchParams.set("login_hint", "bob@example.test");
      const seen = idp.authorizationRequests.length;
      const page = await alice.get(again);
      if (form === null) {
        // oidc-provider does not know it; what counts is that it arrived.
        assert.equal(idp.authorizationRequests.at(-1)?.get("prompt"), prompt);
        continue;
      }
      assert.equal(page.url.origin === idp.origin, form, prompt);
      assert.equal(idp.authorizationRequests.length - seen, form ? 1 : 0);
      if (form) {
        assert.equal(idp.authorizationRequests.at(-1)?.get("prompt"), "login");
        assert.equal(idp.authorizationRequests.at(-1)?.get("login_hint"), "bob@example.test");
      }
    }
    await gateway.waitForEvent("mcp_auth_downstream_token_issued");
    return [alice];
  }));

Deno.test("after the provider is gone for good, apps go on, refresh, and are told nothing of it", () =>
  logto(async ({ idp, gateway, route }) => {
    const alice = new Person(idp.origin, { user: "alice" });
    const oauth = client(alice);
    await useATool(connectV2, route, oauth);
    await idp.close();
    await useATool(connectV2, route, oauth);
    const refreshed = await fetch(`${gateway.origin}/oauth/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "refresh_token",
        refresh_token: oauth.tokens()?.refresh_token ?? "",
        client_id: oauth.clientInformation()?.client_id ?? "",
      }),
    });
    assert.equal(refreshed.status, 200);
    await refreshed.body?.cancel();
    const account = await alice.get(`${gateway.origin}/account`);
    const home = await alice.submit(account, { action: "sign_out" }, {
      stopAt: (url) => url.origin === idp.origin,
    });
    assert.ok(home.left || home.url.pathname === "/", home.html);
    return [alice];
  }));

for (const [name, connect] of Object.entries(SDKS)) {
  Deno.test(`${name}: a sloppy provider signs its one user in, too`, () =>
    onStage(() => startSloppyIdentityProvider(), GENERIC, async ({ idp, gateway, route }) => {
      const person = new Person(idp.origin, {});
      await useATool(connect, route, client(person));
      assert.match(person.lastPage?.html ?? "", /johndoe/);
      assert.equal(idp.tokenRequests, 1);
      await gateway.waitForEvent("mcp_auth_downstream_token_issued");
      return [person];
    }));
}
