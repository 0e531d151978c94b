/** Challenges (RFC 9110 §11.6.1, RFC 9728 §5.1) as servers write them, and the two questions that find one. */
import assert from "node:assert/strict";
import { fetchConfigured } from "../../../lib/http/outbound_fetch.ts";
import { probeChallenge, readChallenge } from "../../../lib/upstream/challenge.ts";
import { network, UPSTREAM } from "./stage.ts";

const read = (header: string) => readChallenge(new Headers({ "www-authenticate": header }));
const NOTHING = { error: null, resourceMetadata: null, scope: null };

Deno.test("`readChallenge()` reads the Bearer challenge's parameters, quoted or not, in any case and order", () => {
  const all = { error: "insufficient_scope", resourceMetadata: "https://up.test/prm", scope: ["a", "b"] };
  for (
    const header of [
      'Bearer resource_metadata="https://up.test/prm", scope="a b", error="insufficient_scope"',
      'bearer error=insufficient_scope, scope="a b",resource_metadata=https://up.test/prm',
      'BEARER Scope = "a  b" , ERROR="insufficient_scope", Resource_Metadata="https://up.test/prm"',
      'Bearer realm="x", scope="a b", error="insufficient_scope", resource_metadata="https://up.test/prm"',
    ]
  ) assert.deepEqual(read(header), all, header);
  assert.deepEqual(read("Bearer"), NOTHING);
  assert.deepEqual(readChallenge(new Headers()), NOTHING);
});

Deno.test("`readChallenge()` finds Bearer among several challenges, and takes the one that names metadata", () => {
  assert.deepEqual(read('Basic realm="x", Bearer scope="a"').scope, ["a"]);
  assert.deepEqual(read('Negotiate YWJj==, Bearer scope="a", Basic realm="y"').scope, ["a"]);
  assert.deepEqual(read('Bearer scope="old", Bearer resource_metadata="https://x.test/", scope="new"'), {
    error: null,
    resourceMetadata: "https://x.test/",
    scope: ["new"],
  });
  const headers = new Headers([["www-authenticate", 'Basic realm="x"'], [
    "www-authenticate",
    'Bearer scope="a"',
  ]]);
  assert.deepEqual(readChallenge(headers).scope, ["a"]);
});

Deno.test("`readChallenge()` takes nothing from quoted text, from another scheme, or from a name that only ends alike", () => {
  for (
    const header of [
      'Basic realm="Bearer scope=admin"',
      'DPoP scope="admin", error="insufficient_scope"',
      'Bearer error_description="scope=admin, error=insufficient_scope"',
      'Bearer realm="a\\", scope=admin, x=\\"b"',
      'Bearer x_scope="admin", my-error="insufficient_scope"',
      'Bearerscope="admin"',
      "NotBearer scope=admin",
      `Bearer ${"x".repeat(9_000)}, scope="admin"`,
    ]
  ) assert.deepEqual(read(header), NOTHING, header.slice(0, 60));
  assert.deepEqual(read('Bearer scope="first", scope="second"').scope, ["first"]);
});

Deno.test("`readChallenge()` drops what no scope can hold and what nobody would read, and never takes long", () => {
  assert.deepEqual(read('Bearer scope="a ü\\" b\\\\c d"').scope, ["a", "d"]);
  assert.equal(
    read(`Bearer scope="${Array.from({ length: 200 }, (_, index) => `s${index}`).join(" ")}"`).scope?.length,
    50,
  );
  for (const part of ['a="', "a=", '"', "\\", ", ", "Bearer ", 'x="\\']) {
    const started = performance.now();
    read(part.repeat(8_000 / part.length));
    assert.ok(performance.now() - started < 200, part);
  }
});

Deno.test("`probeChallenge()` asks in the old manner, and in the new one where the old one is let in", async () => {
  const challenge = () =>
    new Response(null, { status: 401, headers: { "www-authenticate": 'Bearer scope="a"' } });
  const first = network(challenge);
  assert.deepEqual((await probeChallenge(UPSTREAM, first.fetch)).scope, ["a"]);
  assert.equal(first.sent.length, 1);
  assert.equal(JSON.parse(first.sent[0]?.body ?? "").method, "initialize");
  assert.equal(first.sent[0]?.headers.get("authorization"), null);
  const second = network(({ headers }) => headers.has("mcp-method") ? challenge() : Response.json({}));
  assert.deepEqual((await probeChallenge(UPSTREAM, second.fetch)).scope, ["a"]);
  assert.equal(second.sent.length, 2);
  const open = network(() => Response.json({}));
  assert.deepEqual(await probeChallenge(UPSTREAM, open.fetch), NOTHING);
  await assert.rejects(
    probeChallenge(UPSTREAM, () => Promise.reject(new TypeError("no route"))),
    { name: "UpstreamError", kind: "unavailable", reason: "upstream_unreachable" },
  );
});

Deno.test("an upstream that redirects, which a route may follow, challenges nobody: its metadata is where it always is (UP-01)", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(null, { status: 307, headers: { location: "/elsewhere" } }),
  );
  const fetch = fetchConfigured({ timeoutMs: 5_000, maxBytes: 1_000 });
  const upstream = `http://127.0.0.1:${server.addr.port}/mcp`;
  assert.deepEqual(await probeChallenge(upstream, fetch), NOTHING);
  await server.shutdown();
  await assert.rejects(probeChallenge(upstream, fetch), { kind: "unavailable" });
});
