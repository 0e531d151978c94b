/** Client ID metadata documents: the URL as a string, the document as hostile text, and the cache. */
import assert from "node:assert/strict";
import {
  ClientDocumentError,
  ClientDocuments,
  documentOrigin,
  readDocument,
} from "../../../lib/authorization_server/client_id_metadata_document.ts";
import { clientDocuments } from "../../../lib/store/schema.ts";
import { hashSecret } from "../../../lib/crypto/secret_token.ts";
import { clientDocument } from "../../support/document_host.ts";
import { type TestServices, testServices } from "../../support/services.ts";
import { POLICY } from "./stage.ts";

const ID = "https://client.example/c.json";

function refusedFor(reason: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ClientDocumentError, String(error));
    assert.equal(error.reason, reason);
    return true;
  };
}

Deno.test("`documentOrigin()` judges the string that was sent, not what a parser makes of it (B3 034, AS-35)", () => {
  const good: [string, string][] = [
    [ID, "https://client.example"],
    ["https://client.example/", "https://client.example"],
    ["https://client.example:8443/a/b.json?v=1", "https://client.example:8443"],
    ["https://client.example:443/c", "https://client.example"],
    ["https://client.example/a..b/...", "https://client.example"],
    ["https://client.example/c?x=/../y", "https://client.example"],
    ["https://xn--bcher-kva.example/c", "https://xn--bcher-kva.example"],
  ];
  for (const [url, origin] of good) assert.equal(documentOrigin(url, false), origin, url);
  const malformed = [
    "https://client.example",
    "https://client.example?x",
    "https://client.example/c#",
    "https://client.example/c#f",
    "https://u@client.example/c",
    "https://client.example/a/../c",
    "https://client.example/%2E%2e/c",
    "https://client.example/.%2E",
    "https://client.example/.",
    "https:client.example/c",
    "https://client.example\\c",
    "https://client.example/c d",
    "https://bücher.example/c",
    "https://2130706433/c",
    "https://127.1/c",
    `https://client.example/${"a".repeat(490)}`,
    "",
  ];
  for (const url of malformed) {
    assert.throws(() => documentOrigin(url, true), refusedFor("document_url_malformed"), url);
  }
  for (const url of ["http://client.example/c", "http://10.0.0.1/c", "http://localhost.evil.test/c"]) {
    assert.throws(() => documentOrigin(url, true), refusedFor("document_url_not_https"), url);
  }
  assert.equal(documentOrigin("http://127.0.0.1:8000/c", true), "http://127.0.0.1:8000");
  assert.throws(() => documentOrigin("http://127.0.0.1:8000/c", false), refusedFor("document_url_not_https"));
});

Deno.test("`readDocument()` says for the log what is wrong with a document (B3 050, 051, AS-36 to AS-38)", () => {
  const jwks = { keys: [{ kty: "EC", crv: "P-256", x: "x", y: "y" }] };
  const table: [Record<string, unknown>, string][] = [
    [{ client_id: `${ID}/` }, "document_client_id_differs"],
    [{ client_id: [ID] }, "document_client_id_differs"],
    [{ client_secret: null }, "document_with_secret"],
    [{ client_secret_expires_at: 0 }, "document_with_secret"],
    [{ client_name: "\u200b" }, "document_without_name"],
    [{ redirect_uris: ["javascript:alert(1)"] }, "document_metadata_refused"],
    [{ jwks: { keys: [{ ...jwks.keys[0], d: "d" }] } }, "document_metadata_refused"],
    [{ token_endpoint_auth_method: "client_secret_post" }, "document_auth_method_unsupported"],
    [{ token_endpoint_auth_method: "private_key_jwt" }, "document_auth_method_unsupported"],
    [
      { token_endpoint_auth_methods_supported: ["client_secret_jwt"], jwks },
      "document_auth_method_unsupported",
    ],
  ];
  for (const [changes, reason] of table) {
    const text = JSON.stringify(clientDocument(ID, changes));
    assert.throws(() => readDocument(ID, text, POLICY), refusedFor(reason), text);
  }
  assert.throws(() => readDocument(ID, "[]", POLICY), refusedFor("document_not_an_object"));
  assert.throws(() => readDocument(ID, "null", POLICY), refusedFor("document_not_an_object"));
  assert.throws(() => readDocument(ID, '{"a":1,"a":2}', POLICY), refusedFor("document_not_json"));
  assert.throws(
    () => readDocument(ID, '{"__proto__":{"client_id":"x"}}', POLICY),
    refusedFor("document_client_id_differs"),
  );
});

Deno.test("the plural names the methods, the singular only where it stands alone (AS-42, Q-14)", () => {
  const jwks = { keys: [{ kty: "EC", crv: "P-256", x: "x", y: "y" }] };
  const table: [Record<string, unknown>, string[]][] = [
    [{}, ["none"]],
    [{ token_endpoint_auth_method: "none" }, ["none"]],
    [{ token_endpoint_auth_method: "none", jwks }, ["none"]],
    [{ token_endpoint_auth_method: "private_key_jwt", jwks }, ["private_key_jwt"]],
    [{ token_endpoint_auth_methods_supported: ["private_key_jwt", "none"], jwks }, [
      "none",
      "private_key_jwt",
    ]],
    [
      {
        token_endpoint_auth_method: "private_key_jwt",
        token_endpoint_auth_methods_supported: ["none", "private_key_jwt"],
        jwks,
      },
      ["none", "private_key_jwt"],
    ],
    [{ token_endpoint_auth_methods_supported: ["none", "private_key_jwt"] }, ["none"]],
    [{ token_endpoint_auth_methods_supported: ["client_secret_basic", "none"] }, ["none"]],
    [{ token_endpoint_auth_method: "client_secret_basic", token_endpoint_auth_methods_supported: ["none"] }, [
      "none",
    ]],
  ];
  for (const [changes, methods] of table) {
    const { authMethods } = readDocument(ID, JSON.stringify(clientDocument(ID, changes)), POLICY);
    assert.deepEqual(authMethods, methods, JSON.stringify(changes));
  }
});

