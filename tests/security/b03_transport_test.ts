/** Attack corpus B3: hosts of documents that redirect, flood, stall, or lie about themselves. */
import assert from "node:assert/strict";
import {
  authorizeAs,
  canary,
  clientDocument,
  documentHost,
  Names,
  publish,
  rawAnswer,
  rawHost,
  writeAll,
} from "../support/document_host.ts";
import { certificateAuthority } from "../support/tls.ts";
import { assertPage400 } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";
import { growsLess, gzipBomb, MIB } from "../support/memory.ts";

Deno.test("a redirect is not followed, wherever it leads (B3 044, AS-36)", async () => {
  await using host = documentHost();
  await using trap = canary();
  await using gateway = await watchedGateway();
  const { clientId } = publish(host, "/other.json");
  const targets = [
    "http://169.254.169.254/",
    `http://127.0.0.1:${trap.port}/c.json`,
    clientId,
    "/other.json",
    `${host.origin}/c.json`,
  ];
  for (const status of [301, 302, 303, 307, 308]) {
    for (const target of targets) {
      // With a valid document as the body, too: the status alone decides.
      const document = JSON.stringify(clientDocument(`${host.origin}/c.json`));
      host.answers.set(
        "/c.json",
        () =>
          new Response(document, {
            status,
            headers: { location: target, "content-type": "application/json" },
          }),
      );
      await assertPage400(await authorizeAs(gateway, `${host.origin}/c.json`), `${status} ${target}`);
    }
  }
  assert.equal(trap.hits, 0);
  assert.equal(host.requests.length, 25, "one request each, and none to the redirect's target");
  assert.ok(
    host.requests.every((request) => request.url.endsWith("/c.json") && !request.url.includes("other")),
  );
});

Deno.test("a document is at most 5 KiB, whatever its host says or sends (B3 045)", async () => {
  await using gateway = await watchedGateway();
  const big = new Uint8Array(10 * MIB).fill(0x20);
  const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
  let sent = 0;
  const endless = async (connection: Deno.TcpConn) => {
    await connection.read(new Uint8Array(4096));
    await writeAll(connection, `${head}transfer-encoding: chunked\r\n\r\n`);
    const chunk = `1000\r\n${" ".repeat(4096)}\r\n`;
    for (;;) {
      await writeAll(connection, chunk);
      sent += chunk.length;
    }
  };
  const hosts = [
    rawHost(rawAnswer(`${head}content-length: ${big.length}\r\n\r\n`, big)),
    rawHost(rawAnswer(`${head}content-length: 100\r\n\r\n{`, big)),
    rawHost(rawAnswer(`${head}\r\n`, big)),
    rawHost(endless),
  ];
  try {
    await growsLess(40 * MIB, async () => {
      const sentBefore = sent;
      for (const [index, host] of hosts.entries()) {
        const started = performance.now();
        await assertPage400(
          await authorizeAs(gateway, `http://127.0.0.1:${host.port}/c.json`),
          String(index),
        );
        assert.ok(performance.now() - started < 1000, `host ${index} was read for long`);
      }
      // What the socket's buffers take, not more: nobody reads on.
      assert.ok(sent - sentBefore < 8 * MIB, `${sent - sentBefore} bytes were taken`);
    });
  } finally {
    for (const host of hosts) await host[Symbol.asyncDispose]();
  }
});

Deno.test("the limit counts bytes exactly, and just below it a document works (B3 045)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  for (const [size, status] of [[5_120, 303], [5_121, 400]] as const) {
    const clientId = `${host.origin}/${size}.json`;
    const document = JSON.stringify(clientDocument(clientId));
    const body = document + " ".repeat(size - document.length);
    host.answers.set(
      `/${size}.json`,
      () => new Response(body, { headers: { "content-type": "application/json" } }),
    );
    assert.equal((await authorizeAs(gateway, clientId)).status, status, String(size));
  }
});

Deno.test("compressed answers are refused before a byte of them is unpacked (B3 046)", async () => {
  await using host = documentHost();
  await using gateway = await watchedGateway();
  const bomb = await gzipBomb(128);
  await growsLess(64 * MIB, async () => {
    for (
      const encoding of ["gzip", "GZIP", "x-gzip", "br", "zstd", "deflate", "gzip, gzip", "identity, gzip"]
    ) {
      const path = `/${encoding.replace(/\W+/g, "-")}.json`;
      for (
        const body of [bomb, new TextEncoder().encode(JSON.stringify(clientDocument(host.origin + path)))]
      ) {
        host.answers.set(
          path,
          () =>
            new Response(body, {
              headers: { "content-type": "application/json", "content-encoding": encoding },
            }),
        );
        const started = performance.now();
        await assertPage400(await authorizeAs(gateway, host.origin + path), encoding);
        assert.ok(performance.now() - started < 1000, encoding);
      }
    }
  });
  assert.ok(host.requests.length > 0);
});

