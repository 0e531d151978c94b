/** Rotating the keys of a gateway that people use, from the first start to the day the old key is gone: `deno task rotate` as a process. */
import assert from "node:assert/strict";
import { createKeyRingEntry, parseKeyRing } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import { systemClock } from "../../lib/runtime/clock.ts";
import { SEALED_COLLECTIONS } from "../../lib/store/key_rotation.ts";
import { rowSealedWith } from "../../lib/store/record_bytes.ts";
import { retryWhileLocked } from "../../lib/store/retry.ts";
import { sessions } from "../../lib/store/schema.ts";
import { Store } from "../../lib/store/store.ts";
import { serveDemo } from "../../examples/demo/server.ts";
import { freePort, TestChild } from "../support/child_process.ts";
import { close, connectV1 } from "../support/clients.ts";
import { type GatewayProcess, startGateway } from "../support/gateway_process.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import { callMcp } from "../support/oauth_flow.ts";

const task = new URL("../../tasks/rotate.ts", import.meta.url).href;
const denoJson = new URL("../../deno.json", import.meta.url).href;
const [K1, K2] = ["k1", "k2"].map((id) => createKeyRingEntry(id, systemRandom)) as [string, string];

/** Starts the task on the store in `folder`, with the permissions that its entry in `deno.json` gives. */
async function rotation(folder: string, ring: string, ...args: string[]): Promise<TestChild> {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL(denoJson)));
  const permissions = String(tasks.rotate.command).split(" ").filter((word) => word.startsWith("--allow-"));
  return new TestChild({
    args: [
      "run",
      "--no-prompt",
      ...permissions.map((each) => each.replace(/^--allow-(read|write)=.*/, `--allow-$1=${folder}`)),
      task,
      ...args,
    ],
    cwd: folder,
    env: { GATEWAY_KV: `${folder}/gateway.kv`, GATEWAY_ENCRYPTION_KEYS: ring },
  });
}

async function rotate(
  folder: string,
  ring: string,
  ...args: string[]
): Promise<{ code: number; said: string }> {
  const child = await rotation(folder, ring, ...args);
  const { code } = await child.status;
  return { code, said: child.lines.join("\n") };
}

