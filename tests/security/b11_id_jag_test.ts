/** Attack corpus B11: who may present an ID-JAG, for whom, how often, and what comes of it. */
import assert from "node:assert/strict";
import { ASSERTION_TYPE, assertionOf, signingKey } from "../support/assertions.ts";
import { documentHost, publish } from "../support/document_host.ts";
import { kvFile } from "../support/kv_file.ts";
import { callMcp, postForm } from "../support/oauth_flow.ts";
import { startScriptedProvider } from "../support/scripted_provider.ts";
import { assertOAuthError } from "./answers.ts";
import { type IdJagScene, idJagScene, JWT_BEARER, registerBearer } from "./id_jag_scene.ts";
import { watchedGateway } from "./watched_gateway.ts";

const METADATA = [
  "/.well-known/oauth-authorization-server",
  "/.well-known/oauth-authorization-server/alpha",
  "/.well-known/openid-configuration",
];

/** The tokens of an answer that has to be a success. */
async function tokensOf(answer: Response, what = ""): Promise<Record<string, unknown>> {
  const body = await answer.json();
  assert.equal(answer.status, 200, `${what}: ${JSON.stringify(body)}`);
  return body;
}

/** The users of the tokens issued so far, in order. */
function users({ gateway }: Pick<IdJagScene, "gateway">): unknown[] {
  return gateway.events.filter(({ event }) => event === "mcp_auth_downstream_token_issued")
    .map(({ subjectId }) => subjectId);
}

