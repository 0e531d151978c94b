/** Streams by the thousand, answers nobody waits for, and a log that nobody reads: nothing piles up in the process. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/child_process.ts";
import { askableProcess, type GatewayProcess, isHealthy, startGateway } from "../support/gateway_process.ts";
import { type Askable, callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { flood } from "./flood.ts";
import { Latencies, openFiles, pause, printTable, residentMiB, rounded } from "./measures.ts";

const STREAMS = 1_000;
/** A heap that has just been started grows for some ten turns, and then no more. */
const TURNS = 24;
const USERS = Array.from({ length: 10 }, (_, index) => `user-${index}`);
const LEAVERS = 3_000;
/** More than the 8 MiB of log lines that are kept for a reader. */
const UNREAD_REQUESTS = 60_000;

const config = (upstream: string) => `
import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
export default defineGateway({
  oauth: mcpDevOAuth({ users: ${JSON.stringify(USERS)} }),
  limits: { tokenRequestsPerMinute: 1000000 },
  routes: [mcpProxy("/alpha", { operationId: "alpha", upstream: "${upstream}" })],
});
`;

/** An upstream whose streams stay open until they are cancelled. */
function startStreams() {
  const open = new Set<unknown>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    const mine = {};
    open.add(mine);
    return new Response(
      new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode(": open\n\n")),
        cancel: () => void open.delete(mine),
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  });
  return { open, server, url: `http://127.0.0.1:${server.addr.port}/mcp` };
}

async function until(condition: () => boolean | Promise<boolean>, what: string, seconds = 20): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!await condition()) {
    assert.ok(performance.now() < deadline, `${what}: not within ${seconds} s`);
    await pause(50);
  }
}

Deno.test("1,000 streams opened and closed two dozen times leave no file, no room taken and no memory (F26)", async () => {
  const upstream = startStreams();
  const gateway = await startGateway({ config: config(upstream.url), env: { GATEWAY_LOG: "error" } });
  const figures: string[][] = [["", "open files", "resident MiB", "seconds"]];
  const files: number[] = [];
  const resident: number[] = [];
  const look = async (when: string, seconds: number) => {
    const [count, size] = [await openFiles(gateway.child.pid), await residentMiB(gateway.child.pid)];
    figures.push([when, rounded(count), rounded(size), seconds.toFixed(1)]);
    return { count: count ?? 0, size: size ?? 0 };
  };
  try {
    using ask = askableProcess(gateway);
    const tokens = await signInEverybody(ask);
    await look("before", 0);
    for (let turn = 1; turn <= TURNS; turn++) {
      const startedAt = performance.now();
      // Connections of its own: what is left afterwards is the gateway's fault.
      const streams = askableProcess(gateway);
      const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
      for (let batch = 0; batch < STREAMS; batch += 50) {
        readers.push(
          ...await Promise.all(Array.from({ length: 50 }, async (_, index) => {
            const answer = await callMcp(streams, "/alpha", tokens[(batch + index) % tokens.length] ?? "", {
              method: "GET",
            });
            assert.equal(answer.status, 200);
            const reader = answer.body!.getReader();
            await reader.read();
            return reader;
          })),
        );
      }
      assert.equal(upstream.open.size, STREAMS);
      await look(`turn ${turn}: ${STREAMS} open`, (performance.now() - startedAt) / 1000);
      for (const reader of readers) await reader.cancel().catch(() => {});
      streams[Symbol.dispose]();
      await until(() => upstream.open.size === 0, "the upstream's streams");
      await until(async () => (await openFiles(gateway.child.pid) ?? 0) < 100, "the gateway's sockets");
      await pause(100);
      const { count, size } = await look(`turn ${turn}: all closed`, (performance.now() - startedAt) / 1000);
      files.push(count);
      resident.push(size);
    }
    await printTable(
      `${STREAMS} streams, ${TURNS} times`,
      figures.filter((_, index) => index < 5 || index % 8 === 1),
    );
    assert.ok((files.at(-1) ?? 0) <= (files[0] ?? 0) + 5, `files: ${files}`);
    const third = TURNS / 3;
    const [second, last] = [
      Math.max(...resident.slice(third, 2 * third)),
      Math.min(...resident.slice(2 * third)),
    ];
    assert.ok(last <= second * 1.15, `resident: ${resident.map(Math.round)}`);
  } finally {
    await gateway.stop();
    await upstream.server.shutdown();
  }
});

