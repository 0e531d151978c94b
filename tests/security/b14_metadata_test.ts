/** Attack corpus B14: what an upstream says of itself. Its metadata, its issuer and the places it sends browsers to are hostile input. */
import assert from "node:assert/strict";
import { canary, documentHost, Names } from "../support/document_host.ts";
import { upstreamScene } from "../support/upstream_scene.ts";
import { assertStopped, challengeWith, connectIn, tryToConnect } from "./hostile_upstream.ts";

const PRM = "/.well-known/oauth-protected-resource/mcp";

Deno.test("a challenge that points into the network, to no address or past a password is refused, and nothing is fetched (B14 225, UP-16)", async () => {
  await using trap = canary();
  await using host = documentHost();
  const names = new Names().set("rebind.test", ["10.1.2.3"]).set("half.test", [
    "93.184.216.34",
    "169.254.169.254",
  ]);
  // This machine's own addresses are the private ones that can be reached, whatever is done about the others.
  const own = trap.addresses.filter((address) => !/^(?:127\.|::1$)/.test(address) && !address.includes("%"));
  names.set("own.test", own);
  for (
    const url of [
      "http://169.254.169.254/x",
      "https://169.254.169.254/x",
      "https://10.0.0.1/prm",
      "https://[fd00::1]/prm",
      "https://0x0a000001/prm",
      "https://rebind.test/prm",
      "https://half.test/prm",
      "https://metadata.google.internal/prm",
      "http://evil.test/prm",
      ...own.flatMap((address) => {
        const host = `${address.includes(":") ? `[${address}]` : address}:${trap.port}`;
        return [`http://${host}/prm`, `https://${host}/prm`];
      }),
      `https://own.test:${trap.port}/prm`,
      PRM,
      "//evil.test/prm",
      "javascript:alert(1)",
      `data:application/json,{"resource":"x"}`,
      "file:///etc/passwd",
      "ftp://evil.test/prm",
      `blob:${host.origin}/prm`,
      `http://user:secret@127.0.0.1:${host.port}/prm`,
      "--flag",
    ]
  ) {
    const attempt = await tryToConnect(
      { harness: { strangers: { resolve: names.resolve } } },
      ({ upstream }) => {
        host.answers.set("/prm", { resource: upstream.url, authorization_servers: [upstream.origin] });
        upstream.script.answer = challengeWith(`resource_metadata="${url.replaceAll('"', '\\"')}"`);
      },
    );
    assertStopped(attempt, url);
    // Which of the reasons it was is told to nobody but the log.
    assert.ok(!attempt.html.includes("169.254") && !attempt.html.includes("evil.test"), url);
    assert.equal(attempt.upstream.at("/register").length, 0, url);
  }
  assert.deepEqual([trap.hits, host.requests.length], [0, 0]);
});

Deno.test("metadata at another origin counts only if it is about the configured upstream; odd places at its own are used (B14 225, UP-01, UP-02)", async () => {
  await using host = documentHost();
  for (const honest of [false, true]) {
    const attempt = await tryToConnect({}, ({ upstream }) => {
      const resource = honest ? upstream.url : `${host.origin}/mcp`;
      host.answers.set("/prm", { resource, authorization_servers: [upstream.origin] });
      upstream.script.answer = challengeWith(`resource_metadata="${host.origin}/prm"`);
    });
    if (honest) assert.equal(attempt.status, 200);
    else {
      assertStopped(attempt, "foreign resource");
      assert.equal(attempt.reason, "resource_differs");
    }
  }
  // The challenge's address comes before the well-known one, which here has nothing.
  await using scene = await upstreamScene();
  const { upstream } = scene;
  upstream.script.answer = (request) => {
    if (request.path === PRM) return new Response(null, { status: 404 });
    if (request.path === "/somewhere/odd") {
      return Response.json({ resource: upstream.url, authorization_servers: [upstream.origin] });
    }
    return challengeWith(`resource_metadata="${upstream.origin}/somewhere/odd"`)(request);
  };
  assert.equal((await connectIn(scene)).status, 200);
  assert.deepEqual([upstream.at("/somewhere/odd").length, upstream.at(PRM).length], [1, 0]);
});

Deno.test("metadata of another resource is refused: another service, port, scheme, sibling or child path, or no text at all (B14 226, UP-02)", async () => {
  const resources = (url: URL): readonly unknown[] => [
    "https://api.good.example",
    `${url.protocol}//${url.hostname}:${Number(url.port) + 1}/mcp`,
    `https://${url.host}/mcp`,
    `${url.origin}/other`,
    `${url.origin}/mc`,
    `${url.origin}/mcp2`,
    `${url.origin}/mcp/x`,
    `${url.origin}/mcp//`,
    `${url.origin}/MCP`,
    `${url.origin}/x/../mcp`,
    `${url.origin}/%6dcp`,
    `${url.origin}/mcp?x=1`,
    `${url.origin}/mcp#f`,
    `http://user@${url.host}/mcp`,
    ` ${url.origin}/mcp`,
    url.origin,
    "",
    null,
    7,
    [`${url.origin}/mcp`],
    { href: `${url.origin}/mcp` },
  ];
  const count = resources(new URL("http://127.0.0.1:1/mcp")).length;
  for (let index = 0; index < count; index++) {
    let what = "";
    const attempt = await tryToConnect({}, ({ upstream }) => {
      const resource = resources(new URL(upstream.url))[index];
      what = JSON.stringify(resource);
      upstream.script.resourceMetadata = { resource };
    });
    assertStopped(attempt, what);
    assert.equal(attempt.reason, "resource_differs", what);
    assert.equal(attempt.upstream.at("/register").length, 0, what);
  }
  // One slash at the end is the same resource; the parent only if the operator says so, and then nothing else.
  const slash = await tryToConnect({}, ({ upstream }) => {
    upstream.script.resourceMetadata = { resource: `${upstream.url}/` };
  });
  assert.equal(slash.status, 200);
  for (const [said, status] of [["", 200], ["/mcp", 502]] as const) {
    const attempt = await tryToConnect(
      { policy: (origin) => ({ overrides: { resource: origin } }) },
      ({ upstream }) => {
        upstream.script.resourceMetadata = { resource: upstream.origin + said };
      },
    );
    assert.equal(attempt.status, status, said);
  }
});

