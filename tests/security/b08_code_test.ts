/** Attack corpus B8: the token endpoint with an authorization code. 133 (private_key_jwt) belongs to a later feature. */
import assert from "node:assert/strict";
import { hashSecret } from "../../lib/crypto/secret_token.ts";
import {
  callMcp,
  obtainCode,
  postForm,
  postJson,
  redeem,
  redemption,
  refresh,
  registerClient,
  VERIFIER,
} from "../support/oauth_flow.ts";
import { assertChallenge, assertOAuthError } from "./answers.ts";
import { watchedGateway } from "./watched_gateway.ts";

const FORM = "application/x-www-form-urlencoded";

Deno.test("a replayed code revokes all that was issued for it (B8 122, AS-17)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const code = await obtainCode(gateway, client);
  const first = await (await redeem(gateway, client, code)).json();
  const second = await (await refresh(gateway, client, first.refresh_token)).json();
  gateway.clock.advance({ days: 1 });
  const third = await (await refresh(gateway, client, second.refresh_token)).json();
  assert.equal((await callMcp(gateway, "/alpha", third.access_token)).status, 200);
  await assertOAuthError(await redeem(gateway, client, code), "invalid_grant");
  const refused = await callMcp(gateway, "/alpha", third.access_token);
  await assertChallenge(refused, `${gateway.origin}/alpha`, "invalid_token");
  await assertOAuthError(await refresh(gateway, client, third.refresh_token), "invalid_grant");
});

Deno.test("a forged code touches nothing (B8 123)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const code = await obtainCode(gateway, client);
  const tokens = await (await redeem(gateway, client, code)).json();
  const unused = await obtainCode(gateway, client);
  const before = await gateway.contents();
  for (const real of [code, unused]) {
    for (
      const forged of [
        `${real.slice(0, 20)}${"A".repeat(real.length - 20)}`,
        `${real}x`,
        real.slice(0, -1),
        "",
      ]
    ) {
      await assertOAuthError(await redeem(gateway, client, forged), "invalid_grant", { what: forged });
    }
  }
  assert.deepEqual(await gateway.contents(), before);
  assert.equal((await callMcp(gateway, "/alpha", tokens.access_token)).status, 200);
});

Deno.test("of 20 parallel redemptions at most one succeeds, and nothing of two families is left (B8 124, AS-17)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (let round = 0; round < 5; round++) {
    const code = await obtainCode(gateway, client);
    const answers = await Promise.all(Array.from({ length: 20 }, () => redeem(gateway, client, code)));
    const successes = answers.filter(({ status }) => status === 200);
    assert.equal(successes.length, 1);
    for (const answer of answers) {
      if (answer.status !== 200) await assertOAuthError(answer, "invalid_grant");
    }
    // The second use by the same client is a replay: the family is revoked, as the contract says.
    const tokens = await successes[0]?.json();
    assert.equal((await callMcp(gateway, "/alpha", tokens.access_token)).status, 401);
    await assertOAuthError(await refresh(gateway, client, tokens.refresh_token), "invalid_grant");
  }
});

Deno.test("a code is the client's that asked for it, for 60 seconds (B8 125, B8 126, AS-16, AS-17)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const other = await registerClient(gateway, { client_name: "M" });
  const confidential = await registerClient(gateway, { token_endpoint_auth_method: "client_secret_post" });
  const code = await obtainCode(gateway, client);
  const before = await gateway.contents();
  for (const thief of [other, confidential]) {
    await assertOAuthError(await redeem(gateway, thief, code), "invalid_grant");
  }
  assert.deepEqual(await gateway.contents(), before);
  assert.equal((await redeem(gateway, client, code)).status, 200);
  const late = await obtainCode(gateway, client);
  gateway.clock.advance({ seconds: 60 });
  await assertOAuthError(await redeem(gateway, client, late), "invalid_grant");
});

Deno.test("a wrong redirect URI, resource or scope consumes no code (B8 127, B8 128, B8 129, AS-16, AS-23)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const code = await obtainCode(gateway, client);
  const before = await gateway.contents();
  const { origin } = gateway;
  const wrong: [Parameters<typeof redeem>[3], string][] = [
    [{ redirect_uri: "https://client.example/other" }, "invalid_grant"],
    [{ redirect_uri: `${client.redirectUri}/` }, "invalid_grant"],
    [{ redirect_uri: null }, "invalid_grant"],
    [{ redirect_uri: "" }, "invalid_grant"],
    [{ resource: `${origin}/beta` }, "invalid_target"],
    [{ resource: [`${origin}/alpha`, `${origin}/beta`] }, "invalid_target"],
    [{ resource: "https://evil.test/alpha" }, "invalid_target"],
    [{ resource: `${origin}/alpha#f` }, "invalid_target"],
    [{ resource: `${origin}/beta/../alpha` }, "invalid_target"],
    [{ scope: "mcp:tools admin" }, "invalid_scope"],
    [{ scope: "mcp:*" }, "invalid_scope"],
  ];
  for (const [changes, error] of wrong) {
    const what = JSON.stringify(changes);
    await assertOAuthError(await redeem(gateway, client, code, changes), error, { what });
  }
  assert.deepEqual(await gateway.contents(), before);
  const right = await redeem(gateway, client, code, { resource: `${origin}/alpha/`, scope: "mcp:tools" });
  assert.equal(right.status, 200);
});