Deno.test("no host holds a request for more than five seconds, and nobody else waits for it (B3 047)", async () => {
  const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n";
  const every = (ms: number, first: string, then: string) => async (connection: Deno.TcpConn) => {
    await connection.read(new Uint8Array(4096));
    await writeAll(connection, first);
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      await writeAll(connection, then);
    }
  };
  const hosts = {
    silent: rawHost(),
    dripping: rawHost(every(900, head, " ")),
    drippingHead: rawHost(every(900, "HTTP/1.1 200 OK\r\n", "x: y\r\n")),
    earlyHints: rawHost(every(20, "HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n")),
    continuing: rawHost(every(20, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n")),
  };
  const names = new Names();
  const never = new Promise<string[]>(() => {});
  await using good = documentHost();
  await using gateway = await watchedGateway({
    strangers: { resolve: (name) => name === "slow.localhost" ? never : names.resolve(name) },
  });
  const urls = [
    // Over TLS the silent host never answers the handshake.
    `https://127.0.0.1:${hosts.silent.port}/c.json`,
    ...Object.values(hosts).map(({ port }) => `http://127.0.0.1:${port}/c.json`),
    "https://slow.localhost/c.json",
  ];
  try {
    const started = performance.now();
    const waiting = Promise.all(urls.map(async (url) => {
      await assertPage400(await authorizeAs(gateway, url), url);
      return performance.now() - started;
    }));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const honest = performance.now();
    assert.equal((await authorizeAs(gateway, publish(good, "/c.json").clientId)).status, 303);
    assert.ok(performance.now() - honest < 500, "an honest client waited");
    for (const [index, elapsed] of (await waiting).entries()) {
      assert.ok(elapsed > 4500 && elapsed < 6500, `${urls[index]}: ${elapsed} ms`);
    }
  } finally {
    for (const host of Object.values(hosts)) await host[Symbol.asyncDispose]();
  }
});

Deno.test("an answer that switches protocols, or is no HTTP, is refused at once (B3 047)", async () => {
  await using gateway = await watchedGateway();
  const body = (clientId: string) => JSON.stringify(clientDocument(clientId));
  const answers: ((document: string) => string)[] = [
    () => "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    () => "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    (document) =>
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${
        document.length + 9
      }\r\n\r\n${document}`,
    (document) =>
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: ${document.length}\r\n\r\n${document}`,
    (document) =>
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n${document}`,
    (document) =>
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx: a\u0000b\r\ncontent-length: ${document.length}\r\n\r\n${document}`,
    (document) =>
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nbad name: x\r\ncontent-length: ${document.length}\r\n\r\n${document}`,
    (document) => document,
    () => "",
    () => "\u0016\u0003\u0001 not TLS",
  ];
  for (const [index, answer] of answers.entries()) {
    await using host = rawHost(async (connection) => {
      await connection.read(new Uint8Array(4096));
      await writeAll(connection, answer(body(`http://127.0.0.1:${host.port}/c.json`)));
      // A host that switched protocols keeps the line open.
      if (index < 2) await connection.read(new Uint8Array(1));
    });
    const started = performance.now();
    await assertPage400(await authorizeAs(gateway, `http://127.0.0.1:${host.port}/c.json`), String(index));
    assert.ok(performance.now() - started < 1500, `answer ${index} was waited for`);
  }
});

Deno.test("a certificate must be valid, trusted and of this name; there is no way round (B3 053)", async () => {
  const ca = await certificateAuthority();
  const stranger = await certificateAuthority("Unknown authority");
  const days = (n: number) => new Date(Date.now() + n * 86_400_000);
  const right = { names: ["doc.localhost"] };
  const table: [what: string, tls: { cert: string; key: string }, status: number][] = [
    ["right", await ca.issue(right), 303],
    ["another name", await ca.issue({ names: ["other.localhost"] }), 400],
    ["the address instead of the name", await ca.issue({ names: ["127.0.0.1"] }), 400],
    ["a wildcard too high", await ca.issue({ names: ["*.doc.localhost"] }), 400],
    ["expired", await ca.issue({ ...right, notBefore: days(-9), notAfter: days(-1) }), 400],
    ["not yet valid", await ca.issue({ ...right, notBefore: days(1), notAfter: days(9) }), 400],
    ["unknown authority", await stranger.issue(right), 400],
  ];
  for (const [what, tls, status] of table) {
    await using host = documentHost({ tls, name: "doc.localhost" });
    const names = new Names().set("doc.localhost", ["127.0.0.1"]);
    await using gateway = await watchedGateway({ strangers: { resolve: names.resolve, ca: ca.certificate } });
    const response = await authorizeAs(gateway, publish(host, "/c.json").clientId);
    if (status === 400) await assertPage400(response, what);
    assert.equal(response.status, status, what);
    assert.equal(host.requests.length, status === 303 ? 1 : 0, what);
  }
});
