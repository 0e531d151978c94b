/** The official SDKs are told that the user has to act, and take it as their specification says. */
import assert from "node:assert/strict";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { UrlElicitationRequiredError } from "@modelcontextprotocol/sdk/types.js";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { type SceneUser, signedIn, type UpstreamScene, upstreamScene } from "../support/upstream_scene.ts";

function transportOptions({ gateway }: UpstreamScene, { token }: SceneUser) {
  return {
    fetch: (url: string | URL, init?: RequestInit) => gateway.fetch(url, init),
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  };
}

Deno.test("SDK v1 raises its URL elicitation error, with the link in it (EL-01, EL-11)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const client = new ClientV1({ name: "sdk-v1", version: "1.0.0" }, {
    capabilities: { elicitation: { url: {} } },
  });
  const transport = new TransportV1(
    new URL(`${scene.gateway.origin}/alpha`),
    transportOptions(scene, alice),
  );
  // Its own Transport type does not allow for exactOptionalPropertyTypes.
  const connecting = client.connect(transport as Parameters<ClientV1["connect"]>[0]);
  await assert.rejects(connecting, (error) => {
    assert.ok(error instanceof UrlElicitationRequiredError);
    assert.equal(error.elicitations.length, 1);
    assert.match(error.elicitations[0]?.url ?? "", /\/auth\/connections\/acme\/connect\?pending=/);
    return true;
  });
  await client.close();
});

Deno.test("SDK v2, pinned to 2026-07-28, completes the input_required round trip by itself (EL-02, EL-03)", async () => {
  await using scene = await upstreamScene();
  const { upstream } = scene;
  upstream.script.mcp = ({ body, account }) => {
    const { id, method } = JSON.parse(body);
    const result = method === "server/discover"
      ? {
        supportedVersions: ["2026-07-28"],
        capabilities: { tools: {} },
        serverInfo: { name: "u", version: "1" },
        ttlMs: 0,
        cacheScope: "private",
      }
      : { content: [{ type: "text", text: account }] };
    return Response.json({ jsonrpc: "2.0", id, result: { resultType: "complete", ...result } });
  };
  const alice = await signedIn(scene);
  const client = new Client({ name: "sdk-v2", version: "2.0.0" }, {
    capabilities: { elicitation: { url: {} } },
    versionNegotiation: { mode: { pin: "2026-07-28" } },
  });
  const asked: string[] = [];
  client.setRequestHandler("elicitation/create", async ({ params }) => {
    assert.ok("url" in params && typeof params.url === "string");
    asked.push(params.url);
    await alice.browser.submit(await alice.browser.get(params.url), { decision: "connect" });
    return { action: "accept" as const };
  });
  await client.connect(
    new StreamableHTTPClientTransport(
      new URL(`${scene.gateway.origin}/alpha`),
      transportOptions(scene, alice),
    ),
  );
  try {
    const { content } = await client.callTool({ name: "echo", arguments: {} });
    assert.deepEqual(content, [{ type: "text", text: "account" }]);
    assert.equal(asked.length, 1);
  } finally {
    await client.close();
  }
});
