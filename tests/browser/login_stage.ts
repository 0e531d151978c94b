/** What the login tests of a real browser play in: a provider or the local login, a gateway, an app's web site, and one profile. */
import assert from "node:assert/strict";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { type DemoServer, serveDemo } from "../../examples/demo/server.ts";
import { freePort } from "../support/child_process.ts";
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";
import { startIdentityProvider, type TestIdentityProvider } from "../support/identity_provider.ts";
import { authorizeUrl, callMcp, redeem, registerClient, type TestClient } from "../support/oauth_flow.ts";

/** Where to leave screenshots for people to look at, if anywhere. */
const screenshotDirectory = Deno.env.get("SALLYPORT_SCREENSHOTS");

/** A client's web site that takes the code and sends the browser on to a third origin. */
export interface ClientSite extends AsyncDisposable {
  readonly redirectUri: string;
  readonly endsAt: string;
  /** The queries of all callbacks. */
  readonly callbacks: URLSearchParams[];
}

function clientSite(): ClientSite {
  const callbacks: URLSearchParams[] = [];
  const html = (title: string) =>
    new Response(`<!doctype html><title>${title}</title><link rel="icon" href="data:,"><p>${title}`, {
      headers: { "content-type": "text/html" },
    });
  const third = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => html("back in the app"));
  // Another host than 127.0.0.1, so that the last hop leaves the site.
  const endsAt = `http://localhost:${third.addr.port}/app`;
  const site = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    callbacks.push(new URL(request.url).searchParams);
    return new Response(null, { status: 302, headers: { location: endsAt } });
  });
  return {
    redirectUri: `http://127.0.0.1:${site.addr.port}/callback`,
    endsAt,
    callbacks,
    async [Symbol.asyncDispose]() {
      await Promise.all([third.shutdown(), site.shutdown()]);
    },
  };
}

/** The scene of one test. */
export interface Scene {
  readonly gateway: GatewayProcess & {
    readonly fetch: (url: string | URL, init?: RequestInit) => Promise<Response>;
  };
  readonly idp: TestIdentityProvider | null;
  readonly demo: DemoServer;
  readonly app: ClientSite;
  readonly client: TestClient;
  readonly context: BrowserContext;
  readonly page: Page;
  /** Console errors, CSP violations, exceptions and failed requests so far. */
  readonly complaints: string[];
}

/** Starts everything around one browser profile, and checks at the end that the browser had nothing to complain about. */
export async function onStage(
  browser: Browser,
  kind: "logto" | "local" | "two gates",
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const port = freePort();
  const origin = `http://127.0.0.1:${port}`;
  const idp = kind !== "logto" ? null : await startIdentityProvider({
    redirectUris: [`${origin}/oauth/callback`],
    postLogoutRedirectUris: [`${origin}/`],
  });
  const demo = serveDemo({ port: 0, open: kind !== "two gates" });
  const policies = kind === "two gates" ? '[tokenExchange({ id: "demo", displayName: "Demo" })]' : "[]";
  await using app = clientSite();
  try {
    const running = await startGateway({
      port,
      config: `
        import { defineGateway, mcpDevOAuth, mcpLogtoOAuth, mcpProxy, tokenExchange } from "@sallyport/gateway";
        export default defineGateway({
          oauth: ${
        idp === null
          ? 'mcpDevOAuth({ users: ["alice", "bob"] })'
          : `mcpLogtoOAuth({ logtoEndpoint: "${idp.origin}", clientId: "${idp.clientId}", clientSecret: "${idp.clientSecret}" })`
      },
          routes: [mcpProxy("/mcp/demo", { operationId: "demo", summary: "Demo server", upstream: "${demo.url}", policies: ${policies} })],
        });`,
    });
    const gateway = {
      ...running,
      fetch: (url: string | URL, init?: RequestInit) => fetch(new URL(url, origin), init),
    };
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    try {
      const client = await registerClient({ ...gateway, browser: neverAsked }, {
        client_name: "Interop app",
        redirect_uris: [app.redirectUri],
      });
      const page = await context.newPage();
      const complaints = collectComplaints(page, idp?.origin);
      await act({ gateway, idp, demo, app, client, context, page, complaints });
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
      await running.stop();
    }
  } finally {
    await demo.close();
    await idp?.close();
  }
}

function neverAsked(): never {
  throw new Error("This test has a real browser.");
}

/**
 * Console warnings and errors (CSP violations are among them), exceptions and failed requests, as they come; but for those about
 * the provider's own resources, which are not ours to mend.
 */
function collectComplaints(page: Page, provider: string | undefined): string[] {
  const complaints: string[] = [];
  const add = (text: string, url: string) => {
    const ours = provider === undefined || !(url.startsWith(provider) || page.url().startsWith(provider));
    if (ours) complaints.push(`${text} (${url})`);
  };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) add(message.text(), message.location().url);
  });
  page.on("pageerror", (error) => add(error.message, page.url()));
  page.on("requestfailed", (request) => add(request.failure()?.errorText ?? "failed", request.url()));
  return complaints;
}

/** Takes the page at both widths, and checks that neither scrolls sideways. */
export async function look(page: Page, name: string): Promise<void> {
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    assert.equal(
      await page.evaluate(`scrollTo(1000, 0), scrollX`),
      0,
      `${name} scrolls sideways at ${width} px`,
    );
    if (screenshotDirectory !== undefined) {
      await page.screenshot({ path: `${screenshotDirectory}/login-${name}-${width}.png`, fullPage: true });
    }
  }
}

/** The address of an authorization request of the scene's app. */
export function askUrl({ gateway, client }: Scene, changes: Parameters<typeof authorizeUrl>[2] = {}): string {
  return authorizeUrl(gateway, client, { resource: `${gateway.origin}/mcp/demo`, ...changes }).href;
}

/** Presses a button. */
export async function click(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name, exact: true }).click();
}

/** The page's main heading. */
export async function heading(page: Page): Promise<string> {
  return await page.getByRole("heading", { level: 1 }).innerText();
}

/** The code that the app got is worth a token, and the token a call. */
export async function assertWorks({ gateway, client, app }: Scene): Promise<void> {
  const code = app.callbacks.at(-1)?.get("code") ?? "";
  const answer = await redeem(gateway, client, code);
  assert.equal(answer.status, 200);
  const { access_token } = await answer.json();
  const message = { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} };
  const called = await callMcp(gateway, "/mcp/demo", access_token, { message });
  assert.equal(called.status, 200, await called.text());
}

/** Chromium complains of every page with an error status: takes that out, and says how often it was there. */
export function takeStatus(complaints: string[], status: number): number {
  const meant = complaints.filter((text) => text.includes(`a status of ${status} `));
  for (const text of meant) complaints.splice(complaints.indexOf(text), 1);
  return meant.length;
}
