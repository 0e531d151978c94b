/** What both metadata endpoints share: open to every origin, JSON whatever is asked, cached only when nothing depends on the host. */
import type { Context } from "@hono/hono";
import type { Gateway } from "../lib/gateway/gateway.ts";
import type { Env } from "./context.ts";

/** Seconds that anybody may keep a document. */
const MAX_AGE_SECONDS = 300;

/** A metadata document. */
export function metadataAnswer(gateway: Gateway, document: Record<string, unknown>): Response {
  // Where `Host` chooses the origin, a shared cache must not hand one host's document to another (corpus B1 012).
  const caching = gateway.publicUrl.kind === "origin" ? `public, max-age=${MAX_AGE_SECONDS}` : "no-store";
  return Response.json(document, {
    headers: { "Cache-Control": caching, "X-Content-Type-Options": "nosniff", Vary: "Host" },
  });
}

/** A well-known path that names nothing of ours; it does not say what there is. */
export function metadataNotFound(): Response {
  return Response.json({ error: "not_found", error_description: "There is no such document here." }, {
    status: 404,
    headers: { "Cache-Control": "no-store" },
  });
}

/** What stands after a well-known name in the path, without one trailing slash. */
export function suffixOf(c: Context<Env>, wellKnown: string): string {
  const suffix = c.req.path.slice(wellKnown.length);
  return suffix.endsWith("/") ? suffix.slice(0, -1) : suffix;
}
