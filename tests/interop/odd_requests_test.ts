/**
 * What the conformance suite does not ask: the same odd requests to the fixture directly, through the gateway, and through a filter that hides
 * nothing. Each answer is the upstream's own, or the gateway's on purpose, which the list of requests says.
 */
import assert from "node:assert/strict";
import { close, connectV2 } from "../support/clients.ts";
import { HeadlessOAuthProvider } from "../support/oauth_client_provider.ts";
import { onConformanceStage } from "./conformance_scene.ts";
import { initialize, ODD_REQUESTS, type OddRequest } from "./odd_requests.ts";

const VERSION = { "mcp-protocol-version": "2025-11-25" };

/** All answers of one server, by the request's name. */
async function ask(url: URL, token: string | null): Promise<ReadonlyMap<string, string>> {
  const common = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  };
  const opened = await fetch(url, {
    method: "POST",
    headers: common,
    body: JSON.stringify(initialize("2025-11-25")),
  });
  await opened.text();
  const session = { "mcp-session-id": opened.headers.get("mcp-session-id") ?? "", ...VERSION };
  const answers = new Map<string, string>();
  for (const odd of ODD_REQUESTS) {
    const response = await fetch(url, {
      method: odd.method ?? "POST",
      headers: { ...common, ...(odd.inSession ? session : {}), ...odd.headers },
      body: odd.body === undefined ? null : textOf(odd.body),
      // An answer that does not end is no answer to any of these.
      signal: AbortSignal.timeout(20_000),
    });
    answers.set(odd.name, await answerOf(response));
  }
  return answers;
}

function textOf(body: NonNullable<OddRequest["body"]>): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** All that a client acts on: status, type, ids, results and error codes, but not an error's words. */
async function answerOf(response: Response): Promise<string> {
  const type = response.headers.get("content-type")?.split(";", 1)[0] ?? "no type";
  const text = await response.text();
  const messages = type === "text/event-stream"
    ? [...text.matchAll(/^data: (.+)$/gm)].map(([, data = ""]) => data)
    : text === ""
    ? []
    : [text];
  return [response.status, type, ...messages.map(told)].join(" ");
}

function told(text: string): string {
  const { id, method, result, error } = JSON.parse(text);
  const what = error === undefined ? method ?? JSON.stringify(result) : `error ${error.code}`;
  return `${JSON.stringify(id)} ${what}`;
}

Deno.test("the gateway answers odd requests as the upstream does, with and without a filter (TR-01, TR-02, TR-05, TR-06, TR-09, TR-12, TR-13, TR-14, TR-24, TR-25, TR-26, TR-27, TR-30)", () =>
  onConformanceStage(async ({ fixture, url, curatedUrl }) => {
    const direct = await ask(fixture.url, null);
    for (const [way, filtered] of [[url, false], [curatedUrl, true]] as const) {
      const oauth = new HeadlessOAuthProvider();
      await close(await connectV2(way, { oauth }));
      const answers = await ask(way, oauth.tokens()?.access_token ?? "");
      for (const { name, ours, filtered: ofFilter } of ODD_REQUESTS) {
        const own = ours ?? (filtered ? ofFilter : undefined);
        assert.equal(answers.get(name), own ?? direct.get(name), `${name}, ${way.pathname}`);
        // An exception that is none any more has to go.
        if (own !== undefined) assert.notEqual(own, direct.get(name), name);
      }
    }
  }));
