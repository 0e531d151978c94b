/** A user who has to connect first: the client must not be led into an era that the upstream does not speak. */
import assert from "node:assert/strict";
import { modernMessage } from "../support/modern_message.ts";
import { freePort } from "../support/child_process.ts";
import { close } from "../support/clients.ts";
import { serveHarness } from "../support/raw_http.ts";
import { recordedClient } from "../support/recorded_client.ts";
import { call, connected, signedIn, type UpstreamScene, upstreamScene } from "../support/upstream_scene.ts";

const discover = modernMessage("server/discover");

/** Answers `server/discover` like this, and everything else as an older server does. */
function discoverable(scene: UpstreamScene, status: number, body: Record<string, unknown> = {}): void {
  scene.upstream.script.mcp = ({ body: text }) => {
    const { id, method } = JSON.parse(text);
    return method === "server/discover" ? Response.json({ jsonrpc: "2.0", id, ...body }, { status }) : null;
  };
}

Deno.test("what an upstream answers to discovery is what a user hears who has to connect first (TR-07, TR-15)", async () => {
  await using scene = await upstreamScene();
  const alice = await connected(scene);
  const bob = await signedIn(scene, "bob");
  const asBob = async () => {
    const { status, body } = await call(scene, bob, discover);
    return [status, body.error?.code ?? body.result?.supportedVersions];
  };
  const answered = [200, ["2026-07-28"]];
  assert.deepEqual(await asBob(), answered, "nobody knows yet");
  discoverable(scene, 400, { error: { code: -32000, message: "Server not initialized" } });
  await call(scene, alice, discover);
  assert.deepEqual(await asBob(), [404, -32601]);
  // Refusals that have other reasons teach nothing, and neither does a version that it may refuse for itself.
  discoverable(scene, 200, { result: {} });
  await call(scene, alice, discover);
  assert.deepEqual(await asBob(), answered);
  for (const status of [429, 408, 500, 503]) {
    discoverable(scene, status, {});
    await call(scene, alice, discover);
    assert.deepEqual(await asBob(), answered, `${status}`);
  }
  discoverable(scene, 400, { error: { code: -32022, message: "m" } });
  await call(scene, alice, modernMessage("server/discover", {}, { version: "2027-01-01" }));
  await call(scene, alice, modernMessage("tools/list"));
  assert.deepEqual(await asBob(), answered);
});

Deno.test("a client of both eras that has to connect at an older upstream falls back and gets the link there (TR-07, EL-01)", async () => {
  const port = freePort();
  const origin = `http://127.0.0.1:${port}`;
  await using scene = await upstreamScene({ harness: { origin } });
  await using _ = serveHarness(scene.gateway, port);
  const alice = await connected(scene);
  discoverable(scene, 400, { error: { code: -32000, message: "Server not initialized" } });
  const url = new URL("/alpha", origin);
  // She has connected; that her client asks teaches the gateway. What comes after is another test's business.
  const first = recordedClient({ v2: "auto" }, { url, token: alice.token });
  await first.connect().catch(() => {});
  await close(first.connection);
  const bob = await signedIn(scene, "bob");
  const second = recordedClient({ v2: "auto" }, { url, token: bob.token });
  await assert.rejects(second.connect(), /\/auth\/connections\/acme\/connect\?pending=/);
  await close(second.connection);
  assert.deepEqual(second.exchanges, ["POST server/discover 404 -32601", "POST initialize 200 -32042"]);
});

Deno.test("discovery that the gateway answers itself has all that a client wants, and the extension that is on (TR-15)", async () => {
  const trustedIssuers = [{ issuer: "https://idp.example", jwksUrl: "https://idp.example/jwks" }];
  for (const idJag of [null, { trustedIssuers }]) {
    await using scene = await upstreamScene({
      harness: { users: ["alice"], gatewayOptions: idJag === null ? {} : { idJag } },
    });
    const { body } = await call(scene, await signedIn(scene), discover);
    const { supportedVersions, capabilities, serverInfo, ttlMs, cacheScope, resultType } = body.result ?? {};
    assert.deepEqual({ supportedVersions, serverInfo, ttlMs, cacheScope, resultType }, {
      supportedVersions: ["2026-07-28"],
      serverInfo: { name: "Acme", version: "0" },
      ttlMs: 0,
      cacheScope: "private",
      resultType: "complete",
    });
    const extensions = { "io.modelcontextprotocol/enterprise-managed-authorization": {} };
    assert.deepEqual(capabilities, {
      tools: {},
      prompts: {},
      resources: {},
      ...(idJag === null ? {} : { extensions }),
    });
  }
});
