/** Attack corpus B15: rows that somebody with the file moves, alters or replaces. They open nowhere else, and only their owner notices. */
import assert from "node:assert/strict";
import { KeyRing } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import { rowOf } from "../../lib/store/record_bytes.ts";
import { connections } from "../../lib/store/upstream_schema.ts";
import {
  call,
  connected,
  type SceneUser,
  signedIn,
  textOf,
  upstreamScene,
} from "../support/upstream_scene.ts";
import { callbackUrlOf, type ConnectScene, type PairScene, pairScene } from "./connect_scene.ts";

type Row = Deno.KvEntry<Uint8Array>;

async function rows({ gateway }: Pick<ConnectScene, "gateway">, kind: string): Promise<Row[]> {
  return await Array.fromAsync(gateway.kv.list<Uint8Array>({ prefix: [kind] }));
}

/** The user's call is answered as if nothing were connected, and nothing of it goes upstream. */
async function assertConnectRequired(scene: PairScene, user: SceneUser, what: string): Promise<void> {
  const before = scene.upstream.calls.length + scene.upstream.refused.length;
  const { body } = await call(scene, user);
  assert.equal(body.error?.data?.state, "authenticating", `${what}: ${JSON.stringify(body)}`);
  assert.equal(scene.upstream.calls.length + scene.upstream.refused.length, before, what);
}

/** How often an unreadable row of the kind was told about, as an error. */
function alarms({ gateway }: Pick<ConnectScene, "gateway">, collection: string): number {
  return gateway.events.filter((event) =>
    event.event === "store_record_unreadable" && event.level === "error" && event.collection === collection
  ).length;
}

async function reconnect(scene: PairScene, user: SceneUser): Promise<void> {
  assert.equal((await user.browser.get(await callbackUrlOf(scene, user))).url.pathname, "/account");
}

/** What a process keeps of a row for a moment has to go by first. */
const settle = ({ clock }: Pick<PairScene, "clock">) => clock.advance({ seconds: 10 });

Deno.test("credentials moved between users or connections open for neither; an alarm is raised, everybody else goes on, and connecting mends it (B15 245, UP-17)", async () => {
  await using scene = await pairScene();
  const { gateway, upstream, evil } = scene;
  const users: SceneUser[] = [];
  for (const name of ["alice", "bob", "carol"]) {
    upstream.script.account = `account of ${name}`;
    const user = await signedIn(scene, name);
    await reconnect(scene, user);
    users.push(user);
  }
  const [alice, bob, carol] = users;
  assert.ok(alice && bob && carol);
  evil.script.account = "account at evil";
  await alice.browser.get(await callbackUrlOf(scene, alice, "evil"));
  const all = await rows(scene, "connection");
  const ofEvil = all.find(({ key }) => key[2] === "evil");
  const owner = ofEvil?.key[1];
  const ofAlice = all.find(({ key }) => key[1] === owner && key[2] === "acme");
  const others = all.filter(({ key }) => key[1] !== owner);
  // Whose of the two is Bob's does not matter: both stay with their owners.
  const [ofBob] = others;
  assert.ok(ofAlice && ofBob && ofEvil && all.length === 4);
  const put = async (row: Row, value: Uint8Array) => void await gateway.kv.set(row.key, value);
  const calls = async () => await Promise.all([alice, bob, carol].map((user) => call(scene, user)));

  // Two users' rows of one connection.
  await put(ofAlice, ofBob.value);
  await put(ofBob, ofAlice.value);
  settle(scene);
  const before = upstream.calls.length;
  const answers = await calls();
  const states = answers.map(({ body }) => body.error?.data?.state ?? textOf({ body }));
  assert.equal(states[0], "authenticating");
  assert.deepEqual(states.filter((state) => state === "authenticating").length, 2);
  assert.equal(states.filter((state) => state?.startsWith("account of")).length, 1);
  assert.equal(upstream.calls.length, before + 1);
  assert.ok(alarms(scene, "connection") >= 2);

  // Put back, all is as before: nothing was lost.
  await put(ofAlice, ofAlice.value);
  await put(ofBob, ofBob.value);
  settle(scene);
  assert.deepEqual((await calls()).map(textOf), ["account of alice", "account of bob", "account of carol"]);

  // One user's rows of two connections, and a credential copied to an owner who has none.
  await put(ofAlice, ofEvil.value);
  await put(ofEvil, ofAlice.value);
  settle(scene);
  await assertConnectRequired(scene, alice, "the row of the other connection");
  await gateway.kv.set(["connection", "@shared", "acme"], ofBob.value);
  await gateway.kv.set(["connection", String(owner), "third"], ofBob.value);
  settle(scene);
  assert.equal((await Array.fromAsync(gateway.services.store.list(connections))).length, 2);
  upstream.script.account = "account of alice";
  await reconnect(scene, alice);
  assert.deepEqual((await calls()).map(textOf), ["account of alice", "account of bob", "account of carol"]);
});

