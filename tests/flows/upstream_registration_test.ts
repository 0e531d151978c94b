/** A registration that the upstream has forgotten is confirmed dead and replaced once; one that is refused for a moment is kept. */
import assert from "node:assert/strict";
import { upstreamClients } from "../../lib/store/upstream_schema.ts";
import { call, connected, textOf, type UpstreamScene, upstreamScene } from "../support/upstream_scene.ts";
import { browserOf, signInAndConnect } from "../support/upstream_scene.ts";
import type { ServerRequest } from "../support/upstream_server.ts";

const USERS = Array.from({ length: 20 }, (_, index) => `user-${index}`);

const crowd = { harness: { users: USERS } };

function refreshes({ upstream }: UpstreamScene): readonly ServerRequest[] {
  return upstream.at("/token").filter(({ params }) => params.get("grant_type") === "refresh_token");
}

async function registrationsKept({ gateway }: UpstreamScene): Promise<string[]> {
  const entries = await Array.fromAsync(gateway.services.store.list(upstreamClients));
  return entries.map(({ value }) => value.client.clientId);
}

/** Presses Connect on the account page, and comes back to it. */
async function reconnect(
  gateway: UpstreamScene["gateway"],
  browser: ReturnType<typeof browserOf>,
): Promise<void> {
  const account = await browser.get(`${gateway.origin}/account`);
  const back = await browser.submit(account, { action: "connect" });
  assert.deepEqual([back.url.pathname, back.status], ["/account", 200], back.html);
}

Deno.test("a registration that died on a refresh is replaced once by twenty users of two gateways, who are asked to reconnect (UP-09)", async () => {
  await using scene = await upstreamScene({ ...crowd, script: { tokenSeconds: 60 } });
  await using second = await scene.another();
  const { gateway, upstream, clock } = scene;
  const nodes = [gateway, second];
  const users = [];
  for (const name of USERS) users.push(await connected(scene, name));
  assert.equal(upstream.at("/register").length, 1);
  upstream.forgetClients();
  clock.advance({ seconds: 70 });
  const at = (index: number) => ({ gateway: nodes[index % 2] ?? gateway });
  const answers = await Promise.all(users.map((user, index) => call(at(index), user)));
  for (const { body } of answers) assert.equal(body.error?.data?.state, "reconsent_required");
  assert.deepEqual(await registrationsKept(scene), []);
  // All reconnect at once, half of them through the other gateway.
  await Promise.all(users.map(({ browser }, index) => {
    const through = browserOf(at(index).gateway);
    for (
      const header
        of browser.cookies.header(new URL(gateway.origin), { initiator: null, method: "GET" })?.split("; ") ??
          []
    ) {
      through.cookies.store(
        new URL(gateway.origin),
        new Headers({ "set-cookie": `${header}; Path=/; SameSite=Lax` }),
      );
    }
    return reconnect(at(index).gateway, through);
  }));
  assert.equal(upstream.at("/register").length, 2);
  const later = await Promise.all(users.map((user, index) => call(at(index + 1), user)));
  for (const answer of later) assert.equal(textOf(answer), "account");
  const events = [...gateway.events, ...second.events].map(({ event }) => event);
  const count = (name: string) => events.filter((event) => event === name).length;
  assert.deepEqual(
    ["mcp_auth_upstream_registration_lost", "mcp_auth_upstream_registered"].map(count),
    [1, 2],
  );
});

Deno.test("a user of the dead registration who comes late ends nobody else's: the new registration and its grants stay (UP-09)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { upstream, clock, gateway } = scene;
  const [alice, bob] = [await connected(scene, "alice"), await connected(scene, "bob")];
  upstream.forgetClients();
  clock.advance({ seconds: 70 });
  assert.equal((await call(scene, bob)).body.error?.data?.state, "reconsent_required");
  await reconnect(gateway, bob.browser);
  const kept = await registrationsKept(scene);
  assert.equal(kept.length, 1);
  const before = refreshes(scene).length;
  assert.equal((await call(scene, alice)).body.error?.data?.state, "reconsent_required");
  // The registration is known to be gone: there is nothing to make sure of.
  assert.equal(refreshes(scene).length, before + 1);
  assert.deepEqual(await registrationsKept(scene), kept);
  clock.advance({ seconds: 70 });
  assert.equal(textOf(await call(scene, bob)), "account");
  assert.equal(upstream.at("/register").length, 2);
});

