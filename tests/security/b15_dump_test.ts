/** Attack corpus B15: whoever reads the whole store, deleted pages and all, finds no secret in it, and what is found opens nothing. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync, inflateRawSync } from "node:zlib";
import { KeyRing, parseKeyRing } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import { HeadlessBrowser } from "../support/browser.ts";
import { TEST_KEYS } from "../support/harness.ts";
import { assertInvariants, canariesInFiles, spellings } from "../support/invariants.ts";
import { kvFile } from "../support/kv_file.ts";
import { authorizeUrl, callMcp, postForm, redeem, refresh, registerClient } from "../support/oauth_flow.ts";
import { call, signInAndConnect, textOf } from "../support/upstream_scene.ts";
import { type PublicConnectScene, publicConnectScene } from "./public_connect_scene.ts";

/** Collects what must not be found. */
class Canaries extends Set<string> {
  note(...values: (string | null | undefined)[]): void {
    for (const value of values) if (value && value.length >= 16 && !value.startsWith("http")) this.add(value);
  }
}

/** A browser and a fetch that note every secret which passes them, on our side and on that of the other servers. */
function watched({ gateway }: PublicConnectScene, seen: Canaries) {
  const secretNames = [
    "code",
    "state",
    "pending",
    "nonce",
    "code_verifier",
    "client_secret",
    "refresh_token",
    "csrf_token",
    "transaction",
  ];
  const names = (params: URLSearchParams) => secretNames.forEach((name) => seen.note(...params.getAll(name)));
  const ask = async (input: string | URL, init: RequestInit = {}) => {
    const url = new URL(input, gateway.origin);
    const response =
      await (url.origin === gateway.origin
        ? gateway.fetch(url, init)
        : fetch(url, { ...init, redirect: "manual" }));
    names(url.searchParams);
    if (typeof init.body === "string" && !init.body.startsWith("{")) names(new URLSearchParams(init.body));
    const location = response.headers.get("location");
    if (location !== null) names(new URL(location, url).searchParams);
    for (const cookie of response.headers.getSetCookie()) seen.note(/^[^=]+=([^;]*)/.exec(cookie)?.[1]);
    const text = await response.text();
    for (const [, value] of text.matchAll(/name="(?:csrf_token|transaction|pending)" value="([^"]+)"/g)) {
      seen.note(value);
    }
    if (text.startsWith("{") && url.origin === gateway.origin) {
      for (const name of ["access_token", "refresh_token", "client_secret", "registration_access_token"]) {
        const value: unknown = JSON.parse(text)[name];
        if (typeof value === "string") seen.note(value);
      }
    }
    return new Response(text === "" ? null : text, { status: response.status, headers: response.headers });
  };
  const browser = () =>
    new HeadlessBrowser({ fetch: (input, init) => ask(input instanceof Request ? input.url : input, init) });
  return { ask: { ...gateway, fetch: ask, browser }, browser };
}

/** Everything in the answers and requests of the upstream that is its secret or ours towards it. */
function noteUpstream({ upstream, provider }: PublicConnectScene, seen: Canaries): void {
  for (const { params } of upstream.requests) {
    for (const name of ["code", "state", "code_verifier", "refresh_token", "client_secret", "token"]) {
      seen.note(params.get(name));
    }
  }
  for (const { token } of upstream.calls) seen.note(token);
  for (const client of upstream.clients.values()) seen.note(String(client.client_secret));
  for (const { params } of provider.tokenRequests) seen.note(params.get("code"), params.get("code_verifier"));
}

/** Faults of a file's bytes beyond what {@linkcode canariesInFiles} looks for: packed parts are unpacked first. */
async function packedFaults(folder: string, canaries: Iterable<string>): Promise<string[]> {
  const faults: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile) continue;
    const content = Buffer.from(await Deno.readFile(`${folder}/${name}`));
    for (
      let at = content.indexOf("1f8b08", 0, "hex");
      at !== -1;
      at = content.indexOf("1f8b08", at + 1, "hex")
    ) {
      let plain: Buffer;
      try {
        // Behind the ten bytes of a gzip header; what follows the stream is another row.
        plain = inflateRawSync(content.subarray(at + 10));
      } catch {
        continue;
      }
      for (const canary of canaries) {
        if (plain.includes(canary)) faults.push(`${name}: ${canary.slice(0, 4)}… packed`);
      }
    }
  }
  return faults;
}

