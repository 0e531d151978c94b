/**
 * The OAuth example of the official SDK as the upstream. It is weak: no refresh token, no `iss`, an issuer with a slash at its end, one hour, and
 * all is forgotten when it stops. The gateway connects to it, and asks the user again when it has to.
 */
import assert from "node:assert/strict";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { UrlElicitationRequiredError } from "@modelcontextprotocol/sdk/types.js";
import { mcpProxy, tokenExchange } from "../../mod.ts";
import { connections } from "../../lib/store/upstream_schema.ts";
import { freePort, TestChild } from "../support/child_process.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type Harness, startHarness } from "../support/harness.ts";
import { modernMessage } from "../support/modern_message.ts";
import { registerClient } from "../support/oauth_flow.ts";
import { browserOf, call, type SceneUser, signInAndConnect } from "../support/upstream_scene.ts";

interface WeakUpstream {
  readonly url: string;
  /** Stops it and starts it anew at the same address: it has forgotten clients and tokens. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

async function startWeakUpstream(): Promise<WeakUpstream> {
  const env = { MCP_PORT: String(freePort()), MCP_AUTH_PORT: String(freePort()) };
  const program = new URL("../support/weak_upstream_child.ts", import.meta.url).href;
  const start = async () => {
    const child = new TestChild({ args: ["run", "--no-prompt", "-A", program, "--oauth"], env });
    for (const port of Object.values(env)) {
      await child.waitForLine((line) => line.includes(`listening on port ${port}`) || undefined);
    }
    return child;
  };
  let child = await start();
  return {
    url: `http://localhost:${env.MCP_PORT}/mcp`,
    async restart() {
      await child.stop({ signal: "SIGKILL" });
      child = await start();
    },
    async stop() {
      await child.stop({ signal: "SIGKILL" });
    },
  };
}

interface Scene {
  readonly upstream: WeakUpstream;
  readonly gateway: Harness;
  readonly clock: FakeClock;
  readonly alice: SceneUser;
}

async function onStage(act: (scene: Scene) => Promise<void>): Promise<void> {
  const upstream = await startWeakUpstream();
  const clock = new FakeClock();
  try {
    await using gateway = await startHarness({
      clock,
      gatewayOptions: { gateway: { accessTokenTtlSeconds: 86_400 } },
      config: () => ({
        routes: [mcpProxy("/alpha", {
          operationId: "alpha",
          upstream: upstream.url,
          policies: [tokenExchange({ id: "weak", displayName: "Weak" })],
        })],
      }),
    });
    const browser = browserOf(gateway);
    const token = await signInAndConnect(
      { gateway, client: await registerClient(gateway) },
      browser,
      "alice",
    );
    await act({ upstream, gateway, clock, alice: { browser, token } });
  } finally {
    await upstream.stop();
  }
}

/** A client with a session of its own, that declares what it can. */
async function connect(
  { gateway, alice }: Scene,
  capabilities: ConstructorParameters<typeof ClientV1>[1],
): Promise<ClientV1> {
  const client = new ClientV1({ name: "sdk-v1", version: "1.0.0" }, capabilities);
  const transport = new TransportV1(new URL(`${gateway.origin}/alpha`), {
    fetch: (url: string | URL, init?: RequestInit) => gateway.fetch(url, init),
    requestInit: { headers: { authorization: `Bearer ${alice.token}` } },
  });
  // Its own Transport type does not allow for exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<ClientV1["connect"]>[0]);
  return client;
}

const greet = { name: "greet", arguments: { name: "Ada" } };
const greeting = [{ type: "text", text: "Hello, Ada!" }];

async function linkOf(client: ClientV1): Promise<string> {
  let link = "";
  await assert.rejects(client.callTool(greet), (error) => {
    assert.ok(error instanceof UrlElicitationRequiredError, String(error));
    assert.match(error.elicitations[0]?.message ?? "", /^Weak needs your permission again/);
    link = error.elicitations[0]?.url ?? "";
    return true;
  });
  return link;
}

const follow = async ({ alice }: Scene, url: string) => {
  const page = await alice.browser.submit(await alice.browser.get(url), { decision: "connect" });
  assert.equal(page.url.pathname, "/account", page.html);
};

Deno.test("the SDK's weak OAuth example: connects, and when its token has expired, asks to reconnect in the client's dialect (UP-04, UP-14, UP-18, EL-01)", () =>
  onStage(async (scene) => {
    const { gateway, clock } = scene;
    const [entry] = await Array.fromAsync(gateway.services.store.list(connections));
    assert.equal(entry?.value.refreshToken, null);
    assert.equal(entry?.value.server.sendsIss, false);
    assert.match(entry?.value.server.issuer ?? "", /\/$/);
    const asks = await connect(scene, { capabilities: { elicitation: { url: {} } } });
    const asksNot = await connect(scene, { capabilities: {} });
    try {
      for (const client of [asks, asksNot]) {
        assert.deepEqual((await client.callTool(greet)).content, greeting);
      }
      clock.advance({ seconds: 3590 });
      assert.deepEqual((await asks.callTool(greet)).content, greeting, "while the token lives it is used");
      clock.advance({ seconds: 11 });

      const link = await linkOf(asks);
      const told = await asksNot.callTool(greet);
      assert.equal(told.isError, true);
      assert.ok(JSON.stringify(told.content).includes(link), JSON.stringify(told.content));
      const modern = modernMessage("tools/call", greet, { capabilities: { elicitation: { url: {} } } });
      const { body } = await call(scene, scene.alice, modern);
      assert.equal(body.result?.resultType, "input_required");
      const raw = await call(scene, scene.alice);
      assert.equal(raw.body.error?.data?.state, "reconsent_required");

      await follow(scene, link);
      // The same sessions go on.
      for (const client of [asks, asksNot]) {
        assert.deepEqual((await client.callTool(greet)).content, greeting);
      }
    } finally {
      await asks.close();
      await asksNot.close();
    }
  }));

Deno.test("the SDK's weak OAuth example is restarted: it knows neither the token nor our registration any more, and the user connects anew (UP-09)", () =>
  onStage(async (scene) => {
    await scene.upstream.restart();
    // It has no better word for a token that it does not know.
    assert.equal((await call(scene, scene.alice)).status, 500);
    scene.clock.advance({ seconds: 3601 });
    const { body } = await call(scene, scene.alice);
    assert.equal(body.error?.data?.state, "reconsent_required");
    await follow(scene, body.error?.data?.authUrl ?? "");
    const client = await connect(scene, { capabilities: {} });
    assert.deepEqual((await client.callTool(greet)).content, greeting);
    await client.close();
  }));
