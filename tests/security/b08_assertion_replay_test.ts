/** Attack corpus B8 133: a client assertion is good for once. */
import assert from "node:assert/strict";
import { ASSERTION_TYPE, assertionOf } from "../support/assertions.ts";
import { kvFile } from "../support/kv_file.ts";
import {
  obtainCode,
  postForm,
  redemption,
  refresh,
  registerClient,
  type TestClient,
} from "../support/oauth_flow.ts";
import { assertOAuthError } from "./answers.ts";
import { assertionScene } from "./assertion_scene.ts";
import { watchedGateway } from "./watched_gateway.ts";

Deno.test("an assertion is good for once: in a row, in parallel, at another endpoint, for another grant (B8 133)", async () => {
  await using stage = await assertionScene();
  const { gateway, client, key, redeem } = stage;
  const who = { clientId: client.clientId, audience: gateway.origin, clock: gateway.clock };
  const assertion = await assertionOf(key, who, { claims: { jti: "the-one" } });
  const tokens = await (await redeem(await obtainCode(gateway, client), { assertion })).json();
  const code = await obtainCode(gateway, client);
  await assertOAuthError(await redeem(code, { assertion }), "invalid_client", { status: 401 });
  // The same jti in a newly signed one is the same statement.
  const again = { claims: { jti: "the-one", aud: `${gateway.origin}/oauth/token` } };
  await assertOAuthError(await redeem(code, again), "invalid_client", { status: 401 });
  const parameters = { client_id: null, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion };
  await assertOAuthError(await refresh(gateway, client, tokens.refresh_token, parameters), "invalid_client", {
    status: 401,
  });
  const revoked = await postForm(gateway, "/oauth/revoke", { token: tokens.refresh_token, ...parameters });
  await assertOAuthError(revoked, "invalid_client", { status: 401 });
  const parallel = await assertionOf(key, who);
  const answers = await Promise.all(
    Array.from(
      { length: 50 },
      () => refresh(gateway, client, tokens.refresh_token, { ...parameters, client_assertion: parallel }),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.equal(answers.filter(({ status }) => status === 401).length, 49);
  // The same jti of another client is another statement.
  const second = await registerClient(gateway, {
    client_name: "Second",
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [key.publicJwk] },
  });
  const theirs = await postForm(
    gateway,
    "/oauth/token",
    redemption(second, await obtainCode(gateway, second), {
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await assertionOf(key, { ...who, clientId: second.clientId }, {
        claims: { jti: "the-one" },
      }),
    }),
  );
  assert.equal(theirs.status, 200);
});

Deno.test("a replay is noticed after a restart, on the same store (B8 133)", async () => {
  await using file = await kvFile();
  let code: string, assertion: string, client: TestClient;
  {
    await using stage = await assertionScene({ kv: file.kv });
    client = stage.client;
    assertion = await assertionOf(stage.key, {
      clientId: client.clientId,
      audience: stage.gateway.origin,
      clock: stage.gateway.clock,
    });
    assert.equal((await stage.redeem(await obtainCode(stage.gateway, client), { assertion })).status, 200);
    code = await obtainCode(stage.gateway, client);
  }
  const kv = await file.open();
  await using restarted = await watchedGateway({ kv });
  const parameters = { client_id: null, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion };
  const replay = await postForm(restarted, "/oauth/token", redemption(client, code, parameters));
  await assertOAuthError(replay, "invalid_client", { status: 401 });
});
