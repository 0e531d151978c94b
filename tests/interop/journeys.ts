/** What a client does with the gateway, whichever SDK it uses: each journey is one test. */
import assert from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import { callWithProgress, close, type ConnectionV1, type ConnectionV2 } from "../support/clients.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import { onStage } from "./scene.ts";

/** Connects with one of the SDKs. */
export type Connect = (
  url: URL,
  options: { readonly oauth?: HeadlessOAuthProvider },
) => Promise<ConnectionV1 | ConnectionV2>;

type Connection = ConnectionV1 | ConnectionV2;

/** The two SDKs' clients agree on the calls made here; a union of their overloads cannot be called. */
function clientOf(connection: Connection): Client {
  return connection.client as Client;
}

async function using<T>(connection: Connection, use: (client: Client) => Promise<T>): Promise<T> {
  try {
    return await use(clientOf(connection));
  } finally {
    await close(connection);
  }
}

function textOf(result: unknown): string {
  return JSON.stringify(result);
}

/** From an unknown client to a tool's answer: 401, discovery, registration, login, consent, token. */
export function fromNothingToATool(connect: Connect): Promise<void> {
  return onStage(async ({ everything, gateway }) => {
    await assert.rejects(connect(everything, {}));
    const unauthorized = await fetch(everything);
    await unauthorized.body?.cancel();
    assert.equal(unauthorized.status, 401);
    const metadata = `${gateway.origin}/.well-known/oauth-protected-resource${everything.pathname}`;
    assert.ok(unauthorized.headers.get("www-authenticate")?.includes(`resource_metadata="${metadata}"`));
    const oauth = new HeadlessOAuthProvider();
    await using(await connect(everything, { oauth }), async (client) => {
      const { tools } = await client.listTools();
      assert.ok(tools.some((tool) => tool.name === "echo"), textOf(tools));
      const echoed = await client.callTool({ name: "echo", arguments: { message: "through two gates" } });
      assert.match(textOf(echoed.content), /through two gates/);
    });
    const asked = oauth.authorizationUrls[0]?.searchParams;
    assert.equal(asked?.get("resource"), everything.href);
    assert.equal(asked?.get("code_challenge_method"), "S256");
    assert.equal(oauth.authorizationUrls.length, 1);
    const tokens = oauth.tokens();
    assert.match(tokens?.access_token ?? "", /^at_/);
    assert.match(tokens?.refresh_token ?? "", /^rt_/);
    assert.equal(tokens?.scope, "mcp:tools");
    await gateway.waitForEvent("mcp_auth_downstream_token_issued");
  });
}

/** Resources, templates and prompts of a server with sessions. */
export function resourcesAndPrompts(connect: Connect): Promise<void> {
  return onStage(async ({ everything }) => {
    const oauth = new HeadlessOAuthProvider();
    const connection = await connect(everything, { oauth });
    assert.notEqual(connection.transport.sessionId, undefined);
    await using(connection, async (client) => {
      const { resources } = await client.listResources();
      const uri = resources[0]?.uri ?? "";
      const { contents } = await client.readResource({ uri });
      assert.equal(contents[0]?.uri, uri);
      const { resourceTemplates } = await client.listResourceTemplates();
      assert.ok(resourceTemplates.length > 0);
      const { prompts } = await client.listPrompts();
      const plain = prompts.find((prompt) => (prompt.arguments ?? []).length === 0);
      const { messages } = await client.getPrompt({ name: plain?.name ?? "" });
      assert.ok(messages.length > 0);
    });
  });
}

/** Progress reaches the client while the call still runs. */
export function progressAsItHappens(connect: Connect): Promise<void> {
  return onStage(async ({ everything, demo }) => {
    const oauth = new HeadlessOAuthProvider();
    const connection = await connect(everything, { oauth });
    try {
      const operation = { name: "trigger-long-running-operation", input: { duration: 0.6, steps: 3 } };
      assertUnbuffered(await callWithProgress(connection, operation));
    } finally {
      await close(connection);
    }
    const other = new HeadlessOAuthProvider({ browser: oauth.browser });
    const toDemo = await connect(demo, { oauth: other });
    try {
      const countdown = { name: "countdown", input: { steps: 3, stepMs: 200 } };
      assertUnbuffered(await callWithProgress(toDemo, countdown));
    } finally {
      await close(toDemo);
    }
  });
}

