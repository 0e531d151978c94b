/** Attack corpus B11: which user, route and scope an ID-JAG comes to, and how large it may be. */
import assert from "node:assert/strict";
import { mcpOAuth } from "../../mod.ts";
import { obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { startScriptedProvider } from "../support/scripted_provider.ts";
import { browserBeyond, oauthOptionsFor } from "../support/test_provider.ts";
import { assertOAuthError } from "./answers.ts";
import { type IdJagScene, idJagScene, type Parameters } from "./id_jag_scene.ts";

type Claims = Readonly<Record<string, unknown>>;

/** What came of an assertion: the member of a success, or the error. */
async function outcome(
  scene: IdJagScene,
  member: "resource" | "scope",
  claims: Claims,
  parameters: Parameters = {},
): Promise<unknown> {
  const answer = await scene.present(scene.assertion({ claims }), parameters);
  const body = await answer.json();
  return answer.status === 200 ? body[member] : `${answer.status} ${body.error}`;
}

function users({ gateway }: IdJagScene): unknown[] {
  return gateway.events.filter(({ event }) => event === "mcp_auth_downstream_token_issued")
    .map(({ subjectId }) => subjectId);
}

Deno.test("by e-mail only somebody who signed in with that verified address is known (B11 164, EM-09)", async () => {
  await using login = startScriptedProvider({ clock: { now: () => Date.UTC(2026, 10, 21, 9) } });
  await using issuer = startScriptedProvider({ clock: { now: () => Date.UTC(2026, 10, 21, 9) } });
  const { issuer: name, jwksUrl } = issuer;
  await using scene = await idJagScene({
    config: () => ({
      oauth: mcpOAuth({
        ...oauthOptionsFor(login),
        idJag: { trustedIssuers: [{ issuer: name, jwksUrl, subjectMapping: "email" }] },
      }),
    }),
  });
  const { gateway } = scene;
  const vouch = async (claims: Claims) => {
    const answer = await scene.present(scene.assertion({ issuer, claims: { sub: "at-work", ...claims } }));
    return answer.status === 200 ? "ok" : `${answer.status} ${(await answer.json()).error}`;
  };
  const signIn = async (subject: string, claims: Claims = {}) => {
    login.script = { subject, claims };
    await obtainTokens(gateway, await registerClient(gateway), { browser: browserBeyond(gateway) });
  };
  const email = "alice@example.test";
  const before = await gateway.contents();
  assert.equal(await vouch({ email, email_verified: true }), "400 invalid_grant", "unknown");
  assert.deepEqual(await gateway.contents(), before, "nobody was made");
  await signIn("bob", { email, email_verified: false });
  assert.equal(await vouch({ email, email_verified: true }), "400 invalid_grant", "unverified at login");
  await signIn("alice");
  assert.equal(await vouch({ email, email_verified: true }), "ok");
  assert.equal(await vouch({ email: "Alice@Example.test" }), "ok");
  const [, alice, ...vouched] = users(scene);
  assert.deepEqual(vouched, [alice, alice]);
  for (const unverified of [false, "false", 0, null, "no"]) {
    const claims = { email, email_verified: unverified };
    assert.equal(await vouch(claims), "400 invalid_grant", `email_verified: ${JSON.stringify(unverified)}`);
  }
  for (const other of [undefined, null, "", [email], "bob@example.test", `${email},bob@example.test`]) {
    const claims = { email: other, sub: "alice" };
    assert.equal(await vouch(claims), "400 invalid_grant", JSON.stringify(other));
  }
  // The address is somebody's who has another one by now.
  await signIn("alice", { email: "alice@elsewhere.test" });
  assert.equal(await vouch({ email }), "400 invalid_grant", "an address that was given up");
  assert.equal(await vouch({ email: "alice@elsewhere.test" }), "ok");
});

Deno.test("by issuer and subject whoever the trusted issuer vouches for is accepted, by no address (B11 164, EM-09)", async () => {
  await using scene = await idJagScene();
  assert.equal(await outcome(scene, "scope", { sub: "never-seen" }), "mcp:tools");
  assert.equal(await outcome(scene, "scope", { sub: "mallory", email: "never-seen" }), "mcp:tools");
  const [one, other] = users(scene);
  assert.notEqual(one, other);
});

Deno.test("the token is for the assertion's route, else the request's, else the only one (B11 169, EM-07)", async () => {
  await using scene = await idJagScene();
  const { origin } = scene.gateway;
  const [alpha, beta] = [`${origin}/alpha`, `${origin}/beta`];
  const grant = "400 invalid_grant";
  const target = "400 invalid_target";
  const cases: [unknown, string | string[] | null, string][] = [
    [alpha, null, alpha],
    [[beta], null, beta],
    [`${alpha}/`, null, alpha],
    [alpha, alpha, alpha],
    [undefined, beta, beta],
    [[], beta, beta],
    // the assertion's claim is wrong
    [`${origin}/gamma`, null, grant],
    [origin, null, grant],
    ["https://other.example/alpha", null, grant],
    ["https://other.example/alpha", alpha, grant],
    [[alpha, beta], null, grant],
    [[alpha, "https://other.example"], alpha, grant],
    ["", null, grant],
    [null, alpha, grant],
    [7, alpha, grant],
    [`${alpha}#x`, null, grant],
    [`${origin}/alpha%2f..%2fbeta`, null, grant],
    // the request's parameter is
    [alpha, beta, target],
    [alpha, [alpha, beta], target],
    [alpha, "https://other.example", target],
    [undefined, null, target],
    [undefined, [alpha, beta], target],
    [undefined, `${origin}/gamma`, target],
    [undefined, "nonsense", target],
  ];
  for (const [claim, resource, expected] of cases) {
    const got = await outcome(scene, "resource", { resource: claim }, { resource });
    assert.equal(got, expected, `claim ${JSON.stringify(claim)}, parameter ${JSON.stringify(resource)}`);
  }
  await using single = await idJagScene({ paths: ["/alpha"] });
  assert.equal(await outcome(single, "resource", { resource: undefined }), `${single.gateway.origin}/alpha`);
});

Deno.test("the scope is what was asked for, the assertion allows and there is (B11 170, EM-08)", async () => {
  await using scene = await idJagScene();
  const nothing = "400 invalid_scope";
  const cases: [unknown, string | null, string][] = [
    ["mcp:tools", null, "mcp:tools"],
    [undefined, null, "mcp:tools"],
    [undefined, "mcp:tools", "mcp:tools"],
    ["mcp:tools", "mcp:tools admin", "mcp:tools"],
    ["mcp:tools admin", "mcp:tools admin", "mcp:tools"],
    ["read", "mcp:tools", nothing],
    ["read", null, nothing],
    ["read", "read", nothing],
    ["mcp:tools", "admin", nothing],
    ["mcp:toolsadmin", null, nothing],
    ["MCP:TOOLS", null, nothing],
    // An assertion that allows nothing, or nothing that is a scope, does not allow everything.
    ["", null, nothing],
    [" ", "mcp:tools", nothing],
    ['"', "mcp:tools", nothing],
    [["mcp:tools"], null, "400 invalid_grant"],
    [null, null, "400 invalid_grant"],
  ];
  for (const [claim, scope, expected] of cases) {
    const got = await outcome(scene, "scope", { scope: claim }, { scope });
    assert.equal(got, expected, `claim ${JSON.stringify(claim)}, parameter ${JSON.stringify(scope)}`);
  }
});

Deno.test("an assertion that is too long is refused as such, and nothing else in the request counts (B11 173)", async () => {
  await using scene = await idJagScene();
  const right = scene.assertion();
  const sized = (length: number) => {
    const padded = (bytes: number) => scene.assertion({ claims: { padding: "p".repeat(bytes) } });
    const missing = length - padded(0).length;
    let bytes = Math.floor(missing * 3 / 4);
    while (padded(bytes).length < length) bytes++;
    return padded(bytes);
  };
  const before = await scene.gateway.contents();
  for (const assertion of [`${right}${"a".repeat(16_385 - right.length)}`, "a".repeat(16_385)]) {
    const extra = { code: "x", refresh_token: "y", code_verifier: "z".repeat(43) };
    await assertOAuthError(await scene.present(assertion, extra), "invalid_request");
  }
  const huge = await scene.present("a".repeat(1_048_576));
  assert.ok([400, 413].includes(huge.status), `${huge.status}`);
  assert.equal((await huge.json()).error, "invalid_request");
  for (const assertion of [null, ""]) {
    await assertOAuthError(await scene.present(right, { assertion }), "invalid_request");
  }
  for (const assertion of ["x", "a.b.c", "..", "e30.e30.", right.split(".").slice(0, 2).join(".")]) {
    await assertOAuthError(await scene.present(assertion), "invalid_grant", { what: assertion.slice(0, 9) });
  }
  assert.deepEqual(await scene.gateway.contents(), before);
  const largest = sized(16_380);
  assert.ok(largest.length <= 16_384);
  assert.equal((await scene.present(largest)).status, 200);
});
