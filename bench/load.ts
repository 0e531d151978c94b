/**
 * The benchmark's own load generator, for machines without wrk: so many connections, each sending the same POST again as soon as
 * it is answered. Run by the benchmark with a JSON argument; prints a `LoadResult` as JSON.
 */
import type { LoadResult } from "./generator.ts";
import { HttpConnection } from "./http_connection.ts";
import { clientHeaders, type LoadRequest, rawRequest } from "./requests.ts";
import { percentile } from "./statistics.ts";

/** What this program takes as its only argument, as JSON. */
export interface LoadArguments extends LoadRequest {
  readonly connections: number;
  readonly seconds: number;
}

async function load({ url, bearer, body, connections, seconds }: LoadArguments): Promise<LoadResult> {
  const request = rawRequest({ method: "POST", url, body }, clientHeaders(bearer));
  const latencies: number[] = [];
  let failures = 0;
  const open = await Promise.all(Array.from({ length: connections }, () => HttpConnection.open(url)));
  const begin = performance.now();
  const end = begin + seconds * 1000;
  await Promise.all(open.map(async (connection) => {
    for (let sent = performance.now(); sent < end;) {
      const { status } = await connection.exchange(request);
      const now = performance.now();
      if (status === 200) latencies.push((now - sent) * 1000);
      else failures++;
      sent = now;
    }
    connection.close();
  }));
  const elapsed = (performance.now() - begin) / 1000;
  return {
    requests: latencies.length,
    perSecond: latencies.length / elapsed,
    p50Us: percentile(latencies, 50),
    p99Us: percentile(latencies, 99),
    failures,
  };
}

if (import.meta.main) {
  // Written by generator.ts in the same run.
  const result = await load(JSON.parse(Deno.args[0] ?? "{}") as LoadArguments);
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(result)));
}
