/**
 * A gateway that is held to the general conditions of the attack corpus on every single answer: no 5xx that the case does not
 * state, alive at the end, and no secret in a body, a header, the log or an upstream request where it does not belong.
 */
import assert from "node:assert/strict";
import { HeadlessBrowser } from "../support/browser.ts";
import { type Harness, type HarnessOptions, startHarness } from "../support/harness.ts";

/** What a case wants beside the gateway itself. */
export interface WatchedOptions extends HarnessOptions {
  /** 5xx that the case provokes on purpose. */
  readonly expect5xx?: readonly number[];
}

/** A harness under watch. */
export interface WatchedGateway extends Harness {
  /** Adds a secret that must not show anywhere; returns it. */
  readonly canary: (value: string) => string;
  /** The store's rows by key, to compare before and after; rows of `without` are left out. */
  readonly contents: (without?: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

/** Rows that a browser's visit leaves: a waiting request, a login on its way, a session and its user. */
export const BROWSER_ROWS: readonly string[] = ["authorization", "login", "session", "user"];

/** Members of answers that are secrets, wherever they are issued. */
const SECRET_MEMBERS = ["access_token", "refresh_token", "client_secret", "registration_access_token"];
/** The only endpoints whose success answers carry such members. */
const ISSUING = /\/(?:token|register)(?:\/|$)/;

interface Answered {
  readonly what: string;
  readonly path: string;
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

/** Starts a gateway; the conditions are checked when it is disposed of, so use `await using`. */
export async function watchedGateway(options: WatchedOptions = {}): Promise<WatchedGateway> {
  const harness = await startHarness(options);
  const answers: Answered[] = [];
  const secrets = new Set<string>();
  const ask: Harness["fetch"] = async (url, init = {}) => {
    if (typeof init.body === "string") collectForm(init.body, secrets);
    const response = await harness.fetch(url, init);
    collectHeaders(response, secrets);
    const streamed = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
    const bytes = streamed ? null : await response.bytes();
    const body = bytes === null ? "" : new TextDecoder().decode(bytes);
    collectBody(body, secrets);
    const target = new URL(url, harness.origin);
    answers.push({
      what: `${init.method ?? "GET"} ${target.pathname}`,
      path: target.pathname,
      status: response.status,
      headers: [...response.headers].filter(([name]) => name !== "set-cookie" && name !== "location").join(
        "\n",
      ),
      body,
    });
    if (bytes === null) return response;
    const { status, headers } = response;
    return new Response(bytes.length === 0 ? null : bytes, { status, headers });
  };
  return {
    ...harness,
    fetch: ask,
    browser: () =>
      new HeadlessBrowser({
        fetch: (input, init) => ask(input instanceof Request ? input.url : input, init),
      }),
    canary(value) {
      secrets.add(value);
      return value;
    },
    contents: (without = []) => contentsOf(harness.kv, without),
    async [Symbol.asyncDispose]() {
      try {
        const alive = await harness.fetch("/healthz");
        assert.equal(alive.status, 200, "the gateway is alive");
        await alive.body?.cancel();
        checkStatuses(answers, options.expect5xx ?? []);
        checkSecrets(harness, answers, secrets);
      } finally {
        await harness[Symbol.asyncDispose]();
      }
    },
  };
}

function checkStatuses(answers: readonly Answered[], expected: readonly number[]): void {
  for (const { what, status, body } of answers) {
    assert.ok(status < 500 || expected.includes(status), `${what} answered ${status}: ${body}`);
  }
}

function checkSecrets(harness: Harness, answers: readonly Answered[], secrets: ReadonlySet<string>): void {
  const log = JSON.stringify(harness.events);
  for (const secret of secrets) {
    assert.ok(!log.includes(secret), `the log holds a secret: ${secret.slice(0, 12)}…`);
    for (const { what, path, status, headers, body } of answers) {
      const issued = ISSUING.test(path) && status < 300;
      assert.ok(issued || !body.includes(secret), `${what} shows a secret: ${secret.slice(0, 12)}…`);
      assert.ok(!headers.includes(secret), `${what} has a secret in a header: ${secret.slice(0, 12)}…`);
    }
    for (const { request } of harness.upstreamRequests) {
      const sent = `${request.url}\n${[...request.headers].join("\n")}`;
      assert.ok(!sent.includes(secret), `the upstream was sent a secret: ${secret.slice(0, 12)}…`);
    }
  }
}

function collectForm(body: string, secrets: Set<string>): void {
  const form = new URLSearchParams(body);
  for (const name of ["code_verifier", "client_secret"]) addSecret(form.get(name), secrets);
}

function collectHeaders(response: Response, secrets: Set<string>): void {
  for (const cookie of response.headers.getSetCookie()) {
    addSecret(/^[^=]+=([^;]*)/.exec(cookie)?.[1] ?? null, secrets);
  }
  const location = response.headers.get("location");
  if (location !== null && URL.canParse(location)) {
    addSecret(new URL(location).searchParams.get("code"), secrets);
  }
}

function collectBody(body: string, secrets: Set<string>): void {
  if (!body.startsWith("{")) return;
  const parsed: unknown = JSON.parse(body);
  if (typeof parsed !== "object" || parsed === null) return;
  for (const [name, value] of Object.entries(parsed)) {
    if (SECRET_MEMBERS.includes(name) && typeof value === "string") addSecret(value, secrets);
  }
}

/** Short strings are no secrets of ours, but would be found everywhere. */
function addSecret(value: string | null, secrets: Set<string>): void {
  if (value !== null && value.length >= 16) secrets.add(value);
}

async function contentsOf(kv: Deno.Kv, without: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows = new Map<string, string>();
  for await (const { key, value } of kv.list({ prefix: [] })) {
    if (without.includes(String(key[0]))) continue;
    rows.set(JSON.stringify(key), value instanceof Uint8Array ? value.toBase64() : JSON.stringify(value));
  }
  return rows;
}
