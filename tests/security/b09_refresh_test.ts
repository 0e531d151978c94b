/** Attack corpus B9: refresh token rotation. 153 (the upstream's refresh) belongs to a later feature. */
import assert from "node:assert/strict";
import { FakeClock } from "../support/fake_clock.ts";
import {
  callMcp,
  obtainCode,
  obtainTokens,
  postForm,
  redeem,
  refresh,
  registerClient,
  type TestClient,
  type TestTokens,
} from "../support/oauth_flow.ts";
import { assertOAuthError } from "./answers.ts";
import { type WatchedGateway, watchedGateway } from "./watched_gateway.ts";

Deno.test("a rotated token after the grace revokes the whole family (B9 139, AS-57, AS-58)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const first = await obtainTokens(gateway, client);
  const second = await rotate(gateway, client, first.refresh_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  gateway.clock.advance({ seconds: 120 });
  await assertOAuthError(await refresh(gateway, client, first.refresh_token), "invalid_grant");
  await assertDead(gateway, client, [first, second]);
});

Deno.test("50 parallel refreshes see one successor, and the family lives on (B9 140, AS-58)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const first = await obtainTokens(gateway, client);
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => refresh(gateway, client, first.refresh_token)),
  );
  const pairs = new Set<string>();
  for (const answer of answers) {
    assert.equal(answer.status, 200);
    const { access_token, refresh_token } = await answer.json();
    pairs.add(`${access_token} ${refresh_token}`);
  }
  assert.equal(pairs.size, 1);
  const [access = "", next = ""] = [...pairs][0]?.split(" ") ?? [];
  assert.equal((await callMcp(gateway, "/alpha", access)).status, 200);
  await rotate(gateway, client, next);
});

Deno.test("a retry within the grace gets the same pair, a hundred times, and writes nothing (B9 141, B9 144)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const first = await obtainTokens(gateway, client);
  const second = await rotate(gateway, client, first.refresh_token);
  gateway.clock.advance({ seconds: 119 });
  const before = await gateway.contents();
  for (let count = 0; count < 100; count++) {
    const again = await rotate(gateway, client, first.refresh_token);
    assert.equal(again.refresh_token, second.refresh_token);
    assert.equal(again.access_token, second.access_token);
    assert.equal(again.expires_in, 900 - 119, "the pair keeps its age");
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("a token whose successor was used is theft, also within the grace (B9 142, B9 143)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const first = await obtainTokens(gateway, client);
  const second = await rotate(gateway, client, first.refresh_token);
  const third = await rotate(gateway, client, second.refresh_token);
  await assertOAuthError(await refresh(gateway, client, first.refresh_token), "invalid_grant");
  await assertDead(gateway, client, [first, second, third]);
  const other = await obtainTokens(gateway, client);
  const generations = [other];
  for (let count = 0; count < 3; count++) {
    generations.push(await rotate(gateway, client, generations.at(-1)?.refresh_token ?? ""));
  }
  await assertOAuthError(await refresh(gateway, client, other.refresh_token), "invalid_grant");
  await assertDead(gateway, client, generations);
});

Deno.test("a restart with the clock set back does not reopen the grace (B9 145)", async () => {
  const kv = await Deno.openKv(":memory:");
  try {
    const clock = new FakeClock();
    let client: TestClient;
    let first: TestTokens;
    let second: TestTokens;
    {
      await using gateway = await watchedGateway({ kv, clock });
      client = await registerClient(gateway);
      first = await obtainTokens(gateway, client);
      clock.advance({ seconds: 7200 });
      second = await rotate(gateway, client, first.refresh_token);
      clock.advance({ seconds: 300 });
    }
    await using restarted = await watchedGateway({ kv, clock: new FakeClock(clock.now() - 3_600_000) });
    await assertOAuthError(await refresh(restarted, client, first.refresh_token), "invalid_grant");
    await assertDead(restarted, client, [first, second]);
  } finally {
    kv.close();
  }
});

Deno.test("a refresh token is of no use to another client, and that does the owner no harm (B9 146, AS-59)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const thief = await registerClient(gateway, { client_name: "M" });
  const confidential = await registerClient(gateway, { token_endpoint_auth_method: "client_secret_post" });
  const first = await obtainTokens(gateway, client);
  const second = await rotate(gateway, client, first.refresh_token);
  const before = await gateway.contents();
  for (const other of [thief, confidential]) {
    for (const token of [first.refresh_token, second.refresh_token]) {
      await assertOAuthError(await refresh(gateway, other, token), "invalid_grant");
    }
  }
  assert.deepEqual(await gateway.contents(), before);
  await rotate(gateway, client, second.refresh_token);
});

