/** Floods from many addresses, and the honest clients that want to be served meanwhile. */
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";
import {
  type Askable,
  callMcp,
  obtainTokens,
  refresh,
  registerClient,
  type TestClient,
  type TestTokens,
} from "../support/oauth_flow.ts";
import { fileMiB, Latencies, openFiles, pause, residentMiB, type Stock, takeStock } from "./measures.ts";

/** How many requests a flood has under way. */
const FLOOD_WIDTH = 24;

/** What differs between the gateways under flood. */
export interface FloodedOptions {
  readonly limits: Readonly<Record<string, number>>;
  readonly stateTtlSeconds: number;
  readonly upstream: string;
}

/** A gateway behind a proxy, so that a flood may come from any address; who sends no header comes from loopback. */
export function startFloodedGateway(options: FloodedOptions): Promise<GatewayProcess> {
  const login = {
    users: ["alice"],
    browserLoginOverrides: { stateTtlSeconds: options.stateTtlSeconds },
  };
  return startGateway({
    config: `
import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
export default defineGateway({
  oauth: mcpDevOAuth(${JSON.stringify(login)}),
  trustProxy: true,
  limits: ${JSON.stringify(options.limits)},
  routes: [mcpProxy("/alpha", { operationId: "alpha", upstream: "${options.upstream}" })],
});
`,
    env: { GATEWAY_LOG: "error" },
  });
}

/** An upstream that answers every message at once. */
export function startEcho(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { id } = await request.json();
    return Response.json({ jsonrpc: "2.0", id, result: { content: [] } });
  });
}

/** The n-th of ten million addresses. */
export function address(n: number): string {
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
}

/** Sends `total` requests as fast as the gateway takes them, or until `enough`; counts the answers by status. */
export async function flood(
  total: number,
  send: (n: number) => Promise<Response>,
  enough: () => boolean = () => false,
): Promise<{ readonly statuses: Readonly<Record<number, number>>; readonly seconds: number }> {
  const statuses: Record<number, number> = {};
  const startedAt = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < total && !enough()) {
      const answer = await send(next++);
      await answer.body?.cancel();
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: FLOOD_WIDTH }, worker));
  return { statuses, seconds: (performance.now() - startedAt) / 1000 };
}

/** What an honest client asks for, and whether it got it. */
export type HonestAct = "register" | "sign in" | "refresh" | "call";

/** A client that was registered and connected before the flood, and others that come during it, in turns until told to stop. */
export class HonestClients {
  readonly latencies: Readonly<Record<HonestAct, Latencies>> = {
    register: new Latencies(),
    "sign in": new Latencies(),
    refresh: new Latencies(),
    call: new Latencies(),
  };
  readonly refused: Record<HonestAct, number> = { register: 0, "sign in": 0, refresh: 0, call: 0 };
  /** The first refusal of each kind, in words. */
  readonly reasons = new Map<HonestAct, string>();
  readonly #gateway: Askable;
  readonly #early: TestClient;
  #tokens: TestTokens;
  #turns = 0;

  constructor(gateway: Askable, early: TestClient, tokens: TestTokens) {
    this.#gateway = gateway;
    this.#early = early;
    this.#tokens = tokens;
  }

  /** Registers a client and connects it. */
  static async before(gateway: Askable): Promise<HonestClients> {
    const early = await registerClient(gateway);
    return new HonestClients(gateway, early, await obtainTokens(gateway, early));
  }

  /** Everything that honest clients do, once: one registers and connects, another one uses what it has. */
  async turn(): Promise<void> {
    const gateway = this.#gateway;
    const name = `Honest client ${this.#turns++}`;
    const client = await this.#try("register", () => registerClient(gateway, { client_name: name }));
    await this.#try("sign in", () => obtainTokens(gateway, client ?? this.#early));
    await this.#try("refresh", async () => {
      const answer = await refresh(gateway, this.#early, this.#tokens.refresh_token);
      const body = await answer.json();
      if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(body)}`);
      this.#tokens = body;
    });
    await this.#try("call", async () => {
      const answer = await callMcp(gateway, "/alpha", this.#tokens.access_token);
      await answer.body?.cancel();
      if (answer.status !== 200) throw new Error(String(answer.status));
    });
  }

  /** Rows for a table. */
  rows(): (string | number)[][] {
    const acts = ["register", "sign in", "refresh", "call"] as const;
    return [
      ["honest", "served", "refused", "p50 ms", "p99 ms"],
      ...acts.map((act) => {
        const served = this.latencies[act];
        return [act, served.count, this.refused[act], served.percentile(0.5), served.percentile(0.99)];
      }),
    ];
  }

  async #try<Result>(act: HonestAct, attempt: () => Promise<Result>): Promise<Result | null> {
    try {
      return await this.latencies[act].time(attempt);
    } catch (error) {
      this.refused[act]++;
      if (!this.reasons.has(act)) this.reasons.set(act, String(error).slice(0, 300));
      return null;
    }
  }
}

/** Lets honest clients take turns, a pause between them, while `during` runs. */
export async function whileHonest<Result>(
  honest: HonestClients,
  during: () => Promise<Result>,
): Promise<Result> {
  let over = false;
  const turns = (async () => {
    while (!over) {
      await honest.turn();
      await pause(100);
    }
  })();
  try {
    return await during();
  } finally {
    over = true;
    await turns;
  }
}

/** What the store and the process hold at a moment. */
export interface Snapshot {
  readonly when: string;
  readonly stock: ReadonlyMap<string, Stock>;
  readonly fileMiB: number;
  readonly residentMiB: number | null;
  readonly openFiles: number | null;
}

/** Looks at a running gateway's store and process. */
export async function snapshot(gateway: GatewayProcess, when: string): Promise<Snapshot> {
  const kv = await Deno.openKv(`${gateway.folder}/gateway.kv`);
  try {
    return {
      when,
      stock: await takeStock(kv),
      fileMiB: await fileMiB(gateway.folder),
      residentMiB: await residentMiB(gateway.child.pid),
      openFiles: await openFiles(gateway.child.pid),
    };
  } finally {
    kv.close();
  }
}

/** Snapshots as rows: a column for each moment, a row for each kind of record. */
export function snapshotRows(snapshots: readonly Snapshot[]): (string | number)[][] {
  const kinds = [...new Set(snapshots.flatMap(({ stock }) => [...stock.keys()]))].toSorted();
  const cell = ({ stock }: Snapshot, kind: string) => {
    const { rows, bytes } = stock.get(kind) ?? { rows: 0, bytes: 0 };
    return rows === 0 ? "0" : `${rows} (${Math.round(bytes / rows)} B each)`;
  };
  return [
    ["", ...snapshots.map(({ when }) => when)],
    ...kinds.map((kind) => [kind, ...snapshots.map((each) => cell(each, kind))]),
    ["file, MiB", ...snapshots.map((each) => each.fileMiB.toFixed(1))],
    ["resident, MiB", ...snapshots.map((each) => each.residentMiB?.toFixed(0) ?? "?")],
    ["open files", ...snapshots.map((each) => each.openFiles ?? "?")],
  ];
}
