/** Three minutes of twenty clients that do everything, with access tokens of fifteen seconds and the default quotas: nobody notices anything. */
import assert from "node:assert/strict";
import type { HeadlessBrowser } from "../support/browser.ts";
import { askableProcess, startGateway } from "../support/gateway_process.ts";
import {
  type Askable,
  callMcp,
  obtainTokens,
  postForm,
  refresh,
  registerClient,
  type TestClient,
  type TestTokens,
} from "../support/oauth_flow.ts";
import { snapshot, snapshotRows } from "./flood.ts";
import { Latencies, pause, printTable, residentMiB } from "./measures.ts";

const MINUTES = 3;
const CLIENTS = 20;
const TOKEN_SECONDS = 15;
const USERS = Array.from({ length: 5 }, (_, index) => `user-${index}`);

const config = (upstream: string) => `
import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
export default defineGateway({
  oauth: mcpDevOAuth({
    users: ${JSON.stringify(USERS)},
    gateway: { accessTokenTtlSeconds: ${TOKEN_SECONDS} },
  }),
  routes: [mcpProxy("/alpha", { operationId: "alpha", upstream: "${upstream}" })],
});
`;

/** Answers messages, and GET with a stream that ticks. */
function startUpstream(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.method === "GET") return ticking();
    const { id } = await request.json();
    return Response.json({
      jsonrpc: "2.0",
      id,
      result: { content: [{ type: "text", text: "x".repeat(500) }] },
    });
  });
}

function ticking(): Response {
  let timer: ReturnType<typeof setInterval> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const tick = () => controller.enqueue(new TextEncoder().encode("data: tick\n\n"));
      tick();
      timer = setInterval(tick, 500);
    },
    cancel: () => clearInterval(timer),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** What all clients did, and what went wrong. */
class Diary {
  readonly acts = new Map<string, Latencies>();
  readonly failures: string[] = [];

  async note<Result>(act: string, run: () => Promise<Result>): Promise<Result> {
    const latencies = this.acts.get(act) ?? new Latencies();
    this.acts.set(act, latencies);
    try {
      return await latencies.time(run);
    } catch (error) {
      this.failures.push(`${act}: ${String(error).slice(0, 300)}`);
      throw error;
    }
  }
}

/** A client that refreshes ahead of time, or (`lazy`) only when it is told 401. */
class BusyClient {
  readonly #gateway: Askable;
  readonly #diary: Diary;
  readonly #lazy: boolean;
  readonly #user: string;
  readonly #browser: HeadlessBrowser;
  #client: TestClient | null = null;
  #tokens: TestTokens | null = null;
  #until = 0;

  constructor(gateway: Askable, diary: Diary, number: number) {
    this.#gateway = gateway;
    this.#diary = diary;
    this.#lazy = number % 2 === 0;
    this.#user = USERS[number % USERS.length] ?? "";
    this.#browser = gateway.browser();
  }

