/** Attack corpus B14: authorization servers that move, that lend other servers' endpoints, and answers that are no documents. */
import assert from "node:assert/strict";
import { canary, type DocumentHost, documentHost } from "../support/document_host.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { browserOf, call, connected, setupOf, upstreamScene } from "../support/upstream_scene.ts";
import { type ServerRequest, startUpstream, type UpstreamServer } from "../support/upstream_server.ts";
import { assertStopped, connectIn, tryToConnect } from "./hostile_upstream.ts";

/** All that a server was told, as text. */
function toldTo({ requests }: UpstreamServer | { readonly requests: readonly ServerRequest[] }): string {
  return JSON.stringify(requests.map(({ params, headers, body }) => [[...params], [...headers], body]));
}

/** What a server knows that no other may learn. */
function secretsOf({ clients, requests }: UpstreamServer): string[] {
  const ofClients = [...clients.values()].flatMap((client) => [client.client_id, client.client_secret]);
  const names = ["code", "code_verifier", "refresh_token", "client_id", "client_secret"];
  const sent = requests.flatMap(({ params }) => names.map((name) => params.get(name)));
  return [...new Set([...ofClients, ...sent])].filter((each) => typeof each === "string");
}

Deno.test("an upstream that names another server later, or a second one beside the first, moves no secret there; its user connects anew (B14 227, UP-10)", async () => {
  const clock = new FakeClock();
  await using next = startUpstream(clock);
  await using scene = await upstreamScene({ harness: { clock }, script: { tokenSeconds: 60 } });
  const { upstream } = scene;
  upstream.script.resourceMetadata = { authorization_servers: [upstream.origin, next.origin] };
  const alice = await connected(scene);
  assert.equal(next.requests.length, 0, "the second one is not asked");
  const former = secretsOf(upstream);
  // It names the other one from now on. What was connected goes on where it was connected, and only there.
  upstream.script.resourceMetadata = { authorization_servers: [next.origin, upstream.origin] };
  for (let round = 0; round < 2; round++) {
    clock.advance({ seconds: 3_600 });
    assert.equal((await call(scene, alice)).status, 200);
  }
  assert.equal(next.requests.length, 0);
  former.push(...secretsOf(upstream));
  upstream.endRefreshTokens();
  clock.advance({ seconds: 3_600 });
  const { body } = await call(scene, alice);
  assert.equal(body.error?.data?.state, "reconsent_required");
  const page = await alice.browser.get(body.error?.data?.authUrl ?? "");
  await alice.browser.submit(page, { decision: "connect" });
  assert.deepEqual([next.at("/register").length, next.at("/token").length], [1, 1]);
  for (const secret of former) assert.ok(!toldTo(next).includes(secret), secret.slice(0, 16));
  // And nothing of the new one goes back to the old one with a disconnect.
  const before = upstream.requests.length;
  await alice.browser.submit(await alice.browser.get(`${scene.gateway.origin}/account`), {
    action: "disconnect",
  });
  assert.equal(next.at("/revoke").length, 1);
  assert.equal(upstream.requests.length, before);
});

Deno.test("a server that lends the honest one's endpoints gives it its own client and gets nothing of the honest one's (B14 230, UP-10)", async () => {
  for (const lent of ["token_endpoint", "registration_endpoint", "revocation_endpoint"]) {
    await using honest = startUpstream(new FakeClock());
    await using scene = await upstreamScene();
    const { upstream: evil } = scene;
    const path =
      { token_endpoint: "/token", registration_endpoint: "/register", revocation_endpoint: "/revoke" }[lent];
    evil.script.metadata = { [lent]: honest.origin + path };
    honest.addClient("honest-client", { redirect_uris: [], client_secret: "honest-secret-canary" });
    await connectIn(scene);
    assert.ok(!toldTo(evil).includes("honest"), lent);
    assert.ok(!toldTo(honest).includes("honest-secret-canary"), lent);
    // What reached the honest one is the hostile connection's own.
    for (const { params, path: at } of honest.at("/token")) {
      assert.ok(evil.clients.has(params.get("client_id") ?? ""), at);
    }
    // Only where to revoke may be anywhere: what is sent there is its own as well.
    const rows = await Array.fromAsync(scene.gateway.kv.list({ prefix: ["connection"] }));
    assert.equal(rows.length, lent === "revocation_endpoint" ? 1 : 0, lent);
  }
});

Deno.test("endpoints inside the network or on plain http are not asked, and addresses that are never used are never fetched (B14 230, UP-16)", async () => {
  await using trap = canary();
  const own = trap.addresses.find((address) => !/^(?:127\.|::1$)/.test(address) && !address.includes(":"));
  const inside = own === undefined ? [] : [`https://${own}:${trap.port}`, `http://${own}:${trap.port}`];
  for (const origin of ["https://10.0.0.1", "https://169.254.169.254", "http://as.example", ...inside]) {
    for (const [name, authorized] of [["registration_endpoint", 0], ["token_endpoint", 1]] as const) {
      const attempt = await tryToConnect({ script: { metadata: { [name]: `${origin}/x` } } });
      assert.equal(attempt.status, 502, `${name} ${origin}`);
      assert.ok(attempt.upstream.at("/authorize").length <= authorized, `${name} ${origin}`);
      assert.ok(!attempt.html.includes(origin));
    }
  }
  // Everything else that metadata can name is left alone.
  const elsewhere = `http://127.0.0.1:${trap.port}/x`;
  const attempt = await tryToConnect({
    script: {
      metadata: {
        jwks_uri: elsewhere,
        userinfo_endpoint: elsewhere,
        introspection_endpoint: elsewhere,
        pushed_authorization_request_endpoint: elsewhere,
        service_documentation: elsewhere,
        op_policy_uri: elsewhere,
        signed_metadata: `e30.${btoa(JSON.stringify({ issuer: elsewhere }))}.x`,
      },
      resourceMetadata: {
        jwks_uri: elsewhere,
        resource_documentation: elsewhere,
        resource_policy_uri: elsewhere,
      },
    },
  });
  assert.equal(attempt.status, 200);
  assert.equal(trap.hits, 0);
});

