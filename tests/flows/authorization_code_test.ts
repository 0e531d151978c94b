/** The walk through the house: register, authorize, sign in, approve, redeem, call, refresh, revoke. */
import assert from "node:assert/strict";
import { startHarness } from "../support/harness.ts";
import {
  authorizeUrl,
  callMcp,
  obtainTokens,
  postForm,
  refresh,
  registerClient,
} from "../support/oauth_flow.ts";

Deno.test("a client registers, its user approves, and the token calls the upstream until it is revoked", async () => {
  await using gateway = await startHarness();
  const client = await registerClient(gateway);
  const tokens = await obtainTokens(gateway, client);
  assert.match(tokens.access_token, /^at_/);
  assert.match(tokens.refresh_token, /^rt_/);
  assert.equal(tokens.expires_in, 900);
  assert.equal(tokens.scope, "mcp:tools");
  assert.equal(tokens.resource, `${gateway.origin}/alpha`);

  const answer = await callMcp(gateway, "/alpha", tokens.access_token);
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).result.content[0].text, "ok");
  assert.equal(gateway.upstreamRequests.length, 1);
  assert.equal(gateway.upstreamRequests[0]?.request.headers.get("authorization"), null);

  const refreshed = await refresh(gateway, client, tokens.refresh_token);
  assert.equal(refreshed.status, 200);
  const next = await refreshed.json();
  assert.notEqual(next.refresh_token, tokens.refresh_token);

  const revoked = await postForm(gateway, "/oauth/revoke", {
    token: next.refresh_token,
    client_id: client.clientId,
  });
  assert.equal(revoked.status, 200);
  for (const token of [tokens.access_token, next.access_token]) {
    const refused = await callMcp(gateway, "/alpha", token);
    assert.equal(refused.status, 401);
    await refused.body?.cancel();
  }
  assert.equal(gateway.upstreamRequests.length, 1);
});

Deno.test("a cancelled authorization returns access_denied with state and iss (AS-24, B6 094)", async () => {
  await using gateway = await startHarness();
  const client = await registerClient(gateway);
  const end = await gateway.browser().signInAndApprove(authorizeUrl(gateway, client), { decision: "cancel" });
  assert.equal(end.searchParams.get("error"), "access_denied");
  assert.equal(end.searchParams.get("state"), "state-of-the-client");
  assert.equal(end.searchParams.get("iss"), gateway.origin);
  assert.equal(end.searchParams.get("code"), null);
});