Deno.test("the issuer is to the letter the one that was asked for (B14 228, UP-04)", async () => {
  for (
    const issuer of [
      (origin: string) => `${origin}/`,
      (origin: string) => origin.replace("http:", "https:"),
      (origin: string) => origin.replace("127.0.0.1", "localhost"),
      (origin: string) => `${origin}/tenant`,
      (origin: string) => origin.toUpperCase(),
      (origin: string) => `${origin}?x`,
      () => "https://accounts.good.example",
      () => "",
      () => null,
      () => 1,
      (origin: string) => [origin],
    ]
  ) {
    let what = "";
    const attempt = await tryToConnect({}, ({ upstream }) => {
      what = JSON.stringify(issuer(upstream.origin));
      upstream.script.metadata = { issuer: issuer(upstream.origin) };
    });
    assertStopped(attempt, what);
    assert.ok(["issuer_differs", "server_metadata_malformed"].includes(String(attempt.reason)), what);
  }
  // A key that stands twice is two documents in one: which issuer it names depends on the reader.
  const twice = await tryToConnect({}, ({ upstream }) => {
    upstream.script.answer = ({ path }) => {
      if (path !== "/.well-known/oauth-authorization-server") return null;
      const text = JSON.stringify({
        issuer: upstream.origin,
        authorization_endpoint: `${upstream.origin}/authorize`,
        token_endpoint: `${upstream.origin}/token`,
        registration_endpoint: `${upstream.origin}/register`,
        code_challenge_methods_supported: ["S256"],
      });
      return new Response(text.replace("{", '{"issuer":"https://evil.test",'), {
        headers: { "content-type": "application/json" },
      });
    };
  });
  assertStopped(twice, "issuer twice");
  // The operator may name an issuer that is known to be spelt otherwise, and then it is that one, to the letter.
  for (const [said, status] of [["/", 200], ["/x", 502]] as const) {
    const attempt = await tryToConnect(
      { policy: (origin) => ({ overrides: { issuer: `${origin}/` } }) },
      ({ upstream }) => {
        upstream.script.metadata = { issuer: `${upstream.origin}${said}` };
        upstream.script.response = { iss: `${upstream.origin}${said}` };
      },
    );
    assert.equal(attempt.status, status, said);
  }
});

Deno.test("a browser is sent to no scheme, no private address and no text that is none of ours to open (B14 229, UP-16)", async () => {
  for (
    const authorization_endpoint of [
      "javascript:alert(1)",
      "JavaScript:alert(1)",
      "\tjavascript:alert(1)",
      "data:text/html,<script>",
      "vbscript:x",
      "file:///etc/passwd",
      "ftp://as.example/authorize",
      "ms-cxh-full://x",
      "https://u:p@as.example/authorize",
      "https://u@as.example/authorize",
      "https://10.0.0.1/authorize",
      "https://192.168.1.1/",
      "https://[fd00::1]/",
      "https://169.254.169.254/",
      "https://0x7f.1.1.1@as.example/",
      "https://as.example/authorize#fragment",
      "https://as.example/auth\r\norize",
      "https://as.example/ authorize",
      "\u0000https://as.example/",
      "--flag",
      "$(calc)",
      "`calc`",
      "/authorize",
      "//as.example/authorize",
      "https://",
      "",
      7,
      null,
      ["https://as.example/authorize"],
    ]
  ) {
    const what = JSON.stringify(authorization_endpoint);
    const attempt = await tryToConnect({ script: { metadata: { authorization_endpoint } } });
    assertStopped(attempt, what);
    assert.ok(["endpoint_refused", "server_metadata_malformed"].includes(String(attempt.reason)), what);
    if (typeof authorization_endpoint === "string" && authorization_endpoint.length > 8) {
      assert.ok(!attempt.html.includes(authorization_endpoint), what);
    }
  }
});

Deno.test("a server that does not say S256 is refused, whatever else it says (B14 231, UP-06)", async () => {
  for (const methods of [null, [], ["plain"], ["s256"], "S256", [["S256"]], { S256: true }]) {
    const attempt = await tryToConnect({
      script: { metadata: { code_challenge_methods_supported: methods } },
    });
    assertStopped(attempt, JSON.stringify(methods));
    assert.equal(attempt.reason, "server_without_pkce");
    assert.equal(attempt.upstream.at("/register").length, 0);
  }
});
