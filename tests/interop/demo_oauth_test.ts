/** The demo's authorization server: that it keeps the rules that the gateway's users see at work. */
import assert from "node:assert/strict";
import { type DemoServer, serveDemo } from "../../examples/demo/server.ts";
import { HeadlessBrowser } from "../support/browser.ts";
import { close, connectV1, connectV2 } from "../support/clients.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import { CHALLENGE, VERIFIER } from "../support/oauth_flow.ts";

const REDIRECT_URI = "http://127.0.0.1:7/callback";

interface Stage {
  readonly demo: DemoServer;
  readonly origin: string;
  readonly clientId: string;
  /** What the demo told the person who runs it. */
  readonly told: readonly string[];
}

async function onStage(act: (stage: Stage) => Promise<void>, accessTokenSeconds = 60): Promise<void> {
  const told: string[] = [];
  const demo = serveDemo({ port: 0, accessTokenSeconds, tell: (line) => told.push(line) });
  try {
    const { origin } = demo.url;
    const registered = await fetch(`${origin}/register`, {
      method: "POST",
      body: JSON.stringify({ client_name: "<b>A client</b>", redirect_uris: [REDIRECT_URI] }),
    });
    assert.equal(registered.status, 201);
    const { client_id: clientId, token_endpoint_auth_method: method } = await registered.json();
    assert.equal(method, "none");
    await act({ demo, origin, clientId, told });
  } finally {
    await demo.close();
  }
}

