/** Attack corpus B14: what a connect link and the answer around it give away, to the client and to everybody on the link's way. */
import assert from "node:assert/strict";
import {
  ElicitRequestURLParamsSchema,
  JSONRPCErrorResponseSchema,
  UrlElicitationRequiredError,
  // @ts-types="@modelcontextprotocol/sdk/types"
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { call, signedIn, textOf, upstreamScene } from "../support/upstream_scene.ts";
import { pairScene } from "./connect_scene.ts";
import { publicConnectScene } from "./public_connect_scene.ts";

/** `URLElicitationRequiredError` of the schema of 2025-11-25, as far as it says what has to be there. */
const urlElicitationRequired = z.looseObject({
  jsonrpc: z.literal("2.0"),
  id: z.union([z.string(), z.int()]),
  error: z.looseObject({
    code: z.literal(-32042),
    message: z.string(),
    data: z.looseObject({
      elicitations: z.array(z.looseObject({
        mode: z.literal("url"),
        message: z.string(),
        elicitationId: z.string(),
        url: z.url(),
      })).min(1),
    }),
  }),
});

const PENDING = /^[A-Za-z0-9_-]{22}$/;

Deno.test("the -32042 payload is the specification's, and names the gateway's own address and an id that nobody can guess (B14 224, EL-01, EL-07)", async () => {
  await using scene = await publicConnectScene();
  const alice = await scene.signIn();
  const { status, body, headers } = await call(scene, alice);
  assert.deepEqual([status, headers.get("cache-control")], [200, "no-store"]);
  const { error } = urlElicitationRequired.parse(body);
  JSONRPCErrorResponseSchema.parse(body);
  const [elicitation] = error.data.elicitations.map((each) => ElicitRequestURLParamsSchema.parse(each));
  assert.equal(error.data.elicitations.length, 1);
  assert.deepEqual(error.data.authUrl, elicitation?.url);
  // SDK v1 makes its own error of the wire's.
  assert.ok(new UrlElicitationRequiredError(error.data.elicitations).elicitations.length === 1);
  const url = new URL(elicitation?.url ?? "");
  assert.equal(url.href.split("=")[0], "https://gw.test/auth/connections/acme/connect?pending");
  assert.match(url.searchParams.get("pending") ?? "", PENDING);
  assert.equal(elicitation?.elicitationId, url.searchParams.get("pending"));
  // Nobody and nothing else is in it.
  const text = JSON.stringify(body);
  const [user] = await Array.fromAsync(scene.gateway.kv.list({ prefix: ["user"] }));
  const session = alice.browser.cookies.get(new URL("https://gw.test"), "__Host-sallyport_session");
  assert.ok(session !== undefined && user !== undefined);
  for (
    const secret of [
      alice.token,
      session,
      String(user.key[1]),
      scene.client.clientId,
      "subject-of-alice",
      "@",
      scene.upstream.origin,
      "127.0.0.1",
      scene.provider.origin,
    ]
  ) assert.ok(!text.includes(secret), secret);
});

Deno.test("ids of links are unique to user and need, and 128 bits of chance (B14 224)", async () => {
  await using scene = await pairScene();
  const users = [
    await signedIn(scene, "alice"),
    await signedIn(scene, "bob"),
    await signedIn(scene, "carol"),
  ];
  const ids = new Set<string>();
  for (let round = 0; round < 20; round++) {
    for (const user of users) {
      const { body } = await call(scene, user);
      ids.add(body.error?.data?.elicitations?.[0]?.elicitationId ?? "");
    }
    scene.clock.advance({ seconds: 301 });
  }
  assert.equal(ids.size, 60);
  for (const id of ids) assert.match(id, PENDING);
  const bits = [...ids].map((id) => Uint8Array.fromBase64(id, { alphabet: "base64url" }).length * 8);
  assert.ok(bits.every((each) => each === 128));
  // No two have as much in common as a counter or a clock would leave.
  const starts = new Set([...ids].map((id) => id.slice(0, 4)));
  assert.ok(starts.size > 50, `${starts.size}`);
});

Deno.test("a session whose client cannot open URLs never gets -32042 for a tool; its tool error names our own metadata for ChatGPT (B14 224, EL-05)", async () => {
  await using scene = await upstreamScene();
  const alice = await signedIn(scene);
  const modern = (elicitation: unknown) => ({
    message: {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: {
        name: "echo",
        arguments: {},
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientInfo": { name: "t", version: "1" },
          "io.modelcontextprotocol/clientCapabilities": { ...(elicitation === null ? {} : { elicitation }) },
        },
      },
    },
    headers: {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "echo",
    },
  });
  for (const elicitation of [null, {}, { form: {} }]) {
    const answer = await call(scene, alice, modern(elicitation));
    assert.deepEqual([answer.body.error, answer.body.result?.isError], [undefined, true]);
    const [challenge, ...others] = challengesOf(answer);
    assert.equal(others.length, 0);
    // The one that a request without a token gets, with the reason: signing in anew leads to the Connect button.
    assert.equal(
      challenge,
      `Bearer resource_metadata="${scene.gateway.origin}/.well-known/oauth-protected-resource/alpha", ` +
        `scope="mcp:tools", error="insufficient_scope", error_description="Connect Acme to continue."`,
    );
  }
  // Who can open a URL is asked to; and who has said no to that is not asked in another way.
  const asked = await call(scene, alice, modern({ url: {} }));
  assert.equal(asked.body.result?.resultType, "input_required");
  assert.deepEqual(challengesOf(asked), []);
  const { requestState, inputRequests } = asked.body.result ?? {};
  const [key = ""] = Object.keys(inputRequests ?? {});
  const { message, headers } = modern({ url: {} });
  const params = { ...message.params, requestState, inputResponses: { [key]: { action: "decline" } } };
  const declined = await call(scene, alice, { message: { ...message, params }, headers });
  assert.deepEqual([declined.body.result?.isError, challengesOf(declined)], [true, []]);
});