Deno.test("after logins, connects, refreshes, rotations, a disconnect and a sign-out no key, value, log or free page of the store holds a secret (B15 243, UP-17)", async () => {
  await using file = await kvFile();
  const seen = new Canaries();
  await using scene = await publicConnectScene({
    kv: file.kv,
    script: { tokenSeconds: 60, metadata: { token_endpoint_auth_methods_supported: ["client_secret_post"] } },
  });
  const { upstream, gateway, clock, provider } = scene;
  provider.script = {
    tokenResponse: {
      access_token: "provider-access-canary-1c9e",
      refresh_token: "provider-refresh-canary-77aa",
    },
  };
  seen.note("provider-access-canary-1c9e", "provider-refresh-canary-77aa", provider.clientSecret);
  const { ask, browser } = watched(scene, seen);
  const client = await registerClient(ask, { token_endpoint_auth_method: "client_secret_post" });
  const user = browser();
  // A call first, so that a link is given out and used; then the button of the setup page.
  const setup = await user.get(authorizeUrl(gateway, client, { state: "state-of-the-client-canary-03ce" }));
  const stopAt = (url: URL) => url.href.startsWith(client.redirectUri);
  const end = await user.submit(setup, { decision: "approve" }, { stopAt });
  const code = end.url.searchParams.get("code") ?? "";
  seen.note(code);
  const tokens = await (await redeem(ask, client, code)).json();
  const link = (await call(scene, { token: tokens.access_token })).body.error?.data?.authUrl ?? "";
  seen.note(new URL(link).searchParams.get("pending"));
  await user.submit(await user.get(link), { decision: "connect" });
  for (let round = 0; round < 3; round++) {
    assert.equal(textOf(await call(scene, { token: tokens.access_token })), "account");
    clock.advance({ seconds: 70 });
  }
  const pair = await (await refresh(ask, client, tokens.refresh_token)).json();
  await (await refresh(ask, client, tokens.refresh_token)).body?.cancel();
  await (await redeem(ask, client, code)).body?.cancel();
  // A second user with a client that is public, who disconnects and connects again.
  provider.script = { ...provider.script, subject: "bob" };
  const second = browser();
  await signInAndConnect({ gateway: { ...gateway, ...ask }, client: await registerClient(ask) }, second, "");
  await second.submit(await second.get(`${gateway.origin}/account`), { action: "disconnect" });
  await second.submit(await second.get(`${gateway.origin}/account`), { action: "connect" });
  // A connect that is left lying, one that is denied, one whose code is refused.
  const connect = `${gateway.origin}/auth/connections/acme/connect`;
  await second.submit(await second.get(connect), { decision: "connect" }, {
    stopAt: (url) => url.pathname === "/authorize",
  });
  upstream.script.deny = "access_denied";
  await second.submit(await second.get(connect), { decision: "connect" });
  upstream.script.deny = null;
  upstream.script.token = () => Response.json({ error: "invalid_grant" }, { status: 400 });
  await second.submit(await second.get(connect), { decision: "connect" });
  upstream.script.token = null;
  seen.note(pair.access_token, pair.refresh_token);
  noteUpstream(scene, seen);
  const check = async (when: string) => {
    await assertInvariants(file.kv, { now: clock.now(), canaries: seen });
    assert.deepEqual(await canariesInFiles(file.folder, seen), [], when);
    assert.deepEqual(await packedFaults(file.folder, seen), [], when);
  };
  assert.ok(seen.size >= 40, `${seen.size} secrets were seen`);
  await check("in use");
  await second.submit(await second.get(`${gateway.origin}/account`), { action: "sign_out" });
  await check("signed out");
  // E-mail addresses and what the user is called are nobody's to read either.
  for (const name of ["@example.test"]) {
    assert.deepEqual(await canariesInFiles(file.folder, [name]), [], name);
  }
});