Deno.test("a refresh names its client (B9 147, AS-51)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { refresh_token } = await obtainTokens(gateway, client);
  const before = await gateway.contents();
  for (const client_id of [null, "", "unknown"]) {
    const response = await refresh(gateway, client, refresh_token, { client_id });
    await assertOAuthError(response, "invalid_client", { status: 401, what: String(client_id) });
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("a wrong resource or a wider scope rotates nothing (B9 148, B9 149, AS-59)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { refresh_token } = await obtainTokens(gateway, client, {
    changes: { scope: "mcp:tools offline_access" },
  });
  const before = await gateway.contents();
  const { origin } = gateway;
  for (
    const resource of [`${origin}/beta`, `${origin}/nope`, "https://evil.test", "", [`${origin}/alpha`, "x"]]
  ) {
    const response = await refresh(gateway, client, refresh_token, { resource });
    await assertOAuthError(response, "invalid_target", { what: String(resource) });
  }
  for (const scope of ["mcp:tools admin", "openid", "*"]) {
    await assertOAuthError(await refresh(gateway, client, refresh_token, { scope }), "invalid_scope");
  }
  assert.deepEqual(await gateway.contents(), before);
  const narrowed = await refresh(gateway, client, refresh_token, { scope: "mcp:tools" });
  const next = await narrowed.json();
  assert.equal(next.scope, "mcp:tools");
  const repeated = await refresh(gateway, client, next.refresh_token, { scope: "mcp:tools offline_access" });
  assert.equal((await repeated.json()).scope, "mcp:tools", "what was asked for at first may be repeated");
});

Deno.test("the tokens of a deleted client are not refreshed (B9 150, AS-51)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { token_endpoint_auth_method: "client_secret_post" });
  const { refresh_token } = await obtainTokens(gateway, client);
  const deleted = await gateway.fetch(String(client.registration.registration_client_uri), {
    method: "DELETE",
    headers: { authorization: `Bearer ${client.registration.registration_access_token}` },
  });
  assert.equal(deleted.status, 204);
  await assertOAuthError(await refresh(gateway, client, refresh_token), "invalid_client", { status: 401 });
});

Deno.test("no other secret passes for a refresh token, nor a refresh token for another (B9 151)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const browser = gateway.browser();
  const code = await obtainCode(gateway, client, { browser });
  const tokens = await obtainTokens(gateway, client);
  const cookies = browser.cookies.header(new URL(gateway.origin), { initiator: null, method: "GET" }) ?? "";
  const session = /sallyport_session=([^;]+)/.exec(cookies)?.[1] ?? "";
  assert.match(session, /^se_/);
  const before = await gateway.contents();
  const registrationToken = String(client.registration.registration_access_token);
  for (
    const other of [tokens.access_token, code, session, registrationToken, "", "rt_", "a".repeat(10_000)]
  ) {
    await assertOAuthError(await refresh(gateway, client, other), "invalid_grant", {
      what: other.slice(0, 20),
    });
  }
  for (const other of [tokens.access_token, tokens.refresh_token, session]) {
    await assertOAuthError(await redeem(gateway, client, other), "invalid_grant");
  }
  await assertOAuthError(await refresh(gateway, client, "", { refresh_token: null }), "invalid_request");
  assert.deepEqual(await gateway.contents(), before);
  assert.equal((await callMcp(gateway, "/alpha", tokens.refresh_token)).status, 401);
});

Deno.test("the grant ends in time however fresh each step was (B9 152, AS-60)", async () => {
  const gatewayOptions = { gateway: { grantTtlSeconds: 7200, refreshTokenTtlSeconds: 7200 } };
  await using gateway = await watchedGateway({ gatewayOptions });
  const client = await registerClient(gateway);
  let tokens = await obtainTokens(gateway, client);
  for (let step = 0; step < 3; step++) {
    gateway.clock.advance({ seconds: 2300 });
    tokens = await rotate(gateway, client, tokens.refresh_token);
  }
  assert.equal(tokens.expires_in, 300, "no token outlives the grant");
  gateway.clock.advance({ seconds: 300 });
  await assertOAuthError(await refresh(gateway, client, tokens.refresh_token), "invalid_grant");
  assert.equal((await callMcp(gateway, "/alpha", tokens.access_token)).status, 401);
});

async function rotate(gateway: WatchedGateway, client: TestClient, token: string): Promise<TestTokens> {
  const response = await refresh(gateway, client, token);
  const tokens = await response.json();
  assert.equal(response.status, 200, JSON.stringify(tokens));
  return tokens;
}

/** Neither token of any of the pairs works any more, and revoking them once more is no error. */
async function assertDead(
  gateway: WatchedGateway,
  client: TestClient,
  pairs: readonly TestTokens[],
): Promise<void> {
  for (const { access_token, refresh_token } of pairs) {
    assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 401);
    await assertOAuthError(await refresh(gateway, client, refresh_token), "invalid_grant");
    const form = { token: refresh_token, client_id: client.clientId };
    assert.equal((await postForm(gateway, "/oauth/revoke", form)).status, 200);
  }
}
