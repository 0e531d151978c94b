/** What the soak tests measure, from outside of the gateway, and the small tables they print at their end. */
import { retryWhileLocked } from "../../lib/store/retry.ts";

/** Prints rows of cells under a title, in columns. */
export async function printTable(
  title: string,
  rows: readonly (readonly (string | number)[])[],
): Promise<void> {
  const cells = rows.map((row) => row.map(String));
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0))
  );
  const lines = cells.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()
  );
  const bytes = new TextEncoder().encode(["", title, ...lines.map((line) => `  ${line}`), ""].join("\n"));
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await Deno.stdout.write(rest));
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resident memory of a process in MiB, as Linux tells it; `null` elsewhere. */
export async function residentMiB(pid: number): Promise<number | null> {
  const status = await readProc(`/proc/${pid}/status`);
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? "")?.[1];
  return kib === undefined ? null : Number(kib) / 1024;
}

/** How many files and sockets a process has open, as Linux tells it; `null` elsewhere. */
export async function openFiles(pid: number): Promise<number | null> {
  try {
    return (await Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`))).length;
  } catch {
    return null;
  }
}

async function readProc(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return null;
  }
}

/** Milliseconds that requests took. */
export class Latencies {
  readonly #all: number[] = [];

  /** Runs `act` and notes how long it took. */
  async time<Result>(act: () => Promise<Result>): Promise<Result> {
    const startedAt = performance.now();
    const result = await act();
    this.#all.push(performance.now() - startedAt);
    return result;
  }

  /** How many were noted. */
  get count(): number {
    return this.#all.length;
  }

  /** The value that `share` (0 to 1) of them do not exceed, in whole milliseconds. */
  percentile(share: number): number {
    const sorted = this.#all.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  }
}

/** One kind of record, as it fills the store. */
export interface Stock {
  readonly rows: number;
  /** Of keys and values, without what SQLite adds. */
  readonly bytes: number;
}

/** Everything in the store, by kind, expired rows that KV has not removed yet included. */
export async function takeStock(kv: Deno.Kv): Promise<ReadonlyMap<string, Stock>> {
  return await retryWhileLocked(async () => {
    const stock = new Map<string, { rows: number; bytes: number }>();
    for await (const { key, value } of kv.list({ prefix: [] }, { batchSize: 500 })) {
      const kind = String(key[0]);
      const counted = stock.get(kind) ?? { rows: 0, bytes: 0 };
      counted.rows++;
      counted.bytes += key.reduce((sum: number, part) => sum + String(part).length + 2, 0) +
        (value instanceof Uint8Array ? value.length : 0);
      stock.set(kind, counted);
    }
    return stock;
  });
}

/** Bytes of the store on disk, its write-ahead log included, in MiB. */
export async function fileMiB(folder: string): Promise<number> {
  let bytes = 0;
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith("gateway.kv")) bytes += (await Deno.stat(`${folder}/${name}`)).size;
  }
  return bytes / 1_048_576;
}

/** A number for a table. */
export function rounded(value: number | null, digits = 0): string {
  return value === null ? "?" : value.toFixed(digits);
}