function assertUnbuffered(
  call: { readonly progressAt: readonly number[]; readonly answeredAt: number },
): void {
  const lead = call.answeredAt - (call.progressAt[0] ?? Infinity);
  assert.equal(call.progressAt.length, 3);
  assert.ok(lead > 300, `the first report came only ${lead} ms before the answer`);
}

/** An expired access token is refreshed by the SDK, without the user, and the refresh token rotates. */
export function silentRefresh(connect: Connect): Promise<void> {
  return onStage(async ({ everything }) => {
    const oauth = new HeadlessOAuthProvider();
    await using(await connect(everything, { oauth }), async (client) => {
      await new Promise((resolve) => setTimeout(resolve, 2200));
      const { tools } = await client.listTools();
      assert.ok(tools.length > 0);
    });
    assert.equal(oauth.authorizationUrls.length, 1, "the user was asked again");
    const [first, second] = oauth.tokenHistory;
    assert.notEqual(second?.access_token, undefined);
    assert.notEqual(second?.access_token, first?.access_token);
    assert.notEqual(second?.refresh_token, first?.refresh_token);
  }, { accessTokenTtlSeconds: 2 });
}

/** Two people, two browsers: each has a session of their own, and neither can use the other's. */
export function twoUsers(connect: Connect): Promise<void> {
  return onStage(async ({ everything, gateway }) => {
    const ann = new HeadlessOAuthProvider({ approval: { user: "ann" } });
    const bob = new HeadlessOAuthProvider({ approval: { user: "bob" } });
    const annsConnection = await connect(everything, { oauth: ann });
    const bobsConnection = await connect(everything, { oauth: bob });
    try {
      const annsSession = annsConnection.transport.sessionId;
      assert.notEqual(annsSession, bobsConnection.transport.sessionId);
      const ping = (oauth: HeadlessOAuthProvider) =>
        fetch(everything, {
          method: "POST",
          headers: {
            authorization: `Bearer ${oauth.tokens()?.access_token}`,
            accept: "application/json, text/event-stream",
            "content-type": "application/json",
            "mcp-protocol-version": "2025-11-25",
            "mcp-session-id": annsSession ?? "",
          },
          body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
        });
      const own = await ping(ann);
      await own.body?.cancel();
      assert.equal(own.status, 200);
      const foreign = await ping(bob);
      await foreign.body?.cancel();
      assert.equal(foreign.status, 404);
    } finally {
      await close(annsConnection);
      await close(bobsConnection);
    }
    const subjects = gateway.events
      .filter(({ event }) => event === "mcp_auth_downstream_token_issued")
      .map(({ subjectId }) => subjectId);
    assert.equal(new Set(subjects).size, 2, textOf(subjects));
  }, { users: ["ann", "bob"] });
}

/** A token for one route is refused at the other. */
export function oneTokenOneRoute(connect: Connect): Promise<void> {
  return onStage(async ({ everything, demo }) => {
    const oauth = new HeadlessOAuthProvider();
    await close(await connect(everything, { oauth }));
    const response = await fetch(demo, {
      method: "POST",
      headers: {
        authorization: `Bearer ${oauth.tokens()?.access_token}`,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
    });
    await response.body?.cancel();
    assert.equal(response.status, 401);
    assert.match(response.headers.get("www-authenticate") ?? "", /error="invalid_token"/);
  });
}

/** Somebody who says no is believed: the client gets `access_denied`, no token, and the issuer's name. */
export function saysNo(connect: Connect): Promise<void> {
  return onStage(async ({ everything, gateway }) => {
    const oauth = new HeadlessOAuthProvider({ approval: { decision: "cancel" } });
    await assert.rejects(connect(everything, { oauth }));
    assert.equal(oauth.tokens(), undefined);
    const { searchParams } = oauth.lastCallback ?? new URL("about:blank");
    assert.equal(searchParams.get("error"), "access_denied");
    assert.equal(searchParams.get("iss"), gateway.origin);
  });
}
