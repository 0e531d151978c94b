/** `main.ts` as a process: how it ends under open streams, and that it refuses to start in one clear message. */
import assert from "node:assert/strict";
import { createKeyRingEntry } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import { freePort, isListening, TestChild } from "../support/child_process.ts";
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";
import { HeadlessBrowser } from "../support/browser.ts";
import { type Askable, callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";

const main = new URL("../../main.ts", import.meta.url).pathname;
const denoConfig = new URL("../../deno.json", import.meta.url).pathname;
const KEYS = createKeyRingEntry("k1", systemRandom);

const oauth = `mcpOAuth({
  oidc: { issuer: "https://idp.test", jwksUrl: "https://idp.test/jwks" },
  browserLogin: {
    url: "https://idp.test/authorize", tokenUrl: "https://idp.test/token",
    clientId: "sallyport", clientSecret: env("IDP_SECRET"),
  },
})`;

function configuration(
  options: { readonly oauth?: string; readonly routes: string; readonly more?: string },
): string {
  return `
    import { defineGateway, env, mcpDevOAuth, mcpOAuth, mcpProxy } from "@sallyport/gateway";
    export default defineGateway({
      oauth: ${options.oauth ?? "mcpDevOAuth()"},
      routes: [${options.routes}],
      ${options.more ?? ""}
    });`;
}

const route = (upstream: string) => `mcpProxy("/alpha", { operationId: "alpha", upstream: "${upstream}" })`;

Deno.test("SIGTERM with open streams ends the process within 5 seconds, and ends the streams (TR-17)", async () => {
  await using upstream = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(": open\n\n")),
      }),
      { headers: { "content-type": "text/event-stream" } },
    ));
  const gateway = await startGateway({
    config: configuration({ routes: route(`http://127.0.0.1:${upstream.addr.port}/mcp`) }),
  });
  let status: Deno.CommandStatus | undefined;
  const startedAt = { stop: 0, end: 0 };
  try {
    const ask = askable(gateway);
    const tokens = await obtainTokens(ask, await registerClient(ask));
    const streams = await Promise.all([1, 2, 3].map(async () => {
      const response = await fetch(`${gateway.origin}/alpha`, {
        headers: { authorization: `Bearer ${tokens.access_token}`, accept: "text/event-stream" },
      });
      const reader = response.body?.getReader();
      await reader?.read();
      return reader;
    }));
    startedAt.stop = performance.now();
    const ended = streams.map(async (reader) => {
      try {
        while (!(await reader?.read())?.done);
      } catch {
        // Cut: that is an end, too.
      }
    });
    status = await gateway.stop();
    startedAt.end = performance.now();
    await Promise.all(ended);
  } finally {
    if (status === undefined) gateway.child.kill("SIGKILL");
  }
  assert.equal(status.code, 0);
  assert.ok(startedAt.end - startedAt.stop < 5000);
});

Deno.test("a promise that a configured function forgets, and that fails, ends no process and tells no secret", async () => {
  const rule = `() => {
    Promise.reject(new TypeError("canary-of-the-rule"));
    return { tools: [] };
  }`;
  const gateway = await startGateway({
    config: `
      import { capabilityFilter, defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
      export default defineGateway({
        oauth: mcpDevOAuth(),
        routes: [mcpProxy("/alpha", {
          operationId: "alpha",
          upstream: "http://127.0.0.1:9/mcp",
          policies: [capabilityFilter({ accessControl: ${rule} })],
        })],
      });`,
  });
  try {
    const ask = askable(gateway);
    const { access_token } = await obtainTokens(ask, await registerClient(ask));
    const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "x" } };
    for (let again = 0; again < 3; again++) {
      const answer = await callMcp(ask, "/alpha", access_token, { message });
      assert.equal((await answer.json()).error.code, -32601);
    }
    const { reasonCode, errorName } = await gateway.waitForEvent("gateway_fault");
    assert.deepEqual([reasonCode, errorName], ["unhandled_rejection", "TypeError"]);
    assert.ok(!gateway.child.lines.join("\n").includes("canary-of-the-rule"));
  } finally {
    await gateway.stop();
  }
});

