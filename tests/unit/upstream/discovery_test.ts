/** Where metadata is looked for, in which order, and when the search ends (MCP authorization; RFC 9728, RFC 8414). */
import assert from "node:assert/strict";
import { RedirectedError } from "../../../lib/http/outbound_fetch.ts";
import { Discovery } from "../../../lib/upstream/discovery.ts";
import type { ConnectionSettings } from "../../../lib/upstream/connection_settings.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { type Network, network, settings } from "./stage.ts";

/** Documents by address; a number is a status without a document. The upstream itself answers 401 with `challenge`. */
type Site = Readonly<Record<string, Readonly<Record<string, unknown>> | number>>;

function serve(site: Site, challenge = "Bearer"): Network {
  return network(({ url, method }) => {
    if (method === "POST") {
      return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
    }
    const found = site[url];
    return found === undefined
      ? null
      : typeof found === "number"
      ? new Response(null, { status: found })
      : Response.json(found);
  });
}

function discovery(
  net: Network,
  changes: Partial<ConnectionSettings> = {},
  clock = new FakeClock(),
): Discovery {
  return new Discovery(settings(changes), {
    fetch: net.fetch,
    clock,
    allowLoopback: false,
    allowPrivateNetwork: false,
  });
}

const gets = ({ sent }: Network) => sent.filter(({ method }) => method === "GET").map(({ url }) => url);

const prm = (issuer: string, resource = "https://up.test/mcp") => ({
  resource,
  authorization_servers: [issuer],
});

function metadata(issuer: string): Record<string, unknown> {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    code_challenge_methods_supported: ["S256"],
  };
}

const PATH_FORM = "https://up.test/.well-known/oauth-protected-resource/mcp";
const ROOT_FORM = "https://up.test/.well-known/oauth-protected-resource";
const AS = "https://as.test/.well-known/oauth-authorization-server";

Deno.test("the challenge's address comes first and alone; without one the path's place, then the root's (UP-01)", async () => {
  const odd = "https://elsewhere.test/odd?x=1";
  const named = serve(
    { [odd]: prm("https://as.test"), [AS]: metadata("https://as.test") },
    `Bearer resource_metadata="${odd}"`,
  );
  assert.equal((await discovery(named).get()).server.issuer, "https://as.test");
  assert.deepEqual(gets(named), [odd, AS]);
  const path = serve({ [PATH_FORM]: prm("https://as.test"), [AS]: metadata("https://as.test") });
  await discovery(path).get();
  assert.deepEqual(gets(path), [PATH_FORM, AS]);
  const root = serve({
    [ROOT_FORM]: prm("https://as.test", "https://up.test"),
    [AS]: metadata("https://as.test"),
  });
  // The exact text of the document is what is sent as `resource`: no slash is added.
  assert.equal((await discovery(root).get()).resource, "https://up.test");
  assert.deepEqual(gets(root), [PATH_FORM, ROOT_FORM, AS]);
  const configured = serve({
    "https://op.test/prm": prm("https://as.test"),
    [AS]: metadata("https://as.test"),
  }, `Bearer resource_metadata="${odd}"`);
  await discovery(configured, { protectedResourceMetadataUrl: "https://op.test/prm" }).get();
  assert.deepEqual(gets(configured), ["https://op.test/prm", AS]);
});

Deno.test("an address that was named and has nothing is an error, and not a reason to look elsewhere (UP-01)", async () => {
  const net = serve(
    { [PATH_FORM]: prm("https://as.test") },
    'Bearer resource_metadata="https://up.test/gone"',
  );
  await assert.rejects(discovery(net).get(), { kind: "refused", reason: "resource_metadata_missing" });
  assert.deepEqual(gets(net), ["https://up.test/gone"]);
});