Deno.test("keys on loopback count where loopback is allowed, and nowhere else (contract 2.1, outbound)", () => {
  for (const jwks_uri of ["http://127.0.0.1:9/keys", "http://localhost/keys", "https://[::1]/keys"]) {
    const text = JSON.stringify(clientDocument(ID, { jwks_uri }));
    assert.throws(() => readDocument(ID, text, POLICY), refusedFor("document_metadata_refused"), jwks_uri);
    assert.equal(readDocument(ID, text, { ...POLICY, loopbackKeys: true }).metadata.jwksUri, jwks_uri);
  }
  for (
    const jwks_uri of ["http://client.example/keys", "http://10.0.0.1/keys", "http://127.0.0.2/keys", "x"]
  ) {
    const text = JSON.stringify(clientDocument(ID, { jwks_uri }));
    assert.throws(
      () => readDocument(ID, text, { ...POLICY, loopbackKeys: true }),
      ClientDocumentError,
      jwks_uri,
    );
  }
});

interface Stage {
  readonly documents: ClientDocuments;
  readonly asked: string[];
  answer: (url: string) => Response | Promise<Response>;
}

function stage(services: TestServices): Stage {
  const asked: string[] = [];
  const result: Stage = {
    asked,
    answer: (url) => Response.json(clientDocument(url)),
    documents: new ClientDocuments(services, {
      policy: POLICY,
      allowLoopback: false,
      fetch: async (url) => {
        asked.push(url);
        return await result.answer(url);
      },
    }),
  };
  return result;
}

Deno.test("a document is asked for once at a time, and again when it has aged (AS-40)", async () => {
  using services = await testServices();
  const { documents, asked } = stage(services);
  const all = await Promise.all([documents.get(ID), documents.get(ID), documents.getConnected(ID)]);
  assert.equal(new Set(all).size, 1);
  assert.equal(asked.length, 1);
  services.clock.advance({ seconds: 3_599 });
  await documents.get(ID);
  assert.equal(asked.length, 1);
  services.clock.advance({ seconds: 1 });
  await documents.get(ID);
  assert.equal(asked.length, 2);
});

Deno.test("`getConnected()` makes do with the last good document for seven days, `get()` does not (AS-40)", async () => {
  using services = await testServices();
  const it = stage(services);
  await it.documents.get(ID);
  it.answer = () => Promise.reject(new Error("down"));
  services.clock.advance({ seconds: 3_600 });
  await assert.rejects(it.documents.get(ID), refusedFor("document_unreachable"));
  assert.equal((await it.documents.getConnected(ID)).clientId, ID);
  services.clock.advance({ days: 7 });
  await assert.rejects(it.documents.getConnected(ID), refusedFor("document_unreachable"));
});

Deno.test("what a user approved is kept in the store, and found by another process (AS-40)", async () => {
  using services = await testServices();
  const first = stage(services);
  await first.documents.keep(ID);
  assert.equal(
    await services.store.get(clientDocuments, hashSecret(ID)),
    null,
    "nothing known, nothing kept",
  );
  await first.documents.get(ID);
  await first.documents.keep(ID);
  const second = stage(services);
  second.answer = () => new Response(null, { status: 500 });
  assert.equal((await second.documents.getConnected(ID)).metadata.clientName, "Document client");
  assert.equal(second.asked.length, 0, "it is still fresh");
  services.clock.advance({ seconds: 3_600 });
  assert.equal((await second.documents.getConnected(ID)).clientId, ID);
  assert.equal(second.asked.length, 1);
});

Deno.test("strangers use up a host's share, and not that of a client that a user approved (B3 056)", async () => {
  using services = await testServices();
  const it = stage(services);
  await it.documents.get(ID);
  await it.documents.keep(ID);
  services.clock.advance({ seconds: 3_600 });
  it.answer = (url) => url === ID ? Response.json(clientDocument(ID)) : new Response(null, { status: 404 });
  for (let n = 0; n < 30; n++) {
    await assert.rejects(it.documents.get(`https://client.example/${n}`), refusedFor("document_status"));
  }
  await assert.rejects(it.documents.get("https://client.example/31"), refusedFor("document_fetch_paced"));
  assert.equal((await it.documents.get(ID)).clientId, ID);
  // A host that nobody attacks is served.
  await assert.rejects(it.documents.get("https://other.example/1"), refusedFor("document_status"));
  assert.equal(it.asked.length, 33);
});

Deno.test("at most 32 documents are fetched at once, beside those of approved clients (B3 056)", async () => {
  using services = await testServices();
  const it = stage(services);
  await it.documents.get(ID);
  await it.documents.keep(ID);
  services.clock.advance({ seconds: 3_600 });
  const slow = Promise.withResolvers<Response>();
  it.answer = (url) =>
    url === ID ? Response.json(clientDocument(ID)) : slow.promise.then((answer) => answer.clone());
  const waiting = Array.from({ length: 32 }, (_, n) => it.documents.get(`https://h${n}.example/c`));
  for (const each of waiting) each.catch(() => {});
  await assert.rejects(it.documents.get("https://h33.example/c"), refusedFor("document_fetch_paced"));
  assert.equal((await it.documents.get(ID)).clientId, ID);
  slow.resolve(new Response(null, { status: 404 }));
  await Promise.allSettled(waiting);
  it.answer = (url) => Response.json(clientDocument(url));
  await it.documents.get("https://h33.example/c");
});
