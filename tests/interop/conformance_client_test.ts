/**
 * `@modelcontextprotocol/conformance client` with the gateway as the client: the suite plays the upstream and its authorization server,
 * `tests/support/conformance_client.ts` signs a user in, connects and calls. Every scenario that has to pass is named here.
 */
import assert from "node:assert/strict";
import { TestChild } from "../support/child_process.ts";

const OLD = "npm:@modelcontextprotocol/conformance@0.1.16";
const NEW = "npm:@modelcontextprotocol/conformance@0.2.0-alpha.12";

/** Of both suites and revisions. */
const AUTH = [
  "auth/metadata-default",
  "auth/metadata-var1",
  "auth/metadata-var2",
  "auth/metadata-var3",
  "auth/basic-cimd",
  "auth/scope-from-www-authenticate",
  "auth/scope-from-scopes-supported",
  "auth/scope-omitted-when-undefined",
  "auth/scope-step-up",
  "auth/scope-retry-limit",
  "auth/token-endpoint-auth-basic",
  "auth/token-endpoint-auth-post",
  "auth/token-endpoint-auth-none",
  "auth/pre-registration",
];

const AUTH_2026_07_28 = [
  "auth/resource-mismatch",
  "auth/offline-access-scope",
  "auth/offline-access-not-supported",
  "auth/authorization-server-migration",
  "auth/iss-supported",
  "auth/iss-not-advertised",
  "auth/iss-supported-missing",
  "auth/iss-wrong-issuer",
  "auth/iss-unexpected",
  "auth/iss-normalized",
  "auth/metadata-issuer-mismatch",
];

/** The gateway in between must be invisible to SDK v2 as the client. */
const TRANSPORT = ["tools_call", "json-schema-2020-12-preservation"];

const TRANSPORT_2025_11_25 = ["initialize", "elicitation-sep1034-client-defaults", "sse-retry"];

const TRANSPORT_2026_07_28 = [
  "request-metadata",
  "sep-2322-client-request-state",
  "http-standard-headers",
  "http-custom-headers",
  "http-invalid-tool-headers",
  "json-schema-ref-no-deref",
];

const ROOT = new URL("../..", import.meta.url).pathname;

/** Runs the suite to its end; what it says of each scenario, such as `✓ 18 passed, 0 failed`. */
async function runSuite(
  suite: string,
  selection: readonly string[],
): Promise<{ readonly verdicts: ReadonlyMap<string, string>; readonly output: string }> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-conformance-" });
  const command = `"${Deno.execPath()}" run -A "${ROOT}tests/support/conformance_client.ts"`;
  const child = new TestChild({
    args: ["run", "--no-prompt", "-A", suite, "client", "--command", command, ...selection, "-o", folder],
    // Here, so that the lock of the project counts.
    cwd: ROOT,
  });
  try {
    await child.status;
    const lines = child.lines.slice(child.lines.findIndex((line) => line.includes("SUITE SUMMARY")));
    const verdicts = lines.flatMap((line) => {
      const [, mark, name, counts] = /^([✓✗]) (\S+): (.*)$/u.exec(line) ?? [];
      return name === undefined ? [] : [[name, `${mark} ${counts}`] as const];
    });
    return { verdicts: new Map(verdicts), output: child.lines.join("\n") };
  } finally {
    await child.stop({ signal: "SIGKILL" });
    await Deno.remove(folder, { recursive: true });
  }
}

async function assertPass(
  suite: string,
  selection: readonly string[],
  scenarios: readonly string[],
): Promise<void> {
  const { verdicts, output } = await runSuite(suite, selection);
  const notPassed = scenarios.filter((name) => !/^✓ \d+ passed, 0 failed$/.test(verdicts.get(name) ?? ""));
  const told = notPassed.map((name) => `${name}: ${verdicts.get(name) ?? "not run"}`);
  assert.deepEqual(told, [], output);
}

Deno.test("the conformance suite 0.1.16, `client --suite auth`, passes with the gateway as the client (issue 5)", async () => {
  await assertPass(OLD, ["--suite", "auth"], AUTH);
});

Deno.test("the conformance suite 0.2.0-alpha.12 passes what 2025-11-25 requires of clients, with the gateway as the client (issue 5)", async () => {
  await assertPass(NEW, ["--requirements", "2025-11-25"], [...AUTH, ...TRANSPORT, ...TRANSPORT_2025_11_25]);
});

Deno.test("the conformance suite 0.2.0-alpha.12 passes what 2026-07-28 requires of clients, with the gateway as the client (issue 5, UP-01 to UP-21)", async () => {
  await assertPass(NEW, ["--requirements", "2026-07-28"], [
    ...AUTH,
    ...AUTH_2026_07_28,
    ...TRANSPORT,
    ...TRANSPORT_2026_07_28,
  ]);
});

Deno.test("the conformance suite 0.2.0-alpha.12 passes the fallbacks of 2025-03-26 with the gateway as the client (UP-05)", async () => {
  await assertPass(NEW, ["--suite", "backcompat"], [
    "auth/2025-03-26-oauth-metadata-backcompat",
    "auth/2025-03-26-oauth-endpoint-fallback",
  ]);
});
