/** A login on its way: one browser, one use, one lifetime. */
import assert from "node:assert/strict";
import { beginLogin, findLogin, finishLogin } from "../../../lib/login/login.ts";
import { testServices } from "../../support/services.ts";

const start = {
  browser: "br_this",
  returnTo: "/oauth/setup?transaction=t",
  origin: "https://gw.test",
  loginHint: "alice",
  ttlSeconds: 600,
};

Deno.test("a login keeps where it goes and the secrets of its own", async () => {
  using services = await testServices();
  const [{ loginId: a }, { loginId: b }] = [
    await beginLogin(services, start),
    await beginLogin(services, start),
  ];
  const [one, two] = [await findLogin(services, a, "br_this"), await findLogin(services, b, "br_this")];
  assert.deepEqual([one?.value.returnTo, one?.value.origin, one?.value.loginHint], [
    start.returnTo,
    start.origin,
    "alice",
  ]);
  assert.match(one?.value.codeVerifier ?? "", /^[A-Za-z0-9_-]{43}$/);
  for (const secret of ["csrfToken", "nonce", "codeVerifier"] as const) {
    assert.notEqual(one?.value[secret], two?.value[secret]);
  }
  assert.equal(new Set([one?.value.csrfToken, one?.value.nonce, one?.value.codeVerifier, a]).size, 4);
});

Deno.test("only the browser that began it finds it (B7 105, B6 101)", async () => {
  using services = await testServices();
  const { loginId: id } = await beginLogin(services, start);
  for (const browser of [undefined, "", "br_other"]) {
    assert.equal(await findLogin(services, id, browser), null);
  }
  assert.equal(await findLogin(services, "unknown", "br_this"), null);
});

Deno.test("a login is finished by one of many, and ends unfinished after its lifetime (AS-30)", async () => {
  using services = await testServices();
  const { loginId: id } = await beginLogin(services, start);
  const entry = await findLogin(services, id, "br_this");
  assert.ok(entry);
  const finished = await Promise.all(Array.from({ length: 20 }, () => finishLogin(services, entry)));
  assert.equal(finished.filter(Boolean).length, 1);
  assert.equal(await findLogin(services, id, "br_this"), null);
  const { loginId: late } = await beginLogin(services, start);
  services.clock.advance({ seconds: 600 });
  assert.equal(await findLogin(services, late, "br_this"), null);
});