Deno.test("a server that does not know us for a moment costs nobody anything, on a refresh, on a code and before a connect (UP-09, UP-18)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
  const { upstream, clock } = scene;
  let left = 0;
  upstream.script.token = () =>
    left-- > 0 ? Response.json({ error: "invalid_client" }, { status: 401 }) : null;
  const alice = await connected(scene, "alice");
  const kept = await registrationsKept(scene);
  clock.advance({ seconds: 70 });
  left = 2;
  assert.equal(textOf(await call(scene, alice)), "account");
  assert.equal(refreshes(scene).length, 3);
  left = 1;
  const bob = await connected(scene, "bob");
  assert.equal(textOf(await call(scene, bob)), "account");
  clock.advance({ seconds: 600 });
  left = 1;
  await connected(scene, "carol");
  assert.deepEqual(await registrationsKept(scene), kept);
  assert.equal(upstream.at("/register").length, 1);
});

Deno.test("a registration that died unnoticed is replaced before anybody is sent to a dead end, once for twenty users of two gateways (UP-09)", async () => {
  await using scene = await upstreamScene({ ...crowd, script: { tokenSeconds: 3_600 } });
  await using second = await scene.another();
  const { gateway, upstream, clock, client } = scene;
  const first = await connected(scene, "user-0");
  upstream.forgetClients();
  clock.advance({ seconds: 400 });
  await Promise.all(
    USERS.slice(1).map(async (name, index) => {
      const node = index % 2 === 0 ? gateway : second;
      await signInAndConnect({ gateway: node, client }, browserOf(node), name);
    }),
  );
  assert.equal(upstream.at("/register").length, 2);
  // Nobody came to the authorize endpoint with a client that it does not know.
  const known = [...upstream.clients.keys()];
  for (const { params } of upstream.at("/authorize").slice(1)) {
    assert.ok(known.includes(params.get("client_id") ?? ""));
  }
  // Whose grant it had minted goes on while the token is valid, and then reconnects.
  assert.equal(textOf(await call(scene, first)), "account");
  clock.advance({ seconds: 3_600 });
  assert.equal((await call(scene, first)).body.error?.data?.state, "reconsent_required");
});

Deno.test("a client that was honoured a moment ago is not asked about before a connect, and a server in trouble holds nobody up (UP-09)", async () => {
  await using scene = await upstreamScene({ script: { tokenSeconds: 3_600 } });
  const { upstream, clock } = scene;
  await connected(scene, "alice");
  await connected(scene, "bob");
  assert.equal(refreshes(scene).length, 0);
  clock.advance({ seconds: 400 });
  upstream.script.token = (form) =>
    form.get("grant_type") === "refresh_token" ? new Response("busy", { status: 503 }) : null;
  await connected(scene, "carol");
  const [probe] = refreshes(scene);
  assert.ok(probe && refreshes(scene).length === 1);
  assert.equal(upstream.at("/register").length, 1);
});

Deno.test("where the server lets us read the registration, that speaks for it; a management address elsewhere is never asked (UP-09, B14 233)", async () => {
  for (const place of ["here", "elsewhere"] as const) {
    await using scene = await upstreamScene({ script: { tokenSeconds: 60 } });
    const { upstream, clock } = scene;
    await using elsewhere = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
      strangerAsked = true;
      return Response.json({});
    });
    let strangerAsked = false;
    const base = place === "here" ? upstream.origin : `http://127.0.0.1:${elsewhere.addr.port}`;
    let readable = true;
    upstream.script.answer = (request) => {
      if (request.path === "/register") {
        const client = {
          ...JSON.parse(request.body),
          client_id: "managed",
          client_secret: "secret-of-managed",
        };
        upstream.addClient("managed", client);
        const management = {
          registration_client_uri: `${base}/manage/managed`,
          registration_access_token: "key",
        };
        return Response.json({ ...client, ...management }, { status: 201 });
      }
      if (request.path !== "/manage/managed") return null;
      assert.equal(request.headers.get("authorization"), "Bearer key");
      return readable
        ? Response.json({ client_id: "managed" })
        : Response.json({ error: "invalid_token" }, { status: 401 });
    };
    const alice = await connected(scene);
    upstream.script.token = () => Response.json({ error: "invalid_client" }, { status: 401 });
    clock.advance({ seconds: 70 });
    const { status, body } = await call(scene, alice);
    assert.equal(strangerAsked, false);
    if (place === "elsewhere") {
      assert.equal(body.error?.data?.state, "reconsent_required");
      continue;
    }
    assert.deepEqual([status, upstream.at("/manage/managed").length], [502, 1]);
    clock.advance({ seconds: 3 });
    readable = false;
    assert.equal((await call(scene, alice)).body.error?.data?.state, "reconsent_required");
    assert.deepEqual(await registrationsKept(scene), []);
  }
});
