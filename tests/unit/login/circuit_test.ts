/** The circuit in front of a provider that does not answer. */
import assert from "node:assert/strict";
import { Circuit, CircuitOpenError } from "../../../lib/login/circuit.ts";
import { FakeClock } from "../../support/fake_clock.ts";

function circuit() {
  const clock = new FakeClock();
  const subject = new Circuit({ failures: 3, openMs: 1_000, inFlight: 4 }, clock);
  const state = { asked: 0 };
  const fail = () => subject.run(() => (state.asked++, Promise.reject(new Error("silent"))), () => true);
  const refuse = () => subject.run(() => (state.asked++, Promise.reject(new Error("no"))), () => false);
  const succeed = () => subject.run(() => Promise.resolve(++state.asked), () => true);
  return { clock, subject, state, fail, refuse, succeed };
}

Deno.test("failures in a row open it: then nobody is made to wait (B17 266)", async () => {
  const { fail, succeed, state } = circuit();
  for (let time = 0; time < 3; time++) await assert.rejects(fail(), /silent/);
  for (let time = 0; time < 3; time++) await assert.rejects(succeed(), CircuitOpenError);
  assert.equal(state.asked, 3);
});

Deno.test("an answer between failures, of whatever kind, starts the count again", async () => {
  const { fail, refuse, succeed } = circuit();
  for (const answer of [() => succeed(), () => assert.rejects(refuse(), /no/)]) {
    for (let time = 0; time < 2; time++) await assert.rejects(fail(), /silent/);
    await answer();
  }
  await assert.rejects(fail(), /silent/);
  assert.ok(await succeed());
});

Deno.test("after a while one tries; its success closes the circuit, its failure opens it for as long again", async () => {
  const { fail, succeed, clock, state } = circuit();
  for (let time = 0; time < 3; time++) await assert.rejects(fail(), /silent/);
  clock.advance({ ms: 999 });
  await assert.rejects(succeed(), CircuitOpenError);
  clock.advance({ ms: 1 });
  await assert.rejects(fail(), /silent/);
  await assert.rejects(succeed(), CircuitOpenError);
  clock.advance({ ms: 1_000 });
  const tries = await Promise.allSettled([succeed(), succeed(), succeed()]);
  assert.deepEqual(tries.map(({ status }) => status), ["fulfilled", "rejected", "rejected"]);
  assert.ok(await succeed());
  assert.equal(state.asked, 6);
});

Deno.test("no more than so many wait at the same time, and the place of each is free again", async () => {
  const { subject, succeed } = circuit();
  const gate = Promise.withResolvers<void>();
  const waiting = Array.from({ length: 4 }, () => subject.run(() => gate.promise, () => true));
  await assert.rejects(succeed(), CircuitOpenError);
  gate.resolve();
  await Promise.all(waiting);
  assert.ok(await succeed());
});
