/** Streams at the MCP endpoint: what was decided before the upstream answered has to hold when the stream opens. */
import assert from "node:assert/strict";
import { revokeGrant } from "../../../lib/authorization_server/grant.ts";
import { grants } from "../../../lib/store/schema.ts";
import { type Harness, startHarness } from "../../support/harness.ts";
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

/** A stream that opens late: `request` is sent, then `happens`, then the upstream answers. */
async function late(
  request: Parameters<typeof callMcp>[3],
  happens: (gateway: Harness) => Promise<void> | void,
): Promise<{ readonly status: number; readonly challenge: string; readonly body: string }> {
  const { upstream, asked, go, ended } = slowStream();
  await using gateway = await startHarness({ upstream });
  const tokens = await obtainTokens(gateway, await registerClient(gateway));
  const answering = callMcp(gateway, "/alpha", tokens.access_token, request);
  await asked;
  await happens(gateway);
  go();
  const answer = await answering;
  const body = await answer.text();
  await ended;
  assert.equal(gateway.upstreamRequests.length, 1);
  return { status: answer.status, challenge: answer.headers.get("www-authenticate") ?? "", body };
}

function expire(gateway: Harness): void {
  gateway.clock.advance({ seconds: 900 });
}

async function revoke(gateway: Harness): Promise<void> {
  for await (const { value } of gateway.services.store.list(grants)) {
    await revokeGrant(gateway.services, value, "revoked_by_user");
  }
}

Deno.test("a stream does not open for a token that was revoked or has expired while the upstream took its time (RS-14)", async () => {
  for (
    const answer of [
      await late({}, revoke),
      await late({ method: "GET" }, revoke),
      await late({ method: "GET" }, expire),
    ]
  ) {
    assert.equal(answer.status, 401);
    assert.match(answer.challenge, /^Bearer resource_metadata=.*error="invalid_token"/);
  }
});

Deno.test("a call whose token expired while the upstream carried it out is not answered 401, since clients would call once more (RS-14)", async () => {
  const answer = await late({}, expire);
  assert.equal(answer.status, 504);
  assert.equal(answer.challenge, "");
  const { error, id } = JSON.parse(answer.body);
  assert.equal(error.code, 5020);
  assert.match(error.message, /may have been carried out/);
  assert.equal(id, 1);
});