Deno.test("signing in anew would not help with what an administrator has to connect, so no challenge says so (EL-05, UP-23)", async () => {
  await using scene = await upstreamScene({
    policy: { authMode: "shared-oauth" },
    config: { admins: ({ subject }) => subject === "carol" },
  });
  const alice = await signedIn(scene);
  const initialize = {
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
  };
  assert.equal((await call(scene, alice, { message: initialize })).body.error?.code, -32042);
  const modern = {
    jsonrpc: "2.0",
    id: 2,
    method: "tools/call",
    params: {
      name: "echo",
      arguments: {},
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "t", version: "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
  };
  const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "echo" };
  const answer = await call(scene, alice, { message: modern, headers });
  assert.match(textOf(answer) ?? "", /administrator/);
  assert.deepEqual(challengesOf(answer), []);
});

Deno.test("without a token there is a 401 and its challenge, whatever is connected: a connect link signs nobody in (EL-10)", async () => {
  await using scene = await pairScene();
  await signedIn(scene, "alice");
  for (const token of ["", "at_unknown"]) {
    const answer = await call(scene, { token });
    assert.equal(answer.status, 401);
    assert.equal(answer.body.error === undefined || typeof answer.body.error === "string", true);
    assert.ok(!JSON.stringify(answer.body).includes("/auth/connections/"));
    assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer resource_metadata=/);
  }
});

Deno.test("the link's id leaves the gateway in no header, no address, no event and no other page, and is dead when it has served (B14 221)", async () => {
  await using scene = await publicConnectScene();
  const { gateway, upstream } = scene;
  const alice = await scene.signIn();
  const link = (await call(scene, alice)).body.error?.data?.authUrl ?? "";
  const pending = new URL(link).searchParams.get("pending") ?? "";
  const page = await alice.browser.get(link);
  // Nothing is loaded from elsewhere, and nobody is told where the browser comes from.
  assert.match(
    page.headers.get("content-security-policy") ?? "",
    /^default-src 'none'; style-src 'self'; img-src 'self';/,
  );
  assert.equal(page.headers.get("referrer-policy"), "no-referrer");
  assert.equal(page.headers.get("cache-control"), "no-store");
  assert.ok(page.links.every(({ href }) => !href.includes(pending)), "no link carries it on");
  assert.ok(page.links.every(({ origin }) => origin === gateway.origin));
  const answer = await gateway.fetch(link, {
    headers: { cookie: alice.browser.cookies.header(new URL(link)) ?? "" },
  });
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
  const before = alice.browser.visited.length;
  const end = await alice.browser.submit(page, { decision: "connect" });
  assert.equal(end.url.pathname, "/account");
  for (const url of alice.browser.visited.slice(before)) assert.ok(!url.href.includes(pending), url.href);
  for (const { params, headers, body } of upstream.requests) {
    assert.ok(!JSON.stringify([[...params], [...headers], body]).includes(pending));
    assert.equal(headers.get("referer"), null);
  }
  assert.ok(!JSON.stringify(gateway.events).includes(pending));
  const dead = await alice.browser.get(link);
  assert.equal(dead.status, 403);
  assert.ok(!dead.html.includes(pending) && !dead.links.some(({ href }) => href.includes(pending)));
});

function challengesOf({ body }: Awaited<ReturnType<typeof call>>): readonly string[] {
  const meta = body.result?._meta;
  if (typeof meta !== "object" || meta === null || !("mcp/www_authenticate" in meta)) return [];
  return z.array(z.string()).parse(meta["mcp/www_authenticate"]);
}