Deno.test("3,000 clients that leave amid a token answer leave nothing behind (F26)", async () => {
  const upstream = startStreams();
  const gateway = await startGateway({ config: config(upstream.url), env: { GATEWAY_LOG: "error" } });
  try {
    using ask = askableProcess(gateway);
    const before = { files: await openFiles(gateway.child.pid), size: await residentMiB(gateway.child.pid) };
    for (let count = 0; count < LEAVERS; count += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, index) => leaveAmid(gateway, (count + index) % 600)));
    }
    await until(async () => (await openFiles(gateway.child.pid) ?? 0) < 60, "the gateway's sockets");
    const after = { files: await openFiles(gateway.child.pid), size: await residentMiB(gateway.child.pid) };
    await obtainTokens(ask, await registerClient(ask), { user: USERS[0] ?? "" });
    await printTable(`${LEAVERS} clients that left`, [
      ["", "open files", "resident MiB"],
      ["before", rounded(before.files), rounded(before.size)],
      ["after", rounded(after.files), rounded(after.size)],
    ]);
    assert.ok((after.files ?? 0) <= (before.files ?? 0) + 5);
    assert.ok((after.size ?? 0) <= (before.size ?? 0) + 60);
  } finally {
    await gateway.stop();
    await upstream.server.shutdown();
  }
});

Deno.test("60,000 requests whose log lines nobody reads: memory is bounded, answers come, and the loss is told (F32)", async () => {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-unread-" });
  await Deno.writeTextFile(`${folder}/gateway.config.ts`, config("http://127.0.0.1:9/mcp"));
  const origin = `http://127.0.0.1:${freePort()}`;
  const file = (path: string) => fileURLToPath(import.meta.resolve(`../../${path}`));
  const gateway = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "--config", file("deno.json"), file("main.ts"), "--dev"],
    cwd: folder,
    env: {
      GATEWAY_CONFIG: `${folder}/gateway.config.ts`,
      GATEWAY_KV: `${folder}/gateway.kv`,
      GATEWAY_PORT: new URL(origin).port,
      GATEWAY_LOG: "debug",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    await until(() => isHealthy(origin), "health");
    const latencies = new Latencies();
    const figures: string[][] = [["requests", "resident MiB", "p99 ms"]];
    const resident: number[] = [];
    {
      using ask = askableProcess({ origin });
      for (let turn = 1; turn <= 3; turn++) {
        const { statuses } = await flood(
          UNREAD_REQUESTS / 3,
          () => latencies.time(() => ask.fetch("/alpha", { headers: { authorization: "Bearer nobody's" } })),
        );
        assert.deepEqual(Object.keys(statuses), ["401"]);
        const size = await residentMiB(gateway.pid);
        resident.push(size ?? 0);
        figures.push([String(turn * UNREAD_REQUESTS / 3), rounded(size), String(latencies.percentile(0.99))]);
      }
    }
    let text = "";
    const read = (async () => {
      for await (const part of gateway.stdout.pipeThrough(new TextDecoderStream())) text += part;
    })();
    await until(() => text.includes('"log_lines_dropped"'), "the line that counts the loss");
    const dropped = /"event":"log_lines_dropped"[^\n]*"count":(\d+)/.exec(text)?.[1];
    await printTable("A log that nobody reads", [...figures, ["dropped lines", String(dropped), ""]]);
    gateway.kill("SIGTERM");
    await read;
    assert.ok((resident[2] ?? 0) <= (resident[1] ?? 0) + 40, `resident: ${resident}`);
  } finally {
    try {
      gateway.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await gateway.status;
    await Deno.remove(folder, { recursive: true });
  }
});

async function signInEverybody(ask: Askable): Promise<string[]> {
  const client = await registerClient(ask);
  const tokens: string[] = [];
  for (const user of USERS) tokens.push((await obtainTokens(ask, client, { user })).access_token);
  return tokens;
}

/** Asks for tokens and leaves after so many bytes of the answer. */
async function leaveAmid({ origin }: GatewayProcess, bytes: number): Promise<void> {
  const { hostname, port, host } = new URL(origin);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const body = "grant_type=refresh_token&client_id=nobody&refresh_token=nothing";
  const head =
    `POST /oauth/token HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
    `Content-Length: ${body.length}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head + body));
  if (bytes > 0) await connection.read(new Uint8Array(bytes));
  connection.close();
}