Deno.test("the server's metadata: inserted, inserted for OpenID, appended; 4xx and 502 go on, other 5xx end it (UP-03)", async () => {
  const places = [
    "https://as.test/.well-known/oauth-authorization-server/tenant/a",
    "https://as.test/.well-known/openid-configuration/tenant/a",
    "https://as.test/tenant/a/.well-known/openid-configuration",
  ];
  const issuer = "https://as.test/tenant/a";
  for (const [index, place] of places.entries()) {
    for (const status of [404, 400, 401, 410, 502]) {
      const before = Object.fromEntries(places.slice(0, index).map((url) => [url, status]));
      const net = serve({ [PATH_FORM]: prm(issuer), ...before, [place]: metadata(issuer) });
      assert.equal((await discovery(net).get()).server.issuer, issuer);
      assert.deepEqual(gets(net), [PATH_FORM, ...places.slice(0, index + 1)]);
    }
  }
  const bare = serve({
    [PATH_FORM]: prm("https://as.test"),
    "https://as.test/.well-known/openid-configuration": metadata("https://as.test"),
  });
  await discovery(bare).get();
  assert.deepEqual(gets(bare).slice(1), [AS, "https://as.test/.well-known/openid-configuration"]);
  for (const status of [500, 503, 504]) {
    const net = serve({
      [PATH_FORM]: prm(issuer),
      [places[0] ?? ""]: status,
      [places[1] ?? ""]: metadata(issuer),
    });
    await assert.rejects(discovery(net).get(), { kind: "unavailable", reason: "server_metadata_status" });
    assert.equal(gets(net).length, 2);
    const resource = serve({ [PATH_FORM]: status, [ROOT_FORM]: prm(issuer, "https://up.test") });
    await assert.rejects(discovery(resource).get(), {
      kind: "unavailable",
      reason: "resource_metadata_status",
    });
  }
  await assert.rejects(discovery(serve({ [PATH_FORM]: prm(issuer) })).get(), {
    kind: "refused",
    reason: "server_metadata_missing",
  });
});

Deno.test("an upstream without any metadata is its own server, with or without a document of that (UP-05)", async () => {
  const none = await discovery(serve({})).get();
  assert.deepEqual(
    [
      none.server.issuer,
      none.server.authorizationEndpoint,
      none.server.tokenEndpoint,
      none.server.registrationEndpoint,
    ],
    ["https://up.test", "https://up.test/authorize", "https://up.test/token", "https://up.test/register"],
  );
  assert.equal(none.resource, null);
  const some = serve({
    "https://up.test/.well-known/oauth-authorization-server": metadata("https://up.test"),
  });
  assert.equal((await discovery(some).get()).server.registrationEndpoint, null);
});

Deno.test("an upstream that is out of order is not taken for one without metadata: nothing is known of it then (UP-03, UP-05)", async () => {
  const own = "https://up.test/.well-known/oauth-authorization-server";
  for (const status of [429, 502]) {
    for (const site of [{ [PATH_FORM]: status }, { [ROOT_FORM]: status }]) {
      await assert.rejects(discovery(serve(site)).get(), {
        kind: "unavailable",
        reason: "resource_metadata_status",
      });
    }
    const servers = serve({ [PATH_FORM]: prm("https://as.test"), [AS]: status });
    await assert.rejects(discovery(servers).get(), { kind: "unavailable", reason: "server_metadata_status" });
  }
  for (const status of [429, 500, 502, 503]) {
    await assert.rejects(discovery(serve({ [own]: status })).get(), {
      kind: "unavailable",
      reason: "server_metadata_status",
    });
  }
});

Deno.test("what was found holds for ten minutes, is sought once for all who wait, and anew after `forget()`", async () => {
  const clock = new FakeClock();
  const net = serve({ [PATH_FORM]: prm("https://as.test"), [AS]: metadata("https://as.test") });
  const found = discovery(net, {}, clock);
  await Promise.all(Array.from({ length: 20 }, () => found.get()));
  clock.advance({ seconds: 599 });
  await found.get();
  assert.equal(gets(net).length, 2);
  clock.advance({ seconds: 1 });
  await found.get();
  assert.equal(gets(net).length, 4);
  found.forget();
  await found.get();
  assert.equal(gets(net).length, 6);
});

Deno.test("a failure is not kept: the next one asks again", async () => {
  let broken = true;
  const site = serve({ [PATH_FORM]: prm("https://as.test"), [AS]: metadata("https://as.test") });
  const net = {
    ...site,
    fetch: (url: string, init?: RequestInit) =>
      broken ? Promise.reject(new Error("down")) : site.fetch(url, init),
  };
  const found = discovery(net);
  await assert.rejects(found.get(), { kind: "unavailable" });
  broken = false;
  assert.equal((await found.get()).server.issuer, "https://as.test");
});

