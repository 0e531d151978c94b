/** Streams at the MCP endpoint: what was decided before the upstream answered has to hold when the stream opens. */
import assert from "node:assert/strict";
import { revokeGrant } from "../../../lib/authorization_server/grant.ts";
import { grants } from "../../../lib/store/schema.ts";
import { startHarness } from "../../support/harness.ts";
import { callMcp, obtainTokens, registerClient } from "../../support/oauth_flow.ts";

/** An upstream that answers a stream, but only when it is told to. */
function slowStream() {
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const upstream = async () => {
    asked.resolve();
    await go.promise;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
      cancel: () => ended.resolve(),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  return { upstream, asked: asked.promise, go: go.resolve, ended: ended.promise };
}

for (const what of ["revoked", "expired"] as const) {
  Deno.test(`a stream does not open for a token that was ${what} while the upstream took its time (RS-14)`, async () => {
    const { upstream, asked, go, ended } = slowStream();
    await using gateway = await startHarness({ upstream });
    const tokens = await obtainTokens(gateway, await registerClient(gateway));
    const answering = callMcp(gateway, "/alpha", tokens.access_token);
    await asked;
    if (what === "expired") gateway.clock.advance({ seconds: 900 });
    for await (const { value } of gateway.services.store.list(grants)) {
      if (what === "revoked") await revokeGrant(gateway.services, value, "revoked_by_user");
    }
    go();
    const answer = await answering;
    assert.equal(answer.status, 401);
    assert.match(
      answer.headers.get("www-authenticate") ?? "",
      /^Bearer resource_metadata=.*error="invalid_token"/,
    );
    await answer.body?.cancel();
    await ended;
  });
}