  async work(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      try {
        await this.#turn(Math.random());
      } catch {
        // It is in the diary; the client begins anew, as its user would.
        this.#tokens = null;
      }
      await pause(50 + Math.random() * 100);
    }
  }

  async #turn(dice: number): Promise<void> {
    if (this.#client === null || dice < 0.001) await this.#connectAnew();
    else if (this.#tokens === null) await this.#signIn(this.#client);
    else if (dice < 0.005) await this.#revoke(this.#client, this.#tokens);
    else if (dice < 0.02) await this.#follow(this.#tokens);
    else if (dice < 0.03) await this.#lookAround();
    else await this.#call();
  }

  async #connectAnew(): Promise<void> {
    this.#client = await this.#diary.note(
      "register",
      () => registerClient(this.#gateway, { client_name: `Client ${crypto.randomUUID()}` }),
    );
    await this.#signIn(this.#client);
  }

  async #signIn(client: TestClient): Promise<void> {
    const options = { browser: this.#browser, user: this.#user };
    this.#keep(await this.#diary.note("sign in", () => obtainTokens(this.#gateway, client, options)));
  }

  async #call(): Promise<void> {
    if (!this.#lazy && Date.now() > this.#until - 3_000) await this.#refresh();
    await this.#diary.note("call", async () => {
      let answer = await callMcp(this.#gateway, "/alpha", this.#tokens?.access_token ?? "");
      if (answer.status === 401) {
        await answer.body?.cancel();
        await this.#refresh();
        answer = await callMcp(this.#gateway, "/alpha", this.#tokens?.access_token ?? "");
      }
      const body = await answer.text();
      assert.equal(answer.status, 200, body);
    });
  }

  /** Now and then two at once, as a client with two windows does. */
  async #refresh(): Promise<void> {
    const { client, token } = { client: this.#client, token: this.#tokens?.refresh_token ?? "" };
    assert.ok(client);
    const windows = Math.random() < 0.3 ? 2 : 1;
    const answers = await this.#diary.note("refresh", () =>
      Promise.all(
        Array.from({ length: windows }, async () => {
          const answer = await refresh(this.#gateway, client, token);
          const body = await answer.json();
          assert.equal(answer.status, 200, JSON.stringify(body));
          return body;
        }),
      ));
    assert.equal(new Set(answers.map(({ refresh_token }) => refresh_token)).size, 1);
    this.#keep(answers[0]);
  }

  async #revoke(client: TestClient, tokens: TestTokens): Promise<void> {
    await this.#diary.note("revoke", async () => {
      const form = { token: tokens.refresh_token, client_id: client.clientId };
      const answer = await postForm(this.#gateway, "/oauth/revoke", form);
      await answer.body?.cancel();
      assert.equal(answer.status, 200);
      const call = await callMcp(this.#gateway, "/alpha", tokens.access_token);
      await call.body?.cancel();
      assert.equal(call.status, 401);
    });
    this.#tokens = null;
  }

  /** Follows a stream for a while; its token's expiry may cut it. */
  async #follow({ access_token: token }: TestTokens): Promise<void> {
    const reader = await this.#diary.note("open stream", async () => {
      const answer = await callMcp(this.#gateway, "/alpha", token, { method: "GET" });
      // A token may have expired between two turns.
      assert.ok(answer.status === 200 || answer.status === 401, String(answer.status));
      const opened = answer.status === 200 ? answer.body?.getReader() : undefined;
      if (opened === undefined) await answer.body?.cancel();
      await opened?.read();
      return opened;
    });
    const until = Date.now() + 5_000;
    try {
      while (reader !== undefined && Date.now() < until && !(await reader.read()).done);
    } catch {
      // Cut.
    }
    await reader?.cancel().catch(() => {});
  }

  async #lookAround(): Promise<void> {
    for (const path of ["/", "/account", "/.well-known/oauth-authorization-server", "/healthz"]) {
      const page = await this.#diary.note(
        "page",
        () => this.#browser.get(new URL(path, this.#gateway.origin)),
      );
      if (page.status !== 200) this.#diary.failures.push(`${path}: ${page.status}`);
    }
  }

  #keep(tokens: TestTokens): void {
    this.#tokens = tokens;
    this.#until = Date.now() + TOKEN_SECONDS * 1000;
  }
}

Deno.test(`twenty clients doing everything for three minutes meet no failure, and memory stays flat (B17 259)`, async () => {
  await using upstream = startUpstream();
  const gateway = await startGateway({
    config: config(`http://127.0.0.1:${upstream.addr.port}/mcp`),
    env: { GATEWAY_LOG: "error" },
  });
  using ask = askableProcess(gateway);
  const diary = new Diary();
  const until = Date.now() + MINUTES * 60_000;
  const isOver = () => Date.now() > until;
  const resident: number[] = [];
  try {
    const clients = Array.from({ length: CLIENTS }, (_, number) => new BusyClient(ask, diary, number));
    const working = clients.map((client) => client.work(isOver));
    while (!isOver()) {
      await pause(5_000);
      resident.push(await residentMiB(gateway.child.pid) ?? 0);
    }
    await Promise.all(working);
    const third = Math.floor(resident.length / 3);
    const [second, last] = [
      Math.max(...resident.slice(third, 2 * third)),
      Math.max(...resident.slice(2 * third)),
    ];
    await printTable(`${CLIENTS} clients, ${MINUTES} minutes`, [
      ["act", "times", "p50 ms", "p99 ms"],
      ...[...diary.acts].map(([act, each]) => [act, each.count, each.percentile(0.5), each.percentile(0.99)]),
      ["failures", diary.failures.length, "", ""],
    ]);
    await printTable("Resident MiB", [["every 30 s"], [
      resident.filter((_, n) => n % 6 === 5).map(Math.round).join(" "),
    ]]);
    await printTable("Store and process", snapshotRows([await snapshot(gateway, "at the end")]));
    assert.deepEqual(diary.failures, []);
    assert.ok(last <= second * 1.15 + 10, `resident: ${second} MiB, then ${last} MiB`);
  } finally {
    await gateway.stop();
  }
});
