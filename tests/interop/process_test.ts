/** The gateway as a process: how it ends, what it keeps, and when it refuses to start. */
import assert from "node:assert/strict";
import { close, connectV1, connectV2 } from "../support/clients.ts";
import { freePort, TestChild } from "../support/child_process.ts";
import { startEverything } from "../support/everything.ts";
import { startGateway } from "../support/gateway_process.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";

const configuration = (upstream: URL) => `
  import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
  export default defineGateway({
    oauth: mcpDevOAuth(),
    routes: [mcpProxy("/mcp/everything", { operationId: "everything", upstream: "${upstream}" })],
  });`;

/**
 * An authorized session's own stream, and a call that would run for half a minute. With `fetch`, since the SDKs would
 * try to reconnect.
 */
async function openStreams(
  url: URL,
): Promise<{ readonly streams: readonly [Response, Response]; readonly oauth: HeadlessOAuthProvider }> {
  const oauth = new HeadlessOAuthProvider();
  await close(await connectV1(url, { oauth }));
  const headers: Record<string, string> = {
    authorization: `Bearer ${oauth.tokens()?.access_token}`,
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2025-11-25",
  };
  const post = (message: Record<string, unknown>) =>
    fetch(url, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", ...message }) });
  const clientInfo = { name: "raw", version: "1.0.0" };
  const initialize = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  const initialized = await post({ id: 1, method: "initialize", params: initialize });
  await initialized.text();
  headers["mcp-session-id"] = initialized.headers.get("mcp-session-id") ?? "";
  await (await post({ method: "notifications/initialized" })).body?.cancel();
  const params = {
    name: "trigger-long-running-operation",
    arguments: { duration: 30, steps: 60 },
    _meta: { progressToken: 1 },
  };
  const streams: [Response, Response] = [
    await fetch(url, { headers }),
    await post({ id: 2, method: "tools/call", params }),
  ];
  for (const { status } of streams) assert.equal(status, 200);
  return { streams, oauth };
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`The gateway ends soon after ${signal}, whatever streams are open`, async () => {
    const upstream = await startEverything();
    const gateway = await startGateway({ config: configuration(upstream.url) });
    const url = new URL("/mcp/everything", gateway.origin);
    try {
      const { streams } = await openStreams(url);
      const started = performance.now();
      const status = await gateway.child.stop({ signal, timeoutMs: 5000 });
      const took = performance.now() - started;
      assert.equal(status.code, 0);
      assert.ok(took < 2000, `${took} ms`);
      for (const stream of streams) await stream.text().catch(() => "cut off");
    } finally {
      await gateway.stop();
      await upstream.stop();
    }
  });
}

Deno.test("Open streams end when their token expires, and when its grant is revoked (RS-14)", async () => {
  const upstream = await startEverything();
  const brief = configuration(upstream.url).replace(
    "mcpDevOAuth()",
    "mcpDevOAuth({ gateway: { accessTokenTtlSeconds: 3 } })",
  );
  try {
    for (const revoke of [false, true]) {
      const gateway = await startGateway({ config: revoke ? configuration(upstream.url) : brief });
      try {
        const { streams, oauth } = await openStreams(new URL("/mcp/everything", gateway.origin));
        let ended = false;
        const texts = streams.map((stream) => stream.text().catch(() => "cut off"));
        const end = Promise.all(texts).then(() => ended = true);
        if (revoke) {
          const body = new URLSearchParams({
            token: oauth.tokens()?.refresh_token ?? "",
            client_id: oauth.clientInformation()?.client_id ?? "",
          });
          const revoked = await fetch(`${gateway.origin}/oauth/revoke`, { method: "POST", body });
          await revoked.body?.cancel();
          assert.equal(revoked.status, 200);
        }
        let timer: ReturnType<typeof setTimeout> | undefined;
        await Promise.race([end, new Promise((resolve) => timer = setTimeout(resolve, 5000))]);
        clearTimeout(timer);
        const inTime = ended;
        await gateway.child.stop({ signal: "SIGKILL" });
        await end;
        assert.ok(inTime, revoke ? "alive 5 s after revocation" : "alive 2 s after expiry");
      } finally {
        await gateway.stop();
      }
    }
  } finally {
    await upstream.stop();
  }
});

Deno.test("Tokens outlive a restart of the gateway, and the upstream session with them", async () => {
  const upstream = await startEverything();
  const folder = await Deno.makeTempDir({ prefix: "sallyport-restart-" });
  const port = freePort();
  const start = () => startGateway({ config: configuration(upstream.url), folder, port });
  const oauth = new HeadlessOAuthProvider();
  const first = await start();
  const url = new URL("/mcp/everything", first.origin);
  const connection = await connectV1(url, { oauth });
  await first.stop();
  const second = await start();
  try {
    assert.equal((await connection.client.listTools()).tools.length > 0, true);
    const again = await connectV2(url, { oauth });
    await close(again);
    assert.equal(oauth.authorizationUrls.length, 1, "the user was asked again");
  } finally {
    await close(connection);
    await second.stop();
    await upstream.stop();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("In production the gateway names everything that is missing, and does not start", async () => {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-production-" });
  const main = new URL("../../main.ts", import.meta.url).href;
  const port = freePort();
  const child = new TestChild({
    args: ["run", "--no-prompt", "-A", main],
    cwd: folder,
    env: {
      GATEWAY_CONFIG: new URL("../../gateway.config.ts", import.meta.url).href,
      GATEWAY_KV: ":memory:",
      GATEWAY_PORT: String(port),
    },
  });
  try {
    assert.equal((await child.status).code, 1);
    const printed = child.lines.join("\n");
    for (const missing of ["LOGTO_ENDPOINT", "LOGTO_CLIENT_ID", "DEMO_UPSTREAM_URL", "GATEWAY_PUBLIC_URL"]) {
      assert.ok(printed.includes(missing), `${missing} is not named in:\n${printed}`);
    }
    assert.ok(printed.includes("GATEWAY_ENCRYPTION_KEYS"), printed);
    assert.doesNotMatch(printed, /^\s+at .*:\d+:\d+/m, "a stack trace");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
