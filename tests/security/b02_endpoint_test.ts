/** Attack corpus B2, dynamic client registration: the endpoint itself, its bodies, its quotas, and the registrations it keeps. */
import assert from "node:assert/strict";
import { authorizeUrl, redeem, registerClient } from "../support/oauth_flow.ts";
import { watchedGateway } from "./watched_gateway.ts";
import { redirect_uris } from "./refused_registrations.ts";

Deno.test("only unambiguous JSON of sane size and depth is read, and quickly (B2 029)", async () => {
  await using gateway = await watchedGateway();
  const before = await gateway.contents();
  const good = JSON.stringify({ redirect_uris });
  const latin1 = new Uint8Array([
    ...new TextEncoder().encode('{"redirect_uris":["https://client.example/callback"],"client_name":"'),
    0xe9,
    0x22,
    0x7d,
  ]);
  const bad: [string, string | Uint8Array<ArrayBuffer> | URLSearchParams, number][] = [
    ["text/plain", good, 400],
    ["application/x-www-form-urlencoded", good, 400],
    ["application/jsonp", good, 400],
    ["", good, 400],
    ["application/json", `${good}x`, 400],
    [
      "application/json",
      '{"redirect_uris":["https://client.example/callback"],"redirect_uris":["https://evil.test/cb"]}',
      400,
    ],
    [
      "application/json",
      '{"redirect_uris":["https://client.example/callback"],"redirect\\u005furis":["https://evil.test/cb"]}',
      400,
    ],
    [
      "application/json",
      `{"redirect_uris":["https://client.example/callback"],"x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`,
      400,
    ],
    ["application/json", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`, 400],
    ["application/json", "[".repeat(60_000), 400],
    ["application/json", latin1, 400],
    ["application/json", "", 400],
    ["application/json", JSON.stringify({ redirect_uris, x: "y".repeat(1_048_576) }), 413],
  ];
  for (const [type, body, status] of bad) {
    const started = performance.now();
    const response = await gateway.fetch("/oauth/register", {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    const what = `${type} ${String(body).slice(0, 80)}`;
    await response.body?.cancel();
    assert.equal(response.status, status, what);
    assert.ok(performance.now() - started < 1000, what);
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("20,000 registrations from one machine, forged headers or not, are 60 (B2 030, AS-49)", async () => {
  await using gateway = await watchedGateway();
  const body = JSON.stringify({ redirect_uris });
  const tally = new Map<number, number>();
  for (let index = 0; index < 20_000; index++) {
    const response = await gateway.fetch("/oauth/register", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(index % 2 === 0 ? {} : {
          "x-forwarded-for": `198.51.${index >> 8 & 255}.${index & 255}`,
          forwarded: `for=198.51.100.${index & 255}`,
        }),
      },
      body: body.replace("callback", `callback${index}`),
    });
    tally.set(response.status, (tally.get(response.status) ?? 0) + 1);
    if (response.status === 429) assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
    await response.body?.cancel();
  }
  assert.deepEqual([...tally], [[201, 60], [429, 19_940]]);
  const rows = [...await gateway.contents()].filter(([key]) => key.startsWith('["client"'));
  assert.ok(rows.length <= 60, `${rows.length} rows`);
  // The honest neighbour is served, and so is everybody a minute later.
  const neighbour = await gateway.fetch("/oauth/register", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    peer: "198.51.100.7",
  });
  assert.equal(neighbour.status, 201);
  gateway.clock.advance({ seconds: 61 });
  await registerClient(gateway);
});

Deno.test("a registration is read and deleted with its own token, and changed with none (B2 031, AS-50)", async () => {
  await using gateway = await watchedGateway();
  const own = await registerClient(gateway, { client_name: "Own" });
  const other = await registerClient(gateway, { client_name: "Other" });
  const at = (clientId: string, method: string, token: unknown) =>
    gateway.fetch(`/oauth/register/${clientId}`, {
      method,
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
    });
  const foreign = other.registration.registration_access_token;
  const before = await gateway.contents();
  const bodies = new Set<string>();
  for (const method of ["GET", "DELETE"]) {
    for (const clientId of [own.clientId, "unknown", "__proto__", "%00", `${own.clientId}%2f`]) {
      for (const token of [null, "", "x", foreign, own.clientId]) {
        const response = await at(clientId, method, token);
        assert.ok(
          response.status === 401 || response.status === 404,
          `${method} ${clientId}: ${response.status}`,
        );
        if (response.status === 401) bodies.add(await response.text());
        else await response.body?.cancel();
      }
    }
  }
  assert.equal(bodies.size, 1, "unknown and wrong are told apart");
  for (const method of ["PUT", "PATCH", "POST"]) {
    const response = await at(own.clientId, method, own.registration.registration_access_token);
    await response.body?.cancel();
    assert.equal(response.status, 405, method);
  }
  assert.deepEqual(await gateway.contents(), before);
  assert.equal((await at(own.clientId, "GET", own.registration.registration_access_token)).status, 200);
  assert.equal((await at(own.clientId, "DELETE", own.registration.registration_access_token)).status, 204);
  assert.equal((await at(own.clientId, "GET", own.registration.registration_access_token)).status, 401);
});

Deno.test("with dcrEnabled: false nobody registers, nothing advertises it, and other clients work (B2, AS-44)", async () => {
  await using gateway = await watchedGateway({
    gatewayOptions: { gateway: { dcrEnabled: false } },
    config: () => ({ clients: [{ clientId: "known", redirectUris: ["https://client.example/callback"] }] }),
  });
  for (const path of ["/oauth/register", "/register", "/oauth/register/x"]) {
    for (const method of ["POST", "GET", "DELETE"]) {
      const response = await gateway.fetch(path, {
        method,
        ...(method === "POST"
          ? { body: JSON.stringify({ redirect_uris }), headers: { "content-type": "application/json" } }
          : {}),
      });
      assert.equal(response.status, 404, `${method} ${path}`);
      assert.match(response.headers.get("content-type") ?? "", /json/);
      await response.body?.cancel();
    }
  }
  const metadata = await (await gateway.fetch("/.well-known/oauth-authorization-server")).json();
  assert.equal("registration_endpoint" in metadata, false);
  assert.equal(metadata.client_id_metadata_document_supported, true);
  const client = {
    clientId: "known",
    clientSecret: null,
    redirectUri: "https://client.example/callback",
    registration: {},
  };
  const end = await gateway.browser().signInAndApprove(authorizeUrl(gateway, client));
  assert.equal((await redeem(gateway, client, end.searchParams.get("code") ?? "")).status, 200);
});