Deno.test("scopes of the challenge and of the metadata are kept apart; `omitResource` sends none (UP-11, UP-12)", async () => {
  const site = {
    [PATH_FORM]: { ...prm("https://as.test"), scopes_supported: ["x", "y"] },
    [AS]: metadata("https://as.test"),
  };
  const found = await discovery(serve(site, 'Bearer scope="a b"')).get();
  assert.deepEqual([found.challengeScope, found.resourceScopes], [["a", "b"], ["x", "y"]]);
  const { overrides } = settings();
  const omitted = await discovery(serve(site), { overrides: { ...overrides, omitResource: true } }).get();
  assert.equal(omitted.resource, null);
});

Deno.test("metadata that names no server, or an address that is none, is refused", async () => {
  for (const servers of [undefined, [], "https://as.test", [7], ["not an address"]]) {
    const net = serve({ [PATH_FORM]: { resource: "https://up.test/mcp", authorization_servers: servers } });
    await assert.rejects(discovery(net).get(), { name: "UpstreamError", kind: "refused" });
  }
});

/** What servers answer that have no document: each for `fetch` to give, or to throw. */
const ODDITIES: Readonly<Record<string, () => Response>> = {
  "a page": () => new Response("<h1>Welcome</h1>", { headers: { "content-type": "text/html" } }),
  "a page without a type": () => new Response("<h1>Welcome</h1>"),
  "an array": () => Response.json([]),
  "a text": () => Response.json("x"),
  "nothing": () => new Response(null, { status: 204 }),
  "a redirect from elsewhere": () => new Response(null, { status: 302 }),
  "a redirect from the upstream's own origin": () => {
    throw new RedirectedError("The server redirected, which is not followed.");
  },
};

/** A site on which the addresses that `isOdd` says yes to answer with an oddity. */
function serveOddly(
  site: Site,
  odd: () => Response,
  isOdd: (url: string) => boolean,
  challenge?: string,
): Network {
  const { fetch, ...net } = serve(site, challenge);
  return {
    ...net,
    async fetch(url, init) {
      const answer = await fetch(url, init);
      return init?.method !== "POST" && isOdd(url) ? odd() : answer;
    },
  };
}

Deno.test("a page or a redirect at a place is nothing there: the next place is asked, whoever redirects (UP-01, UP-03, UP-05)", async () => {
  const issuer = "https://as.test";
  const openid = `${issuer}/.well-known/openid-configuration`;
  const own = "https://up.test/.well-known/oauth-authorization-server";
  for (const [what, odd] of Object.entries(ODDITIES)) {
    const site = { [ROOT_FORM]: prm(issuer, "https://up.test"), [openid]: metadata(issuer) };
    const net = serveOddly(site, odd, (url) => url === PATH_FORM || url === AS);
    assert.equal((await discovery(net).get()).server.issuer, issuer, what);
    assert.deepEqual(gets(net), [PATH_FORM, ROOT_FORM, AS, openid], what);
    // An upstream of 2025-03-26 behind a page for every other address.
    const former = serveOddly({ [own]: metadata("https://up.test") }, odd, (url) => url !== own);
    assert.equal((await discovery(former).get()).server.issuer, "https://up.test", what);
  }
});

Deno.test("where no place has a document, and one has a page or a redirect, the reason says so, and no default place is made up (UP-01, UP-03, UP-05)", async () => {
  const issuer = "https://as.test";
  const own = "https://up.test/.well-known/oauth-authorization-server";
  const refused = (reason: string) => ({ name: "UpstreamError", kind: "refused", reason });
  for (const [what, odd] of Object.entries(ODDITIES)) {
    const everywhere = serveOddly({}, odd, () => true);
    await assert.rejects(discovery(everywhere).get(), refused("resource_metadata_unusable"), what);
    const named = serveOddly({}, odd, () => true, 'Bearer resource_metadata="https://up.test/odd"');
    await assert.rejects(discovery(named).get(), refused("resource_metadata_unusable"), what);
    assert.deepEqual(gets(named), ["https://up.test/odd"], what);
    const server = serveOddly({ [PATH_FORM]: prm(issuer) }, odd, (url) => url === AS);
    await assert.rejects(discovery(server).get(), refused("server_metadata_unusable"), what);
    const ownServer = serveOddly({}, odd, (url) => url === own);
    await assert.rejects(discovery(ownServer).get(), refused("server_metadata_unusable"), what);
    // An outage at another place says more: there may be a document later.
    const down = serveOddly({ [ROOT_FORM]: 502 }, odd, (url) => url === PATH_FORM);
    await assert.rejects(discovery(down).get(), { kind: "unavailable", reason: "resource_metadata_status" });
  }
});
