/** Attack corpus B10: the revocation endpoint. */
import assert from "node:assert/strict";
import {
  callMcp,
  obtainTokens,
  postForm,
  refresh,
  registerClient,
  type TestClient,
} from "../support/oauth_flow.ts";
import { assertOAuthError } from "./answers.ts";
import { type WatchedGateway, watchedGateway } from "./watched_gateway.ts";

function revoke(
  gateway: WatchedGateway,
  client: TestClient,
  token: string,
  changes: Readonly<Record<string, string | readonly string[] | null>> = {},
): Promise<Response> {
  const secret = client.clientSecret === null ? {} : { client_secret: client.clientSecret };
  return postForm(gateway, "/oauth/revoke", { token, client_id: client.clientId, ...secret, ...changes });
}

Deno.test("a revoked refresh token ends its whole family at once (B10 154, AS-62)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const first = await obtainTokens(gateway, client);
  const second = await (await refresh(gateway, client, first.refresh_token)).json();
  for (const { access_token } of [first, second]) {
    assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 200, "now cached");
  }
  const untouched = await obtainTokens(gateway, client);
  assert.equal((await revoke(gateway, client, second.refresh_token)).status, 200);
  for (const { access_token, refresh_token } of [first, second]) {
    assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 401);
    await assertOAuthError(await refresh(gateway, client, refresh_token), "invalid_grant");
  }
  assert.equal((await callMcp(gateway, "/alpha", untouched.access_token)).status, 200);
});

Deno.test("a revoked access token dies alone (B10 155)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token, refresh_token } = await obtainTokens(gateway, client);
  assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 200);
  assert.equal((await revoke(gateway, client, access_token)).status, 200);
  assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 401);
  const next = await (await refresh(gateway, client, refresh_token)).json();
  assert.equal((await callMcp(gateway, "/alpha", next.access_token)).status, 200);
});

Deno.test("nobody revokes another client's token, and the answer does not tell (B10 156, B10 157, AS-62)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const other = await registerClient(gateway, { client_name: "M" });
  const { access_token, refresh_token } = await obtainTokens(gateway, client);
  const before = await gateway.contents();
  const answers = new Set<string>();
  const unknown = `rt_${"A".repeat(43)}`;
  for (
    const token of [access_token, refresh_token, unknown, "garbage", "%00", "", "{}", "a".repeat(10_000)]
  ) {
    const response = await revoke(gateway, other, token);
    assert.equal(response.status, 200, token.slice(0, 20));
    answers.add(JSON.stringify([await response.text(), [...response.headers].sort()]));
  }
  assert.equal(answers.size, 1);
  assert.equal((await revoke(gateway, other, "a".repeat(102_400))).status, 413);
  await assertOAuthError(await revoke(gateway, other, "", { token: null }), "invalid_request");
  assert.deepEqual(await gateway.contents(), before);
  assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 200);
  assert.equal((await refresh(gateway, client, refresh_token)).status, 200);
});

Deno.test("a client with a secret has to authenticate before it revokes (B10 158)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { token_endpoint_auth_method: "client_secret_basic" });
  const { access_token, refresh_token } = await obtainTokens(gateway, client);
  const before = await gateway.contents();
  for (const client_secret of [null, "", "wrong"]) {
    const response = await revoke(gateway, client, refresh_token, { client_secret });
    await assertOAuthError(response, "invalid_client", { status: 401 });
  }
  for (const client_id of [null, "unknown"]) {
    const response = await revoke(gateway, client, refresh_token, { client_id, client_secret: null });
    await assertOAuthError(response, "invalid_client", { status: 401 });
  }
  assert.deepEqual(await gateway.contents(), before);
  assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 200);
});

Deno.test("a store that cannot write is told as 503, never as revoked (B10 159)", async () => {
  const { kv, fail } = breakableKv(await Deno.openKv(":memory:"));
  try {
    await using gateway = await watchedGateway({ kv, expect5xx: [503] });
    const client = await registerClient(gateway);
    const { access_token, refresh_token } = await obtainTokens(gateway, client);
    for (const token of [refresh_token, access_token]) {
      fail(true);
      const refused = await revoke(gateway, client, token);
      await assertOAuthError(refused, "server_error", { status: 503 });
      assert.ok(Number(refused.headers.get("retry-after")) > 0);
      fail(false);
      assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 200);
    }
    assert.equal((await revoke(gateway, client, refresh_token)).status, 200);
    assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 401);
  } finally {
    kv.close();
  }
});

Deno.test("hints, callbacks and the query string change nothing (B10 160)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const { access_token, refresh_token } = await obtainTokens(gateway, client);
  const inQuery = `/oauth/revoke?token=${refresh_token}&client_id=${client.clientId}&callback=alert(1)`;
  const emptyForm = { "content-type": "application/x-www-form-urlencoded" };
  const posted = await gateway.fetch(inQuery, { method: "POST", headers: emptyForm });
  assert.ok(posted.status === 400 || posted.status === 401);
  assert.doesNotMatch(await posted.text(), /alert/);
  assert.equal((await gateway.fetch(inQuery)).status, 405);
  assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 200);
  const hinted = await revoke(gateway, client, refresh_token, {
    token_type_hint: "access_token",
    callback: "alert(1)",
  });
  assert.equal(hinted.status, 200);
  assert.equal(await hinted.text(), "");
  assert.equal((await callMcp(gateway, "/alpha", access_token)).status, 401);
  const other = await obtainTokens(gateway, client);
  await revoke(gateway, client, other.access_token, { token_type_hint: "unknown_kind" });
  assert.equal((await callMcp(gateway, "/alpha", other.access_token)).status, 401);
});

Deno.test("a revocation beside a refresh ends revoked, a hundred times (B10 161)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  let refreshedFirst = 0;
  for (let round = 0; round < 100; round++) {
    const tokens = await obtainTokens(gateway, client);
    const later = async (turns: number, act: () => Promise<Response>) => {
      // A read of the store takes as long as each step of the two that race.
      for (let turn = 0; turn < turns; turn++) await gateway.kv.get(["none"]);
      return await act();
    };
    const [answer, revoked] = await Promise.all([
      refresh(gateway, client, tokens.refresh_token),
      later(round % 10, () => revoke(gateway, client, tokens.refresh_token)),
    ]);
    assert.equal(revoked.status, 200);
    const next = await answer.json();
    if (answer.status === 200) refreshedFirst++;
    for (const token of [tokens.access_token, next.access_token ?? "none"]) {
      assert.equal((await callMcp(gateway, "/alpha", token)).status, 401, `round ${round}`);
    }
    for (const token of [tokens.refresh_token, next.refresh_token ?? "none"]) {
      await assertOAuthError(await refresh(gateway, client, token), "invalid_grant");
    }
  }
  assert.ok(refreshedFirst > 0 && refreshedFirst < 100, `both orders were seen: ${refreshedFirst} of 100`);
});

/** A store whose commits can be made to fail, as on a full disk. */
function breakableKv(kv: Deno.Kv): { kv: Deno.Kv; fail: (broken: boolean) => void } {
  let broken = false;
  const atomic = () => {
    const operation = kv.atomic();
    if (broken) operation.commit = () => Promise.reject(new Error("disk I/O error"));
    return operation;
  };
  const proxy = new Proxy(kv, {
    get(target, name) {
      if (name === "atomic") return atomic;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { kv: proxy, fail: (value) => broken = value };
}