function authorizeUrl({ origin, clientId }: Stage, changes: Readonly<Record<string, string>> = {}): URL {
  const url = new URL("/authorize", origin);
  const parameters = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: REDIRECT_URI,
    code_challenge: CHALLENGE,
    code_challenge_method: "S256",
    resource: `${origin}/mcp`,
    state: "s",
    ...changes,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

const stopAt = (url: URL) => url.port === "7";

async function codeOf(stage: Stage, account = "ada"): Promise<string> {
  const browser = new HeadlessBrowser();
  const page = await browser.get(authorizeUrl(stage));
  const { url } = await browser.submit(page, { account }, { stopAt });
  assert.equal(url.searchParams.get("iss"), stage.origin);
  assert.equal(url.searchParams.get("state"), "s");
  return url.searchParams.get("code") ?? "";
}

async function post(url: string, form: Readonly<Record<string, string>>): Promise<{
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}> {
  const response = await fetch(url, { method: "POST", body: new URLSearchParams(form) });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
}

const redeem = (stage: Stage, code: string, changes: Readonly<Record<string, string>> = {}) =>
  post(`${stage.origin}/token`, {
    grant_type: "authorization_code",
    client_id: stage.clientId,
    code,
    redirect_uri: REDIRECT_URI,
    code_verifier: VERIFIER,
    ...changes,
  });

const refresh = (stage: Stage, token: unknown) =>
  post(`${stage.origin}/token`, {
    grant_type: "refresh_token",
    client_id: stage.clientId,
    refresh_token: String(token),
  });

async function statusWith({ demo }: Stage, token: unknown): Promise<number> {
  const response = await fetch(demo.url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
  await response.body?.cancel();
  return response.status;
}

Deno.test("the demo's consent page shows who asks, escaped, and every button does what it says", () =>
  onStage(async (stage) => {
    const browser = new HeadlessBrowser();
    const page = await browser.get(authorizeUrl(stage));
    assert.match(page.html, /&lt;b&gt;A client&lt;\/b&gt;<\/bdi> wants to use the demo as you/);
    assert.match(page.html, /127\.0\.0\.1:7/);
    assert.match(
      page.headers.get("content-security-policy") ?? "",
      /default-src 'none'.*frame-ancestors 'none'/,
    );
    const denied = await browser.submit(page, { account: "" }, { stopAt });
    assert.equal(denied.url.searchParams.get("error"), "access_denied");
    assert.equal(denied.url.searchParams.get("iss"), stage.origin);
    // Once: the decision is made.
    assert.equal((await browser.submit(page, { account: "ada" }, { stopAt })).status, 400);
    const foreign = await fetch(`${stage.origin}/authorize`, {
      method: "POST",
      headers: { origin: "http://127.0.0.1:1" },
      body: new URLSearchParams({ request: "x", account: "ada" }),
    });
    await foreign.body?.cancel();
    assert.equal(foreign.status, 400);
  }));

Deno.test("the demo sends nobody to an address that the client has not registered, and says everything else to the client", () =>
  onStage(async (stage) => {
    const browser = new HeadlessBrowser();
    for (const changes of [{ client_id: "unknown" }, { redirect_uri: "http://127.0.0.1:7/other" }]) {
      assert.equal((await browser.get(authorizeUrl(stage, changes), { stopAt })).status, 400);
    }
    // A native client may use any port (RFC 8252 §7.3).
    assert.equal(
      (await browser.get(authorizeUrl(stage, { redirect_uri: "http://127.0.0.1:8/callback" }))).status,
      200,
    );
    const told = async (changes: Readonly<Record<string, string>>) => {
      const { url } = await browser.get(authorizeUrl(stage, changes), { stopAt });
      return url.searchParams.get("error");
    };
    assert.equal(await told({ response_type: "token" }), "unsupported_response_type");
    assert.equal(await told({ code_challenge_method: "plain" }), "invalid_request");
    assert.equal(await told({ resource: "https://elsewhere.example/mcp" }), "invalid_target");
    for (const redirectUri of ["javascript:alert(1)", "http://evil.example/", "https://u@x.example/"]) {
      const refused = await fetch(`${stage.origin}/register`, {
        method: "POST",
        body: JSON.stringify({ redirect_uris: [redirectUri] }),
      });
      assert.equal((await refused.json()).error, "invalid_client_metadata", redirectUri);
    }
  }));

Deno.test("a code of the demo is good once, with its verifier, redirect URI and client; used twice it ends the grant", () =>
  onStage(async (stage) => {
    const code = await codeOf(stage);
    for (
      const changes of [
        { code_verifier: `${VERIFIER}x` },
        { redirect_uri: "http://127.0.0.1:8/callback" },
        { resource: "https://elsewhere.example/mcp" },
      ]
    ) assert.equal((await redeem(stage, code, changes)).status, 400);
    assert.equal((await redeem(stage, code, { client_id: "unknown" })).status, 401);
    const { status, body } = await redeem(stage, code);
    assert.equal(status, 200);
    assert.equal(await statusWith(stage, body.access_token), 200);
    assert.equal((await redeem(stage, code)).body.error, "invalid_grant");
    assert.equal(await statusWith(stage, body.access_token), 401);
  }));

Deno.test("refresh tokens of the demo rotate; a used one ends the grant, and so does revocation", () =>
  onStage(async (stage) => {
    const { body: first } = await redeem(stage, await codeOf(stage));
    const { body: second } = await refresh(stage, first.refresh_token);
    assert.equal(await statusWith(stage, second.access_token), 200);
    assert.equal((await refresh(stage, first.refresh_token)).body.error, "invalid_grant");
    assert.equal((await refresh(stage, second.refresh_token)).body.error, "invalid_grant");
    assert.equal(await statusWith(stage, second.access_token), 401);

    const { body: third } = await redeem(stage, await codeOf(stage));
    const revoke = (client_id: string) =>
      post(`${stage.origin}/revoke`, { token: String(third.refresh_token), client_id });
    assert.equal((await revoke("another")).status, 200);
    assert.equal(await statusWith(stage, third.access_token), 200);
    assert.equal((await revoke(stage.clientId)).status, 200);
    assert.equal(await statusWith(stage, third.access_token), 401);
    assert.deepEqual(stage.told.map((line) => line.replaceAll("<b>A client</b>", "C")), [
      "C has registered as a client.",
      "ada lets C in.",
      "C has renewed the token of ada.",
      "A used refresh token of ada came back: all is revoked.",
      "ada lets C in.",
      "C has given back what ada allowed.",
    ]);
  }));

Deno.test("clients of both SDKs renew their short tokens at the demo, and each account has its own notes", () =>
  onStage(async ({ demo }) => {
    const people = [
      { oauth: new HeadlessOAuthProvider({ approval: { account: "ada" } }), connect: connectV1 },
      { oauth: new HeadlessOAuthProvider({ approval: { account: "grace" } }), connect: connectV2 },
    ];
    for (const [index, { oauth, connect }] of people.entries()) {
      const connection = await connect(demo.url, { oauth });
      const call = async (name: string, input: Record<string, unknown>) =>
        await (connection as Awaited<ReturnType<typeof connectV2>>).client.callTool({
          name,
          arguments: input,
        });
      const before = await call("find_notes", {});
      assert.deepEqual(before.content, [{ type: "text", text: "No notes." }]);
      await call("save_note", { title: `Of ${index}`, text: "…" });
      // Until the access token has expired; the SDK then renews it by itself.
      await new Promise((resolve) => setTimeout(resolve, 2100));
      assert.match(JSON.stringify(await call("find_notes", {})), new RegExp(`Of ${index}`));
      await close(connection);
      assert.equal(oauth.authorizationUrls.length, 1);
      assert.ok(oauth.tokenHistory.length >= 2);
    }
  }, 2));
