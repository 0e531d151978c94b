/** `capabilityFilter` and what is odd or hostile, from either side: what cannot be read for sure is not shown, and not used. */
import assert from "node:assert/strict";
import { curatedGateway, legacy } from "../support/curated_gateway.ts";
import { answered } from "../support/curated_upstream.ts";

const FILTER = { tools: ["list_issues"] } as const;

Deno.test("an answer that cannot be read does not pass: neither text, nor bad JSON, nor one too long (B13 204)", async () => {
  await using curated = await curatedGateway(FILTER, { expect5xx: [502] });
  const hidden = '{"name":"delete_everything"}';
  const answers = [
    new Response(`{"jsonrpc":"2.0","id":1,"result":{"tools":[${hidden}, NaN]}}`),
    new Response(`<p>${hidden}</p>`, { headers: { "content-type": "text/html" } }),
    new Response(`{"jsonrpc":"2.0","id":1,"result":{"tools":[${hidden}]}}{}`),
    answered(
      `{"jsonrpc":"2.0","id":1,"result":{"tools":[${`${hidden},`.repeat(400_000)}${hidden}]}}`,
      "json",
    ),
  ];
  for (const answer of answers) {
    curated.script.answer = () => answer;
    const { status, text, body } = await curated.ask(legacy("tools/list"));
    assert.equal(status, 502);
    assert.equal(body.id, 1);
    assert.ok(!text.includes("delete_everything"));
  }
  // An upstream's own refusal keeps its status, without its text.
  curated.script.answer = () => new Response(`no: ${hidden}`, { status: 404 });
  const refused = await curated.ask(legacy("tools/list"));
  assert.deepEqual([refused.status, refused.text], [404, ""]);
  const reasons = curated.gateway.events.filter(({ event }) => event === "mcp_capability_answer_withheld")
    .map(({ reasonCode }) => reasonCode);
  assert.deepEqual(reasons, [
    "answer_unreadable",
    "answer_unreadable",
    "answer_unreadable",
    "answer_too_large",
    "answer_unreadable",
  ]);
});

Deno.test("entries that could be read in two ways are not shown", async () => {
  await using curated = await curatedGateway(FILTER);
  const lists = [
    '[{"name":"list_issues","name":"delete_everything"}]',
    '[{"name":"delete_everything","name":"list_issues"}]',
    '[{"title":"delete_everything"},"delete_everything",null,5,["delete_everything"]]',
    '{"0":{"name":"delete_everything"}}',
    '"delete_everything"',
    '[{"n\\u0061me":"delete_everything"}]',
  ];
  for (const tools of lists) {
    const answer = `{"jsonrpc":"2.0","id":1,"result":{"tools":${tools}}}`;
    curated.script.answer = () => answered(answer, "json");
    const { body } = await curated.ask(legacy("tools/list"));
    assert.deepEqual(body.result.tools, [], tools);
  }
  curated.script.answer = () =>
    answered(
      '{"jsonrpc":"2.0","id":1,"result":{"tools":[]},"result":{"tools":[{"name":"delete_everything"}]}}',
      "json",
    );
  assert.ok(!(await curated.ask(legacy("tools/list"))).text.includes("delete_everything"));
  // A method of the upstream's own that answers a list of tools, and a task that has come to one.
  for (
    const text of [
      '{"jsonrpc":"2.0","id":1,"result":{"to\\u006fls":[{"name":"delete_everything"}]}}',
      '{"jsonrpc":"2.0","id":1,"result":{"status":"completed","result":{"tools":[{"name":"delete_everything"}]}}}',
    ]
  ) {
    curated.script.answer = () => answered(text, "json");
    for (const method of ["acme/everything", "tasks/get", "tasks/result"]) {
      assert.ok(
        !(await curated.ask(legacy(method, { taskId: "t" }))).text.includes("delete_everything"),
        method,
      );
    }
  }
});

Deno.test("a member whose name is escaped is that member, whatever was read before it (B13 200, B13 201)", async () => {
  await using curated = await curatedGateway(FILTER);
  // V8 reads names by the shape of what it has read before. Version 15.0 takes an escaped name of one character for a backslash, if it
  // expects one; should it ever do so with longer names, which decide here, it is noticed.
  const lure = String.raw`{"jsonrpc":"2.0","id":1,"method":"ping","\\u006d":1}`;
  const hidden = String
    .raw`"method":"ping","\u006dethod":"tools/call","params":{"name":"delete_everything"}}`;
  const attempts = [
    `[${lure},{"jsonrpc":"2.0","id":2,${hidden}]`,
    `{"jsonrpc":"2.0","id":2,${hidden}`,
  ];
  await curated.ask(lure);
  for (const text of attempts) {
    const { status, body } = await curated.ask(text);
    assert.deepEqual([status, body.error?.code], [400, -32600], text);
  }
  // A name that is escaped and comes once is as good as any.
  const once = String
    .raw`{"jsonrpc":"2.0","id":2,"\u006dethod":"tools/call","params":{"\u006eame":"delete_everything"}}`;
  assert.equal((await curated.ask(once)).body.error.code, -32601);
  assert.equal((await curated.ask(once.replace("delete_everything", "list_issues"))).status, 200);
  const bodies = curated.gateway.upstreamRequests.map(({ body }) => body);
  assert.deepEqual(bodies, [lure, once.replace("delete_everything", "list_issues")]);
});