Deno.test("rows of another kind, another user's session or a connect of somebody else do not open in their new place (B15 245)", async () => {
  await using scene = await pairScene();
  const { gateway, upstream } = scene;
  const [alice, bob] = [await signedIn(scene, "alice"), await signedIn(scene, "bob")];
  const sessions = await rows(scene, "session");
  assert.equal(sessions.length, 2);
  for (const [index, row] of sessions.entries()) {
    await gateway.kv.set(row.key, sessions[1 - index]?.value);
  }
  for (const { browser } of [alice, bob]) {
    // Nobody is signed in as the other one; both have to sign in anew.
    const page = await browser.get(`${gateway.origin}/account`);
    assert.equal(page.url.pathname, "/oauth/dev-login");
  }
  for (const row of sessions) await gateway.kv.set(row.key, row.value);
  const [mine, theirs] = [await callbackUrlOf(scene, alice), await callbackUrlOf(scene, bob)];
  const connects = await rows(scene, "connect");
  assert.equal(connects.length, 2);
  for (const [index, row] of connects.entries()) {
    await gateway.kv.set(row.key, connects[1 - index]?.value);
  }
  for (const [user, url] of [[alice, mine], [bob, theirs]] as const) {
    assert.equal((await user.browser.get(url)).status, 403);
  }
  assert.equal(upstream.at("/token").length, 0);
  // A user's record as a credential, a credential as a session.
  const [user] = await rows(scene, "user");
  await gateway.kv.set(["connection", String(user?.key[1]), "acme"], user?.value);
  settle(scene);
  await assertConnectRequired(scene, alice, "a row of another kind");
  assert.ok(alarms(scene, "session") > 0 && alarms(scene, "connect") > 0 && alarms(scene, "connection") > 0);
});

Deno.test("a row that is flipped, cut, emptied, replaced by plain JSON or sealed with a foreign key fails its owner alone (B15 246)", async () => {
  await using scene = await pairScene();
  const { gateway, upstream } = scene;
  upstream.script.account = "account of bob";
  const bob = await signedIn(scene, "bob");
  await reconnect(scene, bob);
  upstream.script.account = "account of alice";
  const alice = await signedIn(scene, "alice");
  const earlier = new Set((await rows(scene, "connection")).map(({ key }) => JSON.stringify(key)));
  await reconnect(scene, alice);
  const row = (await rows(scene, "connection")).find(({ key }) => !earlier.has(JSON.stringify(key)));
  assert.ok(row);
  const { key, value } = row;
  const [entry] = (await Array.fromAsync(gateway.services.store.list(connections)))
    .filter(({ id }) => id[0] === key[1]);
  const record = JSON.stringify(entry?.value);
  const foreign = new KeyRing([{ id: "test", bytes: systemRandom(32) }], systemRandom);
  const flip = (at: number) => value.map((byte, index) => index === at ? byte ^ 1 : byte);
  const idEnd = 2 + "test".length;
  const bent: Readonly<Record<string, unknown>> = {
    "the format": flip(0),
    "the length of the key id": flip(1),
    "the key id": flip(2),
    "the nonce": flip(idEnd),
    "the ciphertext": flip(idEnd + 12),
    "the last byte of the tag": flip(value.length - 1),
    "a missing byte": value.subarray(0, -1),
    "half": value.subarray(0, value.length >> 1),
    "the head alone": value.subarray(0, idEnd),
    "an added byte": new Uint8Array([...value, 0]),
    "nothing": new Uint8Array(0),
    "plain JSON": new TextEncoder().encode(record),
    "plain JSON as an unsealed row": new Uint8Array([1, ...new TextEncoder().encode(record)]),
    "plain JSON as a sealed row": new Uint8Array([2, ...new TextEncoder().encode(record)]),
    "another key of the same name": rowOf(
      foreign,
      { collection: connections, id: [String(key[1]), "acme"] },
      new TextEncoder().encode(record),
    ),
    "KV's own object": JSON.parse(record),
    "a text": record,
  };
  for (const [what, altered] of Object.entries(bent)) {
    await gateway.kv.set(key, altered);
    settle(scene);
    const before = alarms(scene, "connection");
    await assertConnectRequired(scene, alice, what);
    assert.ok(alarms(scene, "connection") > before, what);
    assert.equal(textOf(await call(scene, bob)), "account of bob", what);
    // Pages and lists go on, too, and offer to connect.
    const account = await alice.browser.get(`${gateway.origin}/account`);
    assert.ok(account.forms.some((form) => form.choices.some((choice) => choice.value === "connect")), what);
  }
  await reconnect(scene, alice);
  assert.equal(textOf(await call(scene, alice)), "account of alice");
});

