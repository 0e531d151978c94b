/** Liveness and readiness: no names, no numbers, nothing that a stranger could use. */
import { revocationEpoch } from "../lib/store/schema.ts";
import type { Services } from "../lib/services.ts";

/** The process answers. */
export function healthz(): Response {
  return Response.json({ status: "ok" }, { headers: { "Cache-Control": "no-store" } });
}

/** The store can be read and the key ring opens what it seals. */
export function readyz(services: Pick<Services, "store" | "keyRing">): () => Promise<Response> {
  return async () => {
    const ready = await isReady(services);
    return Response.json({ status: ready ? "ok" : "unavailable" }, {
      status: ready ? 200 : 503,
      headers: { "Cache-Control": "no-store" },
    });
  };
}

async function isReady({ store, keyRing }: Pick<Services, "store" | "keyRing">): Promise<boolean> {
  try {
    await store.get(revocationEpoch, "all");
    const probe = Uint8Array.of(1);
    return keyRing.open(keyRing.seal(probe, "readiness"), "readiness")?.[0] === probe[0];
  } catch {
    return false;
  }
}