Deno.test("metadata tells the grant and its profile while idJag is on, and never who is trusted (EM-01)", async () => {
  await using on = await idJagScene();
  await using off = await watchedGateway();
  for (const path of METADATA) {
    const text = await (await on.gateway.fetch(path)).text();
    const document = JSON.parse(text);
    assert.ok(document.grant_types_supported.includes(JWT_BEARER), path);
    assert.deepEqual(
      document.authorization_grant_profiles_supported,
      ["urn:ietf:params:oauth:grant-profile:id-jag"],
      path,
    );
    assert.ok(!text.includes(on.issuer.origin) && !text.includes("rusted"), path);
    const without = await (await off.fetch(path)).json();
    assert.ok(!without.grant_types_supported.includes(JWT_BEARER), path);
    assert.ok(!("authorization_grant_profiles_supported" in without), path);
  }
  const refusal = await off.fetch("/oauth/token", {
    method: "POST",
    body: new URLSearchParams({ grant_type: JWT_BEARER, client_id: "x", assertion: on.assertion() })
      .toString(),
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  await assertOAuthError(refusal, "unsupported_grant_type");
});

Deno.test("success is one access token for one route, bounded, without a refresh token (B11 175, EM-02, EM-08)", async () => {
  await using scene = await idJagScene();
  const { gateway } = scene;
  const answer = await scene.present(scene.assertion());
  assert.equal(answer.headers.get("cache-control"), "no-store");
  const { access_token: token, ...rest } = await tokensOf(answer);
  assert.deepEqual(rest, {
    token_type: "Bearer",
    expires_in: 900,
    scope: "mcp:tools",
    resource: `${gateway.origin}/alpha`,
  });
  const rows = [...(await gateway.contents()).keys()];
  assert.deepEqual(rows.filter((key) => key.startsWith('["refresh_token"')), []);
  assert.equal((await callMcp(gateway, "/alpha", String(token))).status, 200);
  assert.equal((await callMcp(gateway, "/beta", String(token))).status, 401);
  gateway.clock.advance({ seconds: 901 });
  assert.equal((await callMcp(gateway, "/alpha", String(token))).status, 401);
});

Deno.test("a client that signs may present it, registered or by its document (EM-02)", async () => {
  await using host = documentHost();
  await using scene = await idJagScene({ config: () => ({ outbound: { allowLoopback: true } }) });
  const { gateway, clock } = scene;
  const key = await signingKey("1");
  const metadata = {
    grant_types: ["authorization_code", JWT_BEARER],
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [key.publicJwk] },
  };
  for (const { clientId } of [await registerBearer(gateway, metadata), publish(host, "/c.json", metadata)]) {
    const proof = await assertionOf(key, { clientId, audience: gateway.origin, clock });
    const answer = await scene.present(scene.assertion({ claims: { client_id: clientId } }), {
      client_id: null,
      client_secret: null,
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: proof,
    });
    assert.ok(!("refresh_token" in await tokensOf(answer, clientId)));
  }
});

Deno.test("a client that proves nothing is refused, whatever it sends instead (B11 174, EM-02)", async () => {
  await using scene = await idJagScene();
  const { clientId } = await registerBearer(scene.gateway, { token_endpoint_auth_method: "none" });
  const bare = { client_id: clientId, client_secret: null };
  const errors = ["unauthorized_client", "invalid_client", "invalid_request"];
  const attempts: Record<string, Record<string, string | null>> = {
    "an empty secret": { client_secret: "" },
    "a made-up secret": { client_secret: "made-up" },
    "an empty client assertion": { client_assertion: "" },
    "an empty typed client assertion": { client_assertion: "", client_assertion_type: ASSERTION_TYPE },
    "the assertion as the client's": {
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: "e30.e30.e30",
    },
  };
  const assertion = scene.assertion({ claims: { client_id: clientId } });
  await assertOAuthError(await scene.present(assertion, bare), "unauthorized_client");
  for (const [what, parameters] of Object.entries(attempts)) {
    const answer = await scene.present(assertion, { ...bare, ...parameters });
    const body = await answer.json();
    assert.ok([400, 401].includes(answer.status) && errors.includes(body.error), `${what}: ${body.error}`);
  }
  for (const authorization of ["", "Bearer x", "Basic", `Basic ${btoa(`${clientId}:`)}`, "Digest x"]) {
    const form = { grant_type: JWT_BEARER, client_id: clientId, assertion };
    const answer = await postForm(scene.gateway, "/oauth/token", form, { authorization });
    const body = await answer.json();
    assert.ok(
      [400, 401].includes(answer.status) && errors.includes(body.error),
      `${authorization}: ${body.error}`,
    );
  }
  const wrong = await scene.present(scene.assertion(), { client_secret: "wrong" });
  await assertOAuthError(wrong, "invalid_client", { status: 401 });
  assert.equal((await scene.present(scene.assertion())).status, 200);
});

Deno.test("one assertion is one token: again, twenty at once, and after a restart (B11 167, EM-06)", async () => {
  await using file = await kvFile();
  await using scene = await idJagScene({ kv: file.kv });
  const { clock, client } = scene;
  const first = scene.assertion();
  await tokensOf(await scene.present(first));
  await assertOAuthError(await scene.present(first), "invalid_grant");
  const raced = scene.assertion();
  const answers = await Promise.all(Array.from({ length: 20 }, () => scene.present(raced)));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [200, ...Array.from({ length: 19 }, () => 400)]);
  // another assertion under the same id
  const jti = crypto.randomUUID();
  await tokensOf(await scene.present(scene.assertion({ claims: { jti } })));
  const again = scene.assertion({ claims: { jti, resource: `${scene.gateway.origin}/beta` } });
  await assertOAuthError(await scene.present(again), "invalid_grant");
  const { issuer, jwksUrl } = scene.issuer;
  await using restarted = await watchedGateway({
    kv: await file.open(),
    clock,
    gatewayOptions: { idJag: { trustedIssuers: [{ issuer, jwksUrl }] } },
  });
  // until it would be refused for its age: five minutes and the skew
  for (const seconds of [0, 300, 59]) {
    clock.advance({ seconds });
    for (const assertion of [first, raced]) {
      const form = {
        grant_type: JWT_BEARER,
        client_id: client.clientId,
        client_secret: client.clientSecret,
        assertion,
      };
      await assertOAuthError(await postForm(restarted, "/oauth/token", form), "invalid_grant");
    }
  }
  const refusals = restarted.events.filter(({ event }) => event === "mcp_auth_downstream_token_refused");
  assert.deepEqual(
    refusals.map(({ reasonCode }) => reasonCode),
    Array.from({ length: 6 }, () => "id_jag_replayed"),
  );
});

