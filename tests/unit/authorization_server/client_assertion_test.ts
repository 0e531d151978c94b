/** Client assertions below the router: which keys count, who is claimed, and that one is used up. */
import assert from "node:assert/strict";
import type { Client } from "../../../lib/authorization_server/client.ts";
import {
  claimedClientId,
  ClientKeys,
  verifyClientAssertion,
} from "../../../lib/authorization_server/client_assertion.ts";
import { OutboundError } from "../../../lib/http/outbound_fetch.ts";
import { usedAssertions } from "../../../lib/store/schema.ts";
import { assertionOf, jwtParts, signingKey } from "../../support/assertions.ts";
import { testServices } from "../../support/services.ts";
import { ORIGIN, refuses, someClient } from "./stage.ts";

const nobody = new ClientKeys(() => Promise.reject(new Error("nothing is fetched here")));

function withKeys(client: Client, keys: { jwks?: Client["jwks"]; jwksUri?: string }): Client {
  return {
    ...client,
    jwks: keys.jwks ?? null,
    jwksUri: keys.jwksUri ?? null,
    authMethods: ["private_key_jwt"],
  };
}

Deno.test("`claimedClientId()` names a client only if `iss` and `sub` agree, and never throws (B8 133)", () => {
  const claimed = (claims: unknown) => claimedClientId(jwtParts({ alg: "none" }, claims, ""));
  assert.equal(claimed({ iss: "a", sub: "a" }), "a");
  for (
    const claims of [
      { iss: "a", sub: "b" },
      { iss: "a" },
      { sub: "a" },
      {},
      { iss: 1, sub: 1 },
      [],
      "x",
      null,
    ]
  ) {
    assert.equal(claimed(claims), null, JSON.stringify(claims));
  }
  for (const text of ["", ".", "..", "a.b.c", "💥", `${"a".repeat(20_000)}.b.c`]) {
    assert.equal(claimedClientId(text), null);
  }
});

Deno.test("`verifyClientAssertion()` uses an assertion up until it has expired, and not longer (B8 133)", async () => {
  using services = await testServices();
  const key = await signingKey("1");
  const client = withKeys(await someClient(services), { jwks: { keys: [{ ...key.publicJwk }] } });
  const who = { clientId: client.clientId, audience: ORIGIN, clock: services.clock };
  const assertion = await assertionOf(key, who, { claims: { jti: "x" } });
  const verify = () =>
    verifyClientAssertion(services, nobody.of(client), { client, assertion, audiences: [ORIGIN] });
  await verify();
  await refuses(verify, "invalid_client", "assertion_replayed");
  const rows = await Array.fromAsync(services.kv.list({ prefix: [usedAssertions.name] }));
  assert.equal(rows.length, 1);
  assert.doesNotMatch(JSON.stringify(rows[0]?.key), /"x"/);
  // To the last second of the skew it is a replay, and then it has expired.
  services.clock.advance({ seconds: 89 });
  await refuses(verify, "invalid_client", "assertion_replayed");
  services.clock.advance({ seconds: 1 });
  await refuses(verify, "invalid_client", "assertion_refused");
});

Deno.test("of fifty parallel uses one passes (B8 133)", async () => {
  using services = await testServices();
  const key = await signingKey("1");
  const client = withKeys(await someClient(services), { jwks: { keys: [{ ...key.publicJwk }] } });
  const assertion = await assertionOf(key, {
    clientId: client.clientId,
    audience: ORIGIN,
    clock: services.clock,
  });
  const all = await Promise.allSettled(
    Array.from(
      { length: 50 },
      () => verifyClientAssertion(services, nobody.of(client), { client, assertion, audiences: [ORIGIN] }),
    ),
  );
  assert.equal(all.filter(({ status }) => status === "fulfilled").length, 1);
});

Deno.test("refusals are told apart in the log alone (AS-56)", async () => {
  using services = await testServices();
  const key = await signingKey("1");
  const client = withKeys(await someClient(services), { jwks: { keys: [{ ...key.publicJwk }] } });
  const who = { clientId: client.clientId, audience: ORIGIN, clock: services.clock };
  const now = Math.floor(services.clock.now() / 1000);
  const table: [Record<string, unknown>, string][] = [
    [{ aud: "https://other.example" }, "assertion_audience"],
    [{ aud: [ORIGIN] }, "assertion_audience"],
    [{ exp: now + 331 }, "assertion_lives_too_long"],
    [{ jti: 7 }, "assertion_without_jti"],
    [{ jti: null }, "assertion_refused"],
    [{ exp: now - 31 }, "assertion_refused"],
    [{ sub: "other" }, "assertion_refused"],
  ];
  for (const [claims, reason] of table) {
    const assertion = await assertionOf(key, who, { claims });
    await refuses(
      () => verifyClientAssertion(services, nobody.of(client), { client, assertion, audiences: [ORIGIN] }),
      "invalid_client",
      reason,
    );
  }
  const assertion = await assertionOf(key, who);
  await refuses(
    () => verifyClientAssertion(services, null, { client, assertion, audiences: [ORIGIN] }),
    "invalid_client",
    "client_without_keys",
  );
});

Deno.test("`ClientKeys` keeps one key set per address, asks again when it must, and falls back on the last (AS-56)", async () => {
  using services = await testServices();
  const key = await signingKey("1");
  let answer: () => Response = () => Response.json({ keys: [key.publicJwk] });
  let asked = 0;
  const keys = new ClientKeys(() => {
    asked++;
    return Promise.resolve(answer());
  });
  const client = withKeys(await someClient(services), { jwksUri: "https://keys.example/1" });
  const verify = async () =>
    await verifyClientAssertion(services, keys.of(client), {
      client,
      audiences: [ORIGIN],
      assertion: await assertionOf(key, {
        clientId: client.clientId,
        audience: ORIGIN,
        clock: services.clock,
      }),
    });
  answer = () => new Response(null, { status: 503 });
  await refuses(verify, "temporarily_unavailable", "client_keys_unreachable");
  answer = () => Response.json({ keys: [key.publicJwk] });
  await verify();
  await verify();
  assert.equal(asked, 2);
  const realNow = Date.now;
  Date.now = () => realNow() + 700_000;
  try {
    answer = () => {
      throw new OutboundError("down");
    };
    await verify();
    assert.ok(asked > 2);
    // An answer that was had counts, whatever it says.
    answer = () => Response.json({ keys: [] });
    await refuses(verify, "invalid_client", "assertion_refused");
  } finally {
    Date.now = realNow;
  }
});

Deno.test("`ClientKeys` remembers 200 addresses (B3 056)", async () => {
  using services = await testServices();
  const client = await someClient(services);
  const at = (n: number) => nobody.of(withKeys(client, { jwksUri: `https://keys.example/${n}` }));
  const first = at(0);
  assert.equal(at(0), first);
  for (let n = 1; n < 200; n++) at(n);
  assert.equal(at(0), first);
  at(200);
  assert.notEqual(at(0), first);
});
