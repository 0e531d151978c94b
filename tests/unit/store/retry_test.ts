/** What is tried again while another process holds the file, and what is not. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { retryWhileLocked } from "../../../lib/store/retry.ts";
import { TestChild } from "../../support/child_process.ts";
import { kvFile } from "../../support/kv_file.ts";
import { testServices } from "../../support/services.ts";
import { counters, marks } from "./contender.ts";

const contender = fileURLToPath(import.meta.resolve("./contender.ts"));
const configuration = fileURLToPath(import.meta.resolve("../../../deno.json"));

Deno.test("`retryWhileLocked()` tries again as long as the database is locked", async () => {
  let attempts = 0;
  const result = await retryWhileLocked(() => {
    attempts++;
    return attempts < 10 ? Promise.reject(new TypeError("database is locked")) : Promise.resolve("done");
  });
  assert.deepEqual([result, attempts], ["done", 10]);
});

Deno.test("`retryWhileLocked()` repeats no other failure", async () => {
  for (
    const failure of [new Error("disk I/O error"), new TypeError("Value too large"), "database is locked"]
  ) {
    let attempts = 0;
    const attempt = () => retryWhileLocked(() => (attempts++, Promise.reject(failure)));
    await assert.rejects(attempt, (thrown) => thrown === failure);
    assert.equal(attempts, 1);
  }
});

Deno.test("`retryWhileLocked()` gives up after 60 attempts", async () => {
  let attempts = 0;
  await assert.rejects(
    () => retryWhileLocked(() => (attempts++, Promise.reject(new Error("database is locked")))),
    /database is locked/,
  );
  assert.equal(attempts, 60);
});

Deno.test("three processes on one file lose no increment and no request (F09)", async () => {
  await using file = await kvFile();
  using services = await testServices({ kv: file.kv });
  const { store } = services;
  const expiresAt = Date.now() + 600_000;
  await store.write().set(counters, ["all"], { count: 0, expiresAt }).commit();
  const args = ["run", "-A", "--config", configuration, contender, file.path, "200"];
  const children = [1, 2, 3].map(() => new TestChild({ args }));
  for (const child of children) {
    assert.equal((await child.status).code, 0, child.lines.join("\n"));
  }
  assert.equal((await store.get(counters, "all"))?.value.count, 600);
  assert.equal((await Array.fromAsync(store.list(marks))).length, 600);
});