Deno.test("what keeps the gateway from starting is one clear message, exit code 1, and no open port", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const upstream = "http://127.0.0.1:1/mcp";
  const production = { IDP_SECRET: "canary-of-the-idp", GATEWAY_ENCRYPTION_KEYS: KEYS };
  const valid = configuration({
    oauth,
    routes: route("https://upstream.test/mcp"),
    more: 'publicUrl: "https://gw.test",',
  });
  const cases: readonly Refusal[] = [
    {
      what: "port in use",
      config: configuration({ routes: route(upstream) }),
      dev: true,
      env: { GATEWAY_PORT: String(taken.addr.port) },
      says: /port is taken.*GATEWAY_PORT/,
    },
    {
      what: "unreadable KV file",
      config: configuration({ routes: route(upstream) }),
      dev: true,
      kv: "this is no database, however long one looks at it ".repeat(200),
      says: /GATEWAY_KV.*cannot be opened/,
    },
    {
      what: "short key",
      config: valid,
      env: { ...production, GATEWAY_ENCRYPTION_KEYS: "k1:c2hvcnQtY2FuYXJ5" },
      says: /k1|[Kk]ey/,
      hides: "c2hvcnQtY2FuYXJ5",
    },
    { what: "no key", config: valid, env: { IDP_SECRET: "canary" }, says: /GATEWAY_ENCRYPTION_KEYS/ },
    {
      what: "missing variable",
      config: valid,
      env: { GATEWAY_ENCRYPTION_KEYS: KEYS },
      says: /oauth\.browserLogin\.clientSecret[\s\S]*IDP_SECRET/,
    },
    {
      what: "empty variable",
      config: valid,
      env: { ...production, IDP_SECRET: "" },
      says: /IDP_SECRET/,
    },
    {
      what: "unknown option",
      config: configuration({ routes: route(upstream), more: "retries: 3," }),
      dev: true,
      says: /retries/,
    },
    {
      what: "two routes with one path",
      config: configuration({
        routes: `${route(upstream)}, mcpProxy("/alpha", { operationId: "beta", upstream: "${upstream}" })`,
      }),
      dev: true,
      says: /routes\[1\][\s\S]*\/alpha/,
    },
    {
      what: "no public URL",
      config: configuration({ oauth, routes: route("https://upstream.test/mcp") }),
      env: production,
      says: /publicUrl|GATEWAY_PUBLIC_URL/,
    },
    {
      what: "local login on a public origin",
      config: configuration({
        routes: route("https://upstream.test/mcp"),
        more: 'publicUrl: "https://gw.test",',
      }),
      env: production,
      says: /mcpDevOAuth|loopback/,
    },
    {
      what: "no configuration",
      config: null,
      dev: true,
      says: /gateway\.config\.ts[\s\S]*no such file/i,
    },
  ];
  for (const refusal of cases) await assertRefuses(refusal, taken.addr.port);
});

Deno.test("all faults are told at once, each with its place", async () => {
  const upstream = "ftp://upstream.test/mcp";
  await assertRefuses({
    what: "four faults",
    config: configuration({
      routes: `${route(upstream)}, mcpProxy("beta", { operationId: "alpha", upstream: "x" })`,
    }),
    env: { GATEWAY_PORT: "99999", GATEWAY_LOG: "loud" },
    says:
      /^(?=[\s\S]*GATEWAY_PORT)(?=[\s\S]*GATEWAY_LOG)(?=[\s\S]*routes\[0\]\.upstream)(?=[\s\S]*routes\[1\])/,
  }, 0);
});

Deno.test({
  name: "key files and the store are for their owner alone",
  ignore: Deno.build.os === "windows",
  async fn() {
    const gateway = await startGateway({
      config: configuration({ routes: route("http://127.0.0.1:1/mcp") }),
    });
    try {
      const found: string[] = [];
      for await (const { name } of Deno.readDir(gateway.folder)) {
        if (!/^gateway\.k/.test(name)) continue;
        found.push(name);
        const { mode } = await Deno.stat(`${gateway.folder}/${name}`);
        assert.equal((mode ?? 0) & 0o077, 0, `${name}: ${mode?.toString(8)}`);
      }
      assert.ok(found.includes("gateway.keys") && found.includes("gateway.kv"), String(found));
    } finally {
      await gateway.stop();
    }
  },
});

interface Refusal {
  readonly what: string;
  /** `null`: there is no such file. */
  readonly config: string | null;
  readonly dev?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Content of the store's file. */
  readonly kv?: string;
  readonly says: RegExp;
  /** What must not be printed. */
  readonly hides?: string;
}

async function assertRefuses(refusal: Refusal, takenPort: number): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-refusal-" });
  const port = freePort();
  try {
    if (refusal.config !== null) await Deno.writeTextFile(`${folder}/gateway.config.ts`, refusal.config);
    if (refusal.kv !== undefined) await Deno.writeTextFile(`${folder}/gateway.kv`, refusal.kv);
    const child = new TestChild({
      args: ["run", "--no-prompt", "-A", "--config", denoConfig, main, ...refusal.dev ? ["--dev"] : []],
      cwd: folder,
      env: {
        GATEWAY_CONFIG: `${folder}/gateway.config.ts`,
        GATEWAY_PORT: String(port),
        GATEWAY_KV: `${folder}/gateway.kv`,
        ...refusal.env,
      },
    });
    let listened = false;
    const ended = child.status;
    let running = true;
    void ended.then(() => running = false);
    while (running) {
      listened ||= await isListening(port);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { code } = await ended;
    const output = child.lines.join("\n");
    assert.equal(code, 1, `${refusal.what}: ${output}`);
    assert.match(output, refusal.says, refusal.what);
    assert.doesNotMatch(output, /^\s+at .+:\d+:\d+/m, `${refusal.what}: a stack trace`);
    assert.doesNotMatch(output, /canary|Uncaught/, refusal.what);
    if (refusal.hides !== undefined) assert.ok(!output.includes(refusal.hides), refusal.what);
    assert.ok(!listened || port === takenPort, `${refusal.what}: the port was open`);
    assert.ok(child.lines.length <= 50, `${refusal.what}: ${child.lines.length} lines`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function askable(gateway: GatewayProcess): Askable {
  return {
    origin: gateway.origin,
    fetch: (url, init) => fetch(new URL(url, gateway.origin), { ...init, redirect: "manual" }),
    browser: () => new HeadlessBrowser(),
  };
}