Deno.test("a client with a secret has to send it, once and in the right place (B8 130)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { token_endpoint_auth_method: "client_secret_basic" });
  const secret = client.clientSecret ?? "";
  const code = await obtainCode(gateway, client);
  const before = await gateway.contents();
  for (const client_secret of [null, "", "wrong", secret.slice(0, -1), `${secret} `, `${secret}\u0000`]) {
    const response = await redeem(gateway, client, code, { client_secret });
    await assertOAuthError(response, "invalid_client", { status: 401, what: String(client_secret) });
  }
  const inQuery = await postForm(
    gateway,
    `/oauth/token?client_secret=${secret}`,
    redemption(client, code, { client_secret: null }),
  );
  await assertOAuthError(inQuery, "invalid_client", { status: 401 });
  const basic = { authorization: `Basic ${btoa(`${client.clientId}:${secret}`)}` };
  const both = await postForm(gateway, "/oauth/token", redemption(client, code), basic);
  await assertOAuthError(both, "invalid_request");
  assert.deepEqual(await gateway.contents(), before);
  const right = redemption(client, code, { client_secret: null, client_id: null });
  assert.equal((await postForm(gateway, "/oauth/token", right, basic)).status, 200);
});

Deno.test("a Basic header is read correctly or refused, never an error of ours (B8 131, AS-54)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { token_endpoint_auth_method: "client_secret_basic" });
  const { clientId, clientSecret } = client;
  const code = await obtainCode(gateway, client);
  const form = redemption(client, code, { client_secret: null, client_id: null });
  const ask = (authorization: string) => postForm(gateway, "/oauth/token", form, { authorization });
  for (
    const header of [
      "Basic",
      "Basic ",
      "Basic !!!!",
      "Basic a",
      `Basic ${btoa("no-colon")}`,
      `Basic ${btoa(`:${clientSecret}`)}`,
      `Basic ${btoa(`${clientId}:`)}`,
      `Basic ${btoa(`${clientId}:%ff%zz`)}`,
      `Basic ${btoa(`%C3%28:${clientSecret}`)}`,
      `Basic ${new TextEncoder().encode(`ü:${clientSecret}`).toBase64()}`,
      `Basic ${btoa("\xff\xfe\x00:\x00")}`,
      `Bearer ${clientSecret}`,
      `Basic ${btoa(`${clientId}:wrong`)}, Basic ${btoa(`${clientId}:${clientSecret}`)}`,
      "x".repeat(10_000),
    ]
  ) {
    const response = await ask(header);
    assert.match(response.headers.get("www-authenticate") ?? "", /^Basic /, header);
    await assertOAuthError(response, "invalid_client", { status: 401, what: header });
  }
  const encoded = btoa(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret ?? "")}`);
  assert.equal((await ask(`basic ${encoded}`)).status, 200);
});

Deno.test("a public client that sends a secret is refused; a secret may come by either method (B8 132, AS-55)", async () => {
  await using gateway = await watchedGateway();
  const open = await registerClient(gateway);
  const code = await obtainCode(gateway, open);
  const sent = await redeem(gateway, open, code, { client_secret: "made-up-by-the-client" });
  await assertOAuthError(sent, "invalid_client", { status: 401 });
  const basic = { authorization: `Basic ${btoa(`${open.clientId}:made-up-by-the-client`)}` };
  const byBasic = await postForm(gateway, "/oauth/token", redemption(open, code), basic);
  await assertOAuthError(byBasic, "invalid_client", { status: 401 });
  assert.equal((await redeem(gateway, open, code)).status, 200);
});

Deno.test("other grant types are unsupported (B8 134, AS-52)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  for (
    const grant_type of [
      "password",
      "client_credentials",
      "implicit",
      "urn:x",
      "urn:ietf:params:oauth:grant-type:jwt-bearer",
      "urn:ietf:params:oauth:grant-type:token-exchange",
      "Authorization_Code",
      "",
      "__proto__",
    ]
  ) {
    const form = { grant_type, client_id: client.clientId, username: "a", password: "b" };
    await assertOAuthError(await postForm(gateway, "/oauth/token", form), "unsupported_grant_type");
  }
  await assertOAuthError(await postForm(gateway, "/oauth/token", { code: "x" }), "invalid_request");
});

Deno.test("only a small form in the body is read, each parameter once (B8 135, AS-52)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const code = await obtainCode(gateway, client);
  const before = await gateway.contents();
  const form = redemption(client, code);
  const query = new URLSearchParams(Object.entries(form).map(([name, value]) => [name, String(value)]))
    .toString();
  await assertOAuthError(await postJson(gateway, "/oauth/token", form), "invalid_request");
  const get = await gateway.fetch(`/oauth/token?${query}`);
  assert.equal(get.status, 405);
  assert.match(get.headers.get("allow") ?? "", /POST/);
  const empty = { method: "POST", headers: { "content-type": FORM } };
  await assertOAuthError(await gateway.fetch(`/oauth/token?${query}`, empty), "invalid_request");
  for (
    const type of ["multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencodedx"]
  ) {
    const response = await gateway.fetch("/oauth/token", {
      method: "POST",
      body: query,
      headers: { "content-type": type },
    });
    await assertOAuthError(response, "invalid_request", { what: type });
  }
  const large = await postForm(gateway, "/oauth/token", { ...form, filler: "a".repeat(1_048_576) });
  await assertOAuthError(large, "invalid_request", { status: 413 });
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`p${index}`, "1"]));
  await assertOAuthError(await postForm(gateway, "/oauth/token", { ...form, ...many }), "invalid_request");
  for (const name of ["code", "client_id", "code_verifier", "grant_type", "scope"]) {
    const twice = { ...form, [name]: [String(form[name] ?? "mcp:tools"), "other"] };
    await assertOAuthError(await postForm(gateway, "/oauth/token", twice), "invalid_request", { what: name });
  }
  assert.deepEqual(await gateway.contents(), before);
});

Deno.test("what is compared or looked up is a hash, so timing tells nothing about a secret (B8 136, AS-61)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway, { token_endpoint_auth_method: "client_secret_post" });
  const code = await obtainCode(gateway, client);
  const tokens = await (await redeem(gateway, client, code)).json();
  const waiting = await obtainCode(gateway, client);
  const secrets = [client.clientSecret, code, waiting, tokens.access_token, tokens.refresh_token, VERIFIER];
  const rows = await gateway.contents();
  for (const [key, value] of rows) {
    const stored = key + new TextDecoder("latin1").decode(Uint8Array.fromBase64(value));
    for (const secret of secrets) assert.ok(!stored.includes(secret ?? ""), `${key} holds a raw secret`);
  }
  const text = [...rows.keys(), ...[...rows.values()].map(atob)].join("\n");
  for (const secret of secrets.slice(0, 5)) assert.ok(text.includes(hashSecret(secret ?? "")));
});

Deno.test("guessing is slowed down for the guesser alone (B8 137)", async () => {
  await using gateway = await watchedGateway({ config: () => ({ limits: { tokenRequestsPerMinute: 50 } }) });
  const client = await registerClient(gateway);
  const guess = (peer: string) =>
    gateway.fetch("/oauth/token", {
      method: "POST",
      body: new URLSearchParams(redemption(client, "ac_guess") as Record<string, string>).toString(), // no lists in it
      headers: { "content-type": FORM, "x-forwarded-for": crypto.randomUUID() },
      peer,
    });
  const statuses: number[] = [];
  for (let count = 0; count < 60; count++) statuses.push((await guess("203.0.113.9")).status);
  assert.deepEqual(statuses, [...Array(50).fill(400), ...Array(10).fill(429)]);
  const limited = await guess("203.0.113.9");
  assert.ok(Number(limited.headers.get("retry-after")) > 0);
  await assertOAuthError(limited, "temporarily_unavailable", { status: 429 });
  assert.equal((await redeem(gateway, client, await obtainCode(gateway, client))).status, 200);
  gateway.clock.advance({ seconds: 61 });
  assert.equal((await guess("203.0.113.9")).status, 400);
});

Deno.test("tokens are not stored on the way, and live a quarter of an hour (B8 138, AS-53, AS-60)", async () => {
  await using gateway = await watchedGateway();
  const client = await registerClient(gateway);
  const response = await redeem(gateway, client, await obtainCode(gateway, client));
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(response.headers.get("pragma"), "no-cache");
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  const tokens = await response.json();
  assert.equal(tokens.expires_in, 900);
  const members = ["access_token", "expires_in", "refresh_token", "resource", "scope", "token_type"];
  assert.deepEqual(Object.keys(tokens).sort(), members);
});
