/** Attack corpus B3: URLs that strangers name as their client id, judged as strings before anything is fetched. */
import assert from "node:assert/strict";
import { authorizeAs, canary, documentHost, Names, publish } from "../support/document_host.ts";
import { authorizeUrl, registerClient } from "../support/oauth_flow.ts";
import { assertPage400, publicGateway } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

Deno.test("a client id with plain http is refused before any look-up (B3 033, AS-35)", async () => {
  await using trap = canary();
  const names = new Names().set("evil.test", ["127.0.0.1"]);
  await using gateway = await watchedGateway({ ...publicGateway(), strangers: { resolve: names.resolve } });
  for (
    const url of [
      "http://evil.test/c.json",
      `http://evil.test:${trap.port}/c.json`,
      `http://127.0.0.1:${trap.port}/c.json`,
      `HTTP://evil.test:${trap.port}/c.json`,
      `http:evil.test:${trap.port}/c.json`,
    ]
  ) await assertPage400(await authorizeAs(gateway, url), url);
  assert.deepEqual([trap.hits, names.queries], [0, []]);
});

Deno.test("a client id is judged as it was written: path, no fragment, no user, no dot segments (B3 034, AS-35)", async () => {
  await using trap = canary();
  const names = new Names().set("evil.test", ["127.0.0.1"]);
  await using gateway = await watchedGateway({ ...publicGateway(), strangers: { resolve: names.resolve } });
  const at = `evil.test:${trap.port}`;
  for (
    const url of [
      `https://${at}`,
      `https://${at}?x=/c.json`,
      `https://${at}#f`,
      `https://${at}/c.json#`,
      `https://${at}/c.json#f`,
      `https://u:p@${at}/c.json`,
      `https://u@${at}/c.json`,
      `https://@${at}/c.json`,
      `https://${at}/a/../b`,
      `https://${at}/./c.json`,
      `https://${at}/..`,
      `https://${at}/a/%2e%2e/b`,
      `https://${at}/a/%2E./b`,
      `https://${at}/.%2e/b`,
      `https://${at}/c.json\t`,
      `https://${at}/c\n.json`,
      `https://${at}/c.json `,
      `https://${at}/c\u0000.json`,
      `https:${at}/c.json`,
      `https:/${at}/c.json`,
      `https:///${at}/c.json`,
      `https:\\\\${at}\\c.json`,
      `https://${at}\\c.json`,
      `https://evil%2etest:${trap.port}/c.json`,
      `https://ｅvil.test:${trap.port}/c.json`,
      `https://${at}/%`,
      `https://${at}/%zz`,
      `https://${at}/${"a".repeat(600)}`,
      "https://",
      "https:///c.json",
      "https://:443/c.json",
      "https://evil.test:99999/c.json",
    ]
  ) {
    const page = await assertPage400(await authorizeAs(gateway, url), url);
    assert.match(page, /could not fetch or accept/, url);
  }
  assert.deepEqual([trap.hits, names.queries], [0, []]);
});

Deno.test("client ids that are no URL of a document are looked up, never fetched (AS-34)", async () => {
  await using trap = canary();
  const names = new Names().set("evil.test", ["127.0.0.1"]);
  await using gateway = await watchedGateway({ ...publicGateway(), strangers: { resolve: names.resolve } });
  for (
    const id of [
      `ftp://evil.test:${trap.port}/c.json`,
      `file://evil.test:${trap.port}/c.json`,
      `//evil.test:${trap.port}/c.json`,
      `evil.test:${trap.port}/c.json`,
      ` https://evil.test:${trap.port}/c.json`,
      `data:application/json,{"client_id":"x"}`,
      `blob:https://evil.test:${trap.port}/c`,
    ]
  ) await assertPage400(await authorizeAs(gateway, id), id);
  assert.deepEqual([trap.hits, names.queries], [0, []]);
});

Deno.test("the document must name the very string that was asked for (B3 050, AS-36)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const { port } = host;
  const pairs: [asked: string, stated: string][] = [
    [`http://127.0.0.1:${port}/c.json`, `http://127.0.0.1:${port}/c.json/`],
    [`http://127.0.0.1:${port}/c.json/`, `http://127.0.0.1:${port}/c.json`],
    [`http://127.0.0.1:${port}/c.json`, `http://127.0.0.1:${port}/C.json`],
    [`http://127.0.0.1:${port}/c.json`, `HTTP://127.0.0.1:${port}/c.json`],
    [`HTTP://127.0.0.1:${port}/c.json`, `http://127.0.0.1:${port}/c.json`],
    [`http://127.0.0.1:${port}/c.json`, `http://127.0.0.1:${port}/%63.json`],
    [`http://127.0.0.1:${port}/%63.json`, `http://127.0.0.1:${port}/c.json`],
    [`http://127.0.0.1:${port}/c.json`, `http://localhost:${port}/c.json`],
    [`http://127.0.0.1:${port}/c.json`, `http://127.0.0.1:${port}/c.json?`],
    [`http://127.0.0.1:${port}/c.json`, `http://127.0.0.1:${port}/c.json `],
    [`http://127.0.0.1:${port}/c.json?a`, `http://127.0.0.1:${port}/c.json`],
    [`http://127.0.0.1:${port}/c.json`, "https://chatgpt.com/oauth/client.json"],
  ];
  for (const [asked, stated] of pairs) {
    const document = {
      client_id: stated,
      client_name: "Other",
      redirect_uris: ["https://client.example/callback"],
    };
    host.answers.set(new URL(asked).pathname, document);
    await assertPage400(await authorizeAs(gateway, asked), `${asked} ${stated}`);
  }
  assert.equal(host.requests.length, pairs.length, "each was fetched, and refused for what it said");
  // The same URLs with their own strings are clients, each its own.
  for (const asked of new Set(pairs.map(([url]) => url))) {
    host.answers.set(new URL(asked).pathname, {
      client_id: asked,
      client_name: "Own",
      redirect_uris: ["https://client.example/callback"],
    });
    assert.equal((await authorizeAs(gateway, asked)).status, 303, asked);
  }
});

Deno.test("with cimdEnabled: false no document is fetched, nothing advertises it, and registration works (AS-08)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway({ gatewayOptions: { gateway: { cimdEnabled: false } } });
  const client = publish(host, "/c.json");
  await assertPage400(await authorizeAs(gateway, client.clientId));
  assert.equal(host.requests.length, 0);
  const metadata = await (await gateway.fetch("/.well-known/oauth-authorization-server")).json();
  assert.notEqual(metadata.client_id_metadata_document_supported, true);
  assert.equal((await gateway.fetch(authorizeUrl(gateway, await registerClient(gateway)))).status, 303);
});
