/** The redirect to the client: proven before it exists, and built without losing or adding a byte. */
import assert from "node:assert/strict";
import type { Client } from "../../../lib/authorization_server/client.ts";
import { ValidatedRedirect } from "../../../lib/authorization_server/validated_redirect.ts";
import { PageError } from "../../../lib/http/page_error.ts";
import { testServices } from "../../support/services.ts";
import { ORIGIN, POLICY, REDIRECT_URI, someClient } from "./stage.ts";

async function clientWith(...redirectUris: string[]): Promise<Client> {
  using services = await testServices();
  return await someClient(services, { redirect_uris: redirectUris });
}

function validate(client: Client, params: Record<string, string> | [string, string][]) {
  return ValidatedRedirect.validate(new URLSearchParams(params), client, { issuer: ORIGIN, policy: POLICY });
}

function refused(client: Client, params: Record<string, string> | [string, string][], reason: string): void {
  assert.throws(() => validate(client, params), (error: unknown) => {
    assert.ok(error instanceof PageError);
    assert.deepEqual([error.page.reason, error.page.status], [reason, 400], JSON.stringify(params));
    return true;
  });
}

const unregistered = "redirect_uri_unregistered";

Deno.test("an address that was not registered is shown on a page and never redirected to (B4 061, AS-13)", async () => {
  const client = await clientWith(REDIRECT_URI);
  for (
    const uri of [
      "https://client.example/Callback",
      "https://client.example/callback/",
      "https://client.example/callback?x=1",
      "https://client.example/callback#f",
      "https://client.example/cb/../callback",
      "https://client.example/%63allback",
      "https://client.example:443/callback",
      "https://client.example.evil.test/callback",
      "https://user@client.example/callback",
      "http://client.example/callback",
      "HTTPS://client.example/callback",
      " https://client.example/callback",
      "https://client.example/callback\n",
      "javascript:alert(1)",
      "//client.example/callback",
      "",
    ]
  ) refused(client, { redirect_uri: uri }, unregistered);
  assert.equal(validate(client, { redirect_uri: REDIRECT_URI }).redirect.uri, REDIRECT_URI);
});

Deno.test("a loopback redirect may use any port, its own host and path alone (AS-18, B4 063)", async () => {
  const client = await clientWith("http://localhost/callback", "http://127.0.0.1:33418/");
  for (const uri of ["http://localhost:58135/callback", "http://localhost/callback", "http://127.0.0.1:1/"]) {
    assert.deepEqual(validate(client, { redirect_uri: uri }).redirect.uri, uri);
  }
  for (
    const uri of [
      "http://127.0.0.1:58135/callback",
      "http://localhost:1/callback2",
      "https://localhost/callback",
    ]
  ) {
    refused(client, { redirect_uri: uri }, unregistered);
  }
});

Deno.test("without a redirect_uri the only registered one is taken, and none of several", async () => {
  const one = validate(await clientWith(REDIRECT_URI), {});
  assert.deepEqual([one.redirect.uri, one.given], [REDIRECT_URI, false]);
  refused(await clientWith(REDIRECT_URI, "https://client.example/b"), {}, "redirect_uri_missing");
});

Deno.test("two redirect URIs are refused, even two equal ones (B4 065)", async () => {
  const client = await clientWith(REDIRECT_URI);
  refused(client, [["redirect_uri", REDIRECT_URI], ["redirect_uri", REDIRECT_URI]], "redirect_uri_repeated");
});

Deno.test("`to()` adds code, state and iss, and keeps the client's own query byte for byte (AS-24)", async () => {
  const cases: [string, string][] = [
    [REDIRECT_URI, `${REDIRECT_URI}?`],
    [`${REDIRECT_URI}?a=1`, `${REDIRECT_URI}?a=1&`],
    [`${REDIRECT_URI}?`, `${REDIRECT_URI}?`],
    [`${REDIRECT_URI}?a=1&`, `${REDIRECT_URI}?a=1&`],
    [`${REDIRECT_URI}?a=%2b+%E4&code=own&empty`, `${REDIRECT_URI}?a=%2b+%E4&code=own&empty&`],
    ["com.example.app:/oauth", "com.example.app:/oauth?"],
    ["http://[::1]/cb", "http://[::1]/cb?"],
  ];
  for (const [uri, start] of cases) {
    const { redirect } = validate(await clientWith(uri), { redirect_uri: uri, state: "s" });
    assert.equal(
      redirect.to({ code: "ac_1" }),
      `${start}code=ac_1&state=s&iss=${encodeURIComponent(ORIGIN)}`,
    );
  }
});

Deno.test("a state comes back as it was, whatever it is made of (AS-25)", async () => {
  const client = await clientWith(REDIRECT_URI);
  for (const state of ["a+b/c%d&e=f", "%2B", "ä 🗝 #?", "", '"><script>', "\r\nSet-Cookie: x=1", "=&=&"]) {
    const target = validate(client, { redirect_uri: REDIRECT_URI, state }).redirect.to({ code: "c" });
    assert.equal(new URL(target).searchParams.get("state"), state, JSON.stringify(state));
    assert.deepEqual(new URL(target).searchParams.getAll("code"), ["c"]);
    assert.equal(new URL(target).hash, "");
    assert.match(target, /^[\x21-\x7e]+$/);
  }
});

Deno.test("without a state none is sent, and nothing but the last word on state and iss is ours", async () => {
  const client = await clientWith(REDIRECT_URI);
  const { redirect } = validate(client, { redirect_uri: REDIRECT_URI });
  assert.equal(new URL(redirect.to({ error: "access_denied" })).searchParams.get("state"), null);
  assert.equal(new URL(redirect.to({ iss: "https://evil.test" })).searchParams.get("iss"), ORIGIN);
});

Deno.test("`restore()` gives back what was stored", async () => {
  const client = await clientWith(REDIRECT_URI);
  const { redirect } = validate(client, { redirect_uri: REDIRECT_URI, state: "s" });
  const restored = ValidatedRedirect.restore({
    redirectUri: redirect.uri,
    state: "s",
    issuer: redirect.issuer,
  });
  assert.equal(restored.to({ code: "c" }), redirect.to({ code: "c" }));
});