Deno.test("an older version of a row is the owner's own, and the upstream has the last word on it: no one else's, no plain error (B15 245, B15 250)", async () => {
  // No sealing can tell yesterday's row from today's: the version that KV gives a row is known only after it was sealed.
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const alice = await connected(scene);
  const [old] = await rows(scene, "connection");
  assert.ok(old);
  scene.clock.advance({ seconds: 70 });
  assert.equal(textOf(await call(scene, alice)), "account");
  await scene.gateway.kv.set(old.key, old.value);
  scene.clock.advance({ seconds: 10 });
  const { body } = await call(scene, alice);
  assert.equal(body.error?.data?.state, "reconsent_required");
  const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
  await alice.browser.submit(page, { decision: "connect" });
  assert.equal(textOf(await call(scene, alice)), "account");
});

Deno.test("our own rows that cannot be read are made anew: the signing key, a registration; a configured client stays with its issuer (B15 246)", async () => {
  {
    await using scene = await pairScene();
    const { gateway } = scene;
    const keys = async () => (await (await gateway.fetch("/.well-known/jwks.json")).json()).keys;
    const [first] = await keys();
    await gateway.kv.set(["signing_key", "current"], new Uint8Array([2, 4]));
    const [second] = await keys();
    assert.notEqual(second.kid, first.kid);
    assert.deepEqual(await keys(), [second]);
    const alice = await signedIn(scene);
    await reconnect(scene, alice);
    const [registration] = await rows(scene, "upstream_client");
    await gateway.kv.set(registration?.key ?? [], new Uint8Array([2, 4]));
    await reconnect(scene, alice);
    assert.equal(scene.upstream.at("/register").length, 2);
    assert.equal(textOf(await call(scene, alice)), "account");
  }
  await using scene = await upstreamScene({
    policy: { clientRegistration: { mode: "manual", clientId: "by-hand", clientSecret: "secret-by-hand" } },
  });
  const redirect_uris = [`${scene.gateway.origin}/auth/connections/acme/callback`];
  scene.upstream.addClient("by-hand", { redirect_uris, client_secret: "secret-by-hand" });
  await connected(scene);
  const [pin] = await rows(scene, "upstream_client");
  await scene.gateway.kv.set(pin?.key ?? [], new Uint8Array([2, 4]));
  const bob = await signedIn(scene, "bob");
  const sent = scene.upstream.at("/authorize").length;
  const page = await bob.browser.get(`${scene.gateway.origin}/auth/connections/acme/connect`);
  assert.equal((await bob.browser.submit(page, { decision: "connect" })).status, 502);
  assert.equal(scene.upstream.at("/authorize").length, sent);
});