Deno.test("the search itself finds a secret in every spelling, in keys and in values, and packed", async () => {
  const secret = "canary+of/some=kind-0123456789";
  for (const spelling of [...spellings(secret), Buffer.from(secret.toUpperCase().toLowerCase())]) {
    await using file = await kvFile();
    await file.kv.set(["x"], new Uint8Array([1, ...spelling]));
    assert.equal((await canariesInFiles(file.folder, [secret])).length > 0, true, spelling.toString());
    await assert.rejects(assertInvariants(file.kv, { now: 0, canaries: [secret] }));
  }
  await using file = await kvFile();
  await file.kv.set(["x", secret], new Uint8Array([1]));
  assert.ok((await canariesInFiles(file.folder, [secret])).length > 0);
  await using packed = await kvFile();
  await packed.kv.set(["x"], new Uint8Array(gzipSync(secret)));
  assert.ok((await packedFaults(packed.folder, [secret])).length > 0);
  // And on a page that was freed.
  await using freed = await kvFile();
  await freed.kv.set(["x"], new TextEncoder().encode(secret));
  await freed.kv.delete(["x"]);
  assert.ok((await canariesInFiles(freed.folder, [secret])).length > 0, "a deleted row stays on its page");
});

Deno.test("what the store looks things up by opens nothing: a hash is no token, no code, no cookie and no link (B15 244)", async () => {
  await using scene = await publicConnectScene();
  const { gateway, client } = scene;
  const alice = await scene.signIn();
  const link = (await call(scene, alice)).body.error?.data?.authUrl ?? "";
  const ids = async (kind: string) =>
    (await Array.fromAsync(gateway.kv.list({ prefix: [kind] }))).map(({ key }) => String(key[1]));
  const [access, refreshes, codes, sessions, pending] = await Promise.all(
    ["access_token", "refresh_token", "authorization_code", "session", "pending_connect"].map(ids),
  );
  assert.ok([access, refreshes, codes, sessions, pending].every((each) => each?.length === 1));
  for (const id of [access, refreshes, codes, sessions, pending].flatMap((each) => each ?? [])) {
    assert.match(id, /^(?:[0-9a-v]{9})?[A-Za-z0-9_-]{43}$/, "256 bits of a hash, behind the time of a token");
    for (const prefix of ["", "at_"]) {
      const answer = await callMcp(gateway, "/alpha", prefix + id);
      assert.equal(answer.status, 401);
      await answer.body?.cancel();
    }
    for (const prefix of ["", "rt_"]) {
      const answer = await postForm(gateway, "/oauth/token", {
        grant_type: "refresh_token",
        client_id: client.clientId,
        refresh_token: prefix + id,
      });
      assert.equal((await answer.json()).error, "invalid_grant");
    }
    for (const prefix of ["", "ac_"]) {
      const answer = await redeem(gateway, client, prefix + id);
      assert.equal((await answer.json()).error, "invalid_grant");
    }
    for (const prefix of ["", "se_"]) {
      const answer = await gateway.fetch("/account", {
        headers: { cookie: `__Host-sallyport_session=${prefix}${id}` },
      });
      assert.equal(answer.status, 303);
      await answer.body?.cancel();
    }
    const url = new URL(link);
    url.searchParams.set("pending", id);
    assert.equal((await alice.browser.get(url)).status, 403);
  }
});

Deno.test("a hundred thousand sealed values under one key have a hundred thousand nonces; a source that repeats would be seen (B15 247)", () => {
  // The scheme (lib/crypto/keyring.ts): 96 random bits per value, at most 2^32 values per key (NIST SP 800-38D §8.3), hence rotation.
  const count = 100_000;
  const ring = parseKeyRing(TEST_KEYS, systemRandom);
  const plain = new TextEncoder().encode("{}");
  const nonces = new Set<string>();
  const start = 1 + "test".length;
  for (let index = 0; index < count; index++) {
    nonces.add(
      Buffer.from(ring.seal(plain, `["x","${index % 7}"]`).subarray(start, start + 12)).toString("latin1"),
    );
  }
  assert.equal(nonces.size, count);
  // Every bit of the nonce varies: nothing of it is a counter, a clock or a constant.
  const ones = new Array<number>(96).fill(0);
  for (const nonce of nonces) {
    for (let bit = 0; bit < 96; bit++) {
      ones[bit] = (ones[bit] ?? 0) + (nonce.charCodeAt(bit >> 3) >> (bit & 7) & 1);
    }
  }
  for (const [bit, one] of ones.entries()) {
    assert.ok(Math.abs(one / count - 0.5) < 0.02, `bit ${bit}: ${one}`);
  }
  let drawn = 0;
  const watched = new KeyRing([{ id: "k", bytes: systemRandom(32) }], (length) => {
    drawn++;
    return systemRandom(length);
  });
  watched.seal(plain, "a");
  watched.seal(plain, "a");
  assert.equal(drawn, 2, "one draw per value");
});