Deno.test("the same id of two issuers is two assertions, and one subject of two issuers two users (B11 175, EM-06, EM-09)", async () => {
  await using second = startScriptedProvider({ clock: { now: () => Date.UTC(2026, 10, 21, 9) } });
  await using scene = await idJagScene({ second });
  const claims = { jti: "the-same", sub: "alice" };
  await tokensOf(await scene.present(scene.assertion({ claims })));
  await tokensOf(await scene.present(scene.assertion({ claims, issuer: second })));
  await tokensOf(await scene.present(scene.assertion()));
  const [one, other, oneAgain] = users(scene);
  assert.notEqual(one, other);
  assert.equal(one, oneAgain);
  // One trusted issuer cannot speak for the other.
  const forged = scene.assertion({ issuer: second, claims: { iss: scene.issuer.issuer } });
  await assertOAuthError(await scene.present(forged), "invalid_grant");
});

Deno.test("an issuer that is not in the list, or no longer, is refused, and its keys are not fetched (B11 163, EM-03)", async () => {
  await using file = await kvFile();
  await using other = startScriptedProvider({ clock: { now: () => Date.UTC(2026, 10, 21, 9) } });
  await using scene = await idJagScene({ kv: file.kv });
  await assertOAuthError(await scene.present(scene.assertion({ issuer: other })), "invalid_grant");
  const { issuer } = scene.issuer;
  for (const iss of [`${issuer}/`, issuer.toUpperCase(), ` ${issuer}`, [issuer], { issuer }, null, ""]) {
    const answer = await scene.present(scene.assertion({ claims: { iss } }));
    await assertOAuthError(answer, "invalid_grant", { what: JSON.stringify(iss) });
  }
  await tokensOf(await scene.present(scene.assertion()));
  const { clock, client } = scene;
  await using changed = await watchedGateway({
    kv: await file.open(),
    clock,
    gatewayOptions: {
      idJag: { trustedIssuers: [{ issuer: "https://idp.example", jwksUrl: other.jwksUrl }] },
    },
  });
  const form = {
    grant_type: JWT_BEARER,
    client_id: client.clientId,
    client_secret: client.clientSecret,
    assertion: scene.assertion(),
  };
  await assertOAuthError(await postForm(changed, "/oauth/token", form), "invalid_grant");
  assert.equal(other.counts.jwks, 0);
});

Deno.test("an issuer's expectedClientIds are the only clients that present its assertions (B11 166, EM-05)", async () => {
  const expectedClientIds = ["somebody-else"];
  await using scene = await idJagScene({ trusted: { expectedClientIds } });
  await assertOAuthError(await scene.present(scene.assertion()), "invalid_grant");
  await assertOAuthError(
    await scene.present(scene.assertion({ claims: { client_id: "somebody-else" } })),
    "invalid_grant",
  );
  await using file = await kvFile();
  await using open = await idJagScene({ kv: file.kv });
  await using listed = await watchedGateway({
    kv: await file.open(),
    clock: open.clock,
    gatewayOptions: {
      idJag: {
        trustedIssuers: [{
          issuer: open.issuer.issuer,
          jwksUrl: open.issuer.jwksUrl,
          expectedClientIds: [open.client.clientId],
        }],
      },
    },
  });
  const { clientId, clientSecret } = open.client;
  const form = {
    grant_type: JWT_BEARER,
    client_id: clientId,
    client_secret: clientSecret,
    assertion: open.assertion(),
  };
  await tokensOf(await postForm(listed, "/oauth/token", form));
});