const PRM = "/.well-known/oauth-protected-resource/mcp";
const AS = "/.well-known/oauth-authorization-server";

async function gzip(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

/** Answers in place of a sound JSON document, as text. */
async function oddAnswers(sound: string, elsewhere: string): Promise<Record<string, () => Response>> {
  const json = { "content-type": "application/json" };
  const bomb = await gzip(sound.replace("{", `{"x":"${"0".repeat(10 << 20)}",`));
  const deep = `{"x":${"[".repeat(5_000)}${"]".repeat(5_000)},`;
  return {
    "10 MiB": () => new Response(sound.replace("{", `{"x":"${"0".repeat(10 << 20)}",`), { headers: json }),
    "a bomb": () => new Response(bomb, { headers: { ...json, "content-encoding": "gzip" } }),
    "a redirect": () => new Response(null, { status: 302, headers: { location: elsewhere } }),
    "a permanent redirect": () => new Response(null, { status: 308, headers: { location: elsewhere } }),
    "a web page": () => new Response(sound, { headers: { "content-type": "text/html; charset=utf-8" } }),
    "deep": () => new Response(sound.replace("{", deep), { headers: json }),
    "not JSON": () => new Response(`${sound}}`, { headers: json }),
    "not UTF-8": () =>
      new Response(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), { headers: json }),
    "an array": () => new Response(`[${sound}]`, { headers: json }),
    "null": () => new Response("null", { headers: json }),
    "nothing": () => new Response(null, { headers: json }),
    "no content": () => new Response(null, { status: 204 }),
    "an outage": () => new Response(sound, { status: 500, headers: json }),
  };
}

/** A sound document of the upstream's, as it would be served. */
function soundDocuments(upstream: UpstreamServer): Record<string, unknown> {
  const { origin } = upstream;
  return {
    [PRM]: { resource: upstream.url, authorization_servers: [origin] },
    [AS]: {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      registration_endpoint: `${origin}/register`,
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["none"],
    },
    "/register": { client_id: "odd", token_endpoint_auth_method: "none" },
  };
}

Deno.test("an answer that is too large, packed, moved, a page, too deep or no JSON is no document (B14 232)", async () => {
  await using elsewhere: DocumentHost = documentHost();
  elsewhere.answers.set("/x", {});
  for (const path of [PRM, AS, "/register"]) {
    for (const what of Object.keys(await oddAnswers("{}", ""))) {
      await using scene = await upstreamScene();
      const { upstream } = scene;
      const sound = JSON.stringify(soundDocuments(upstream)[path]);
      const answers = await oddAnswers(sound, `${elsewhere.origin}/x`);
      upstream.script.answer = (request) => request.path === path ? answers[what]?.() ?? null : null;
      const started = performance.now();
      assertStopped(await connectIn(scene), `${path} ${what}`);
      assert.ok(performance.now() - started < 5_000, `${path} ${what}`);
      // It was this one answer: the sound one is taken.
      upstream.script.answer = null;
      assert.equal((await connectIn(scene)).status, 200, `${path} ${what}`);
    }
  }
  assert.equal(elsewhere.requests.length, 0);
});

Deno.test("the same from a server at another origin, where nothing packed is even unpacked (B14 232)", async () => {
  for (const what of ["10 MiB", "a bomb", "a redirect", "deep", "a web page"]) {
    await using other = startUpstream(new FakeClock());
    await using scene = await upstreamScene();
    scene.upstream.script.resourceMetadata = { authorization_servers: [other.origin] };
    const answers = await oddAnswers(JSON.stringify(soundDocuments(other)[AS]), `${scene.upstream.origin}/x`);
    other.script.answer = ({ path }) => path === AS ? answers[what]?.() ?? null : null;
    assertStopped(await connectIn(scene), what);
    assert.equal(scene.upstream.at("/x").length, 0);
  }
});

Deno.test("who waits for a slow answer is told within the time that a page may take, and the next one is not held up (B14 232)", async () => {
  const paths = ["/mcp", PRM, AS, "/register"];
  await Promise.all(paths.map(async (path) => {
    await using scene = await upstreamScene();
    const { upstream, gateway } = scene;
    const closing = Promise.withResolvers<void>();
    upstream.script.answer = async (request) => {
      if (request.path !== path || request.headers.has("x-impatient")) return null;
      await closing.promise;
      return new Response(null, { status: 503 });
    };
    const browser = browserOf(gateway);
    const setup = await setupOf(scene, browser);
    const started = performance.now();
    const page = await browser.submit(setup, { decision: "connect" });
    const took = performance.now() - started;
    assert.equal(page.status, 502, path);
    assert.ok(took > 8_000 && took < 25_000, `${path}: ${took} ms`);
    assert.equal(upstream.at("/authorize").length, 0);
    closing.resolve();
    upstream.script.answer = null;
    assert.equal((await connectIn(scene)).status, 200, path);
  }));
});