async function withFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-rotate-" });
  try {
    await act(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Which keys have sealed what is in the store, and how much. */
function sealers(folder: string): Promise<Record<string, number>> {
  return retryWhileLocked(() => countSealers(folder));
}

async function countSealers(folder: string): Promise<Record<string, number>> {
  using kv = await Deno.openKv(`${folder}/gateway.kv`);
  const counts: Record<string, number> = {};
  const ring = parseKeyRing(K2, systemRandom);
  for (const { name } of SEALED_COLLECTIONS) {
    for await (const { value } of kv.list({ prefix: [name] })) {
      const keyId = rowSealedWith(ring, value) ?? "none";
      counts[keyId] = (counts[keyId] ?? 0) + 1;
    }
  }
  return counts;
}

Deno.test("a key is added, everything is sealed with it while the gateway runs, and the old one goes: nobody signs in or connects again (B15 248)", () =>
  withFolder(async (folder) => {
    const demo = serveDemo({ port: 0, accessTokenSeconds: 2 });
    const port = freePort();
    const start = (ring: string): Promise<GatewayProcess> =>
      startGateway({
        folder,
        port,
        env: { GATEWAY_ENCRYPTION_KEYS: ring },
        config: `
          import { defineGateway, mcpDevOAuth, mcpProxy, tokenExchange } from "@sallyport/gateway";
          export default defineGateway({
            oauth: mcpDevOAuth(),
            routes: [mcpProxy("/mcp/demo", {
              operationId: "demo",
              upstream: "${demo.url}",
              policies: [tokenExchange({ id: "demo", displayName: "Demo" })],
            })],
          });`,
      });
    const oauth = new HeadlessOAuthProvider({ approval: { connect: true } });
    const browser = oauth.browser;
    const url = new URL(`http://127.0.0.1:${port}/mcp/demo`);
    let gateway = await start(K1);
    try {
      await close(await connectV1(url, { oauth }));
      const token = oauth.tokens()?.access_token ?? "";
      const ask = { fetch: (path: string | URL, init?: RequestInit) => fetch(new URL(path, url), init) };
      const whoAmI = async () => {
        const params = { name: "who_am_i", arguments: {} };
        const answer = await callMcp(ask, "/mcp/demo", token, {
          message: { jsonrpc: "2.0", id: 1, method: "tools/call", params },
        });
        return await answer.text();
      };
      assert.match(await whoAmI(), /"ada"/);
      const account = await browser.get(`${gateway.origin}/account`);

      // Too early: no gateway could read what is sealed with the new key.
      const early = await rotate(folder, `${K2},${K1}`);
      assert.equal(early.code, 1, early.said);
      assert.match(early.said, /No gateway has started with "k2"/);
      await gateway.stop();

      // Without the old key there is no start, and it says why.
      await assert.rejects(start(K2), /GATEWAY_ENCRYPTION_KEYS lacks the key "k1"/);
      gateway = await start(`${K2},${K1}`);
      assert.match(await whoAmI(), /"ada"/);
      // A page of before the restart: its form is signed with the old key.
      const cancelled = await browser.submit(account, { action: "sign_out" });
      assert.equal(cancelled.status, 200);
      assert.ok(!cancelled.html.includes("no longer valid"), cancelled.html);
      assert.ok(((await sealers(folder)).k1 ?? 0) > 0);

      const rotated = await rotate(folder, `${K2},${K1}`);
      assert.equal(rotated.code, 0, rotated.said);
      assert.match(rotated.said, /Nothing is sealed with "k1" any more/);
      assert.deepEqual(Object.keys(await sealers(folder)), ["k2"]);
      assert.match(await whoAmI(), /"ada"/);
      const again = await rotate(folder, `${K2},${K1}`);
      assert.match(again.said, /Sealed with "k2" now: 0 records more/);
      await gateway.stop();

      gateway = await start(K2);
      // By now the demo's token has expired: the refresh token came through as well.
      await new Promise((resolve) => setTimeout(resolve, 2100));
      assert.match(await whoAmI(), /"ada"/);
      assert.equal(
        (await rotate(folder, K2)).said.split("\n").at(-1),
        "Nothing is sealed with any other key.",
      );
      assert.ok(!gateway.events.some(({ event }) => event === "store_record_unreadable"));
    } finally {
      await gateway.stop();
      await demo.close();
    }
  }));

Deno.test("`kill -9` in the middle of a rotation loses nothing, and the next one goes on where it was (F05, B15 248)", () =>
  withFolder(async (folder) => {
    const rows = 4000;
    const clock = systemClock;
    const end = clock.now() + 3_600_000;
    const kv = await Deno.openKv(`${folder}/gateway.kv`);
    const old = new Store({ kv, clock, keyRing: parseKeyRing(K1, systemRandom) });
    for (let n = 0; n < rows; n += 100) {
      const write = old.write();
      for (let each = n; each < n + 100; each++) write.set(sessions, [`s${each}`], row(each, end));
      await write.commit();
    }
    kv.close();

    let cut = 0;
    for (let kills = 0; kills < 40 && cut < 4; kills++) {
      const child = await rotation(folder, `${K2},${K1}`);
      // Killed once it has begun to write: somewhere in the middle.
      let ended = false;
      child.status.then(() => ended = true);
      const before = (await sealers(folder)).k2 ?? 0;
      while (!ended && ((await sealers(folder)).k2 ?? 0) === before) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await child.stop({ signal: "SIGKILL" });
      const counts = await sealers(folder);
      assert.equal((counts.k1 ?? 0) + (counts.k2 ?? 0), rows);
      if ((counts.k1 ?? 0) > 0 && (counts.k2 ?? 0) > before) cut++;
      if ((counts.k1 ?? 0) === 0) break;
    }
    assert.ok(cut > 0, "no kill came in the middle");
    const last = await rotate(folder, `${K2},${K1}`);
    assert.equal(last.code, 0, last.said);
    assert.deepEqual(await sealers(folder), { k2: rows });
    const after = await Deno.openKv(`${folder}/gateway.kv`);
    const fresh = new Store({ kv: after, clock, keyRing: parseKeyRing(K2, systemRandom) });
    let read = 0;
    for await (const { id: [id], value } of fresh.list(sessions)) {
      assert.deepEqual(value, row(Number(id.slice(1)), end));
      read++;
    }
    after.close();
    assert.equal(read, rows);
  }));

function row(n: number, expiresAt: number) {
  return {
    userId: `u${n}`,
    issuer: "https://idp.example",
    subject: `s${n}`,
    name: "x".repeat(200),
    email: null,
    emailVerified: false,
    signedInAt: n,
    expiresAt,
  };
}

Deno.test("a lost key: rotate says what is sealed with it, and deletes that only when it is told to", () =>
  withFolder(async (folder) => {
    const kv = await Deno.openKv(`${folder}/gateway.kv`);
    const store = new Store({ kv, clock: systemClock, keyRing: parseKeyRing(K1, systemRandom) });
    await store.write().set(sessions, ["a"], row(1, systemClock.now() + 3_600_000)).commit();
    kv.close();
    const refused = await rotate(folder, K2);
    assert.equal(refused.code, 1);
    assert.match(refused.said, /lacks the key "k1"[\s\S]*Left: 1 records of "k1"/);
    assert.deepEqual(await sealers(folder), { k1: 1 });
    const inRing = await rotate(folder, K2, "--discard=k2");
    assert.equal(inRing.code, 1);
    assert.match(inRing.said, /leave out --discard/);
    const discarded = await rotate(folder, K2, "--discard=k1");
    assert.equal(discarded.code, 0, discarded.said);
    assert.match(discarded.said, /Deleted, since their key is lost: 1 records/);
    assert.deepEqual(await sealers(folder), {});
    const usage = await rotate(folder, K2, "--drop=k1");
    assert.equal(usage.code, 2);
    const nothing = await rotate(folder, "");
    assert.equal(nothing.code, 1);
    assert.match(nothing.said, /There is no key ring/);
  }));
