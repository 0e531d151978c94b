/** Whatever a client writes and however an upstream answers: what is hidden cannot be listed, used, watched or completed; the rest is unharmed. */
import assert from "node:assert/strict";
import {
  type CuratedGateway,
  curatedGateway,
  headerValue,
  legacy,
  modern,
  readAnswer,
} from "../support/curated_gateway.ts";
import { answerTo, type RpcMessage } from "../support/curated_upstream.ts";
import { type RandomSource, randomSource, spelled } from "../support/random.ts";

const ROUNDS = 2_000;

const SHOWN = {
  tools: ["list_issues", "constructor", "Ünï"],
  prompts: ["summarize"],
  resources: ["docs://handbook"],
  resourceTemplates: ["docs://pages/{slug}"],
} as const;

/** What must not pass: names, and what only looks like one that is shown. */
const HIDDEN = {
  tools: [
    "get_issue",
    "delete_everything",
    "__proto__",
    "U\u0308ni\u0308",
    "List_issues",
    "list_issues\u200b",
    "toString",
  ],
  prompts: ["leak", "Summarize", "list_issues", "hasOwnProperty"],
  resources: [
    "docs://payroll",
    "DOCS://handbook",
    "docs://handbook/",
    "docs://handbook:80",
    "docs://%68andbook",
    "docs://pages/..",
    "docs://pages/%2e%2e%2fpayroll",
    "docs://pages/a/b",
    "docs://pages/",
    "docs://secrets/a",
    "docs://pages/{slug}",
  ],
} as const;

/** A request, and what is expected of it. */
interface Attempt {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly hidden: boolean;
}

function attempt(random: RandomSource): Attempt {
  const hidden = random.chance(0.5);
  const tool = random.pick(hidden ? HIDDEN.tools : SHOWN.tools);
  const prompt = random.pick(hidden ? HIDDEN.prompts : SHOWN.prompts);
  const uri = random.pick(
    hidden ? HIDDEN.resources : [...SHOWN.resources, "docs://pages/a-b", "docs://pages/%C3%A9"],
  );
  const template = hidden ? "docs://secrets/{+path}" : "docs://pages/{slug}";
  const argument = { name: "topic", value: "" };
  return random.pick<Attempt>([
    { method: random.pick(LISTS), params: {}, hidden: false },
    { method: "tools/call", params: { name: tool, arguments: { name: "delete_everything" } }, hidden },
    {
      method: "tools/call",
      params: { name: random.pick([5, null, ["list_issues"], { a: 1 }, true]) },
      hidden: true,
    },
    { method: "prompts/get", params: { name: prompt }, hidden },
    {
      method: random.pick(["resources/read", "resources/subscribe", "resources/unsubscribe"]),
      params: { uri },
      hidden,
    },
    { method: "resources/read", params: { uri, name: "docs://handbook" }, hidden },
    {
      method: "completion/complete",
      params: { ref: { type: "ref/prompt", name: prompt }, argument },
      hidden,
    },
    {
      method: "completion/complete",
      params: { ref: { type: "ref/resource", uri: template }, argument },
      hidden,
    },
    {
      method: "subscriptions/listen",
      params: { notifications: { resourceSubscriptions: ["docs://handbook", uri] } },
      hidden,
    },
  ]);
}

const LISTS = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];

/** How a client could try to be read in two ways: what is shown under the right name, what it wants under another spelling of it. */
function disguised(
  message: Readonly<Record<string, unknown>>,
  random: RandomSource,
): Record<string, unknown> {
  const { method, params } = message;
  const given: Record<string, unknown> = Object(params);
  const good: Record<string, unknown> = {
    name: "list_issues",
    uri: "docs://handbook",
    ref: { type: "ref/prompt", name: "summarize" },
    notifications: {},
  };
  const named = Object.keys(good).filter((member) => Object.hasOwn(given, member));
  const other = (member: string) =>
    random.pick([member.toUpperCase(), member.replace(/^./, (letter) => letter.toUpperCase())]);
  return random.pick([
    () => ({ ...message, params: good, [random.pick(["PARAMS", "Params", "param\u017f"])]: params }),
    () => ({ ...message, method: "ping", [other("method")]: method }),
    () => ({ jsonrpc: "2.0", id: 0, result: {}, [other("method")]: method, params }),
    () => ({ ...message, method: random.pick([` ${method}`, String(method).toUpperCase()]) }),
    () => {
      const changes = named.map((member) => [[member, good[member]], [other(member), given[member]]] as const)
        .flat();
      return { ...message, params: { ...given, ...Object.fromEntries(changes) } };
    },
  ])();
}

/** Reads as loosely as some servers do: members by their letters alone, the last one counts; methods trimmed. */
function looselyRead(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(looselyRead);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key.toUpperCase().toLowerCase(), looselyRead(item)]),
  );
}

/** Whether what reached the upstream would use something hidden there, for any reader. */
function usesHidden(body: string): boolean {
  const messages: unknown = looselyRead(JSON.parse(body));
  return (Array.isArray(messages) ? messages : [messages]).some((message) => {
    const { method, params } = Object(message);
    const { name, uri, ref, notifications } = Object(params);
    const named = [
      name,
      uri,
      Object(ref).name,
      Object(ref).uri,
      ...Object(notifications).resourcesubscriptions ?? [],
    ];
    const secret: unknown[] = [
      "delete_everything",
      "get_issue",
      "__proto__",
      "leak",
      "docs://payroll",
      "docs://secrets/a",
      "docs://secrets/{+path}",
    ];
    const used = typeof method === "string" && !/^\s*(?:ping|notifications)/.test(method);
    return used && named.some((each) => secret.includes(each));
  });
}

/** The upstream's answers, in one of the forms that servers use, spelled at random. */
function answerer(random: RandomSource): (message: RpcMessage, request: Request) => Response | null {
  return (message) => {
    if (message.id === undefined || message.method === undefined) return null;
    const text = random.chance(0.5) ? answerTo(message) : spelled(JSON.parse(answerTo(message)), random);
    if (random.chance(0.4)) return new Response(text, { headers: { "content-type": "application/json" } });
    const note = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}';
    const end = random.pick(["\n", "\r\n", "\r"]);
    const events = [
      note,
      '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"docs://payroll"}}',
      text,
      note,
    ]
      .map((data) => `event: message${end}data: ${data.replace(/\r\n|[\r\n]/g, " ")}${end}${end}`).join("");
    const bytes = new TextEncoder().encode(events);
    const size = random.pick([1, 7, 50, 100_000]);
    const body = ReadableStream.from(
      Array.from(
        { length: Math.ceil(bytes.length / size) },
        (_, index) => bytes.slice(index * size, (index + 1) * size),
      ),
    );
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

/** What an answer must never hold; each is a word of its own in the upstream's lists. */
const SECRETS = /delete_everything|get_issue|Does __proto__|"leak"|docs:\/\/payroll|docs:\/\/secrets/;

async function playRound(curated: CuratedGateway, random: RandomSource): Promise<void> {
  const attempts = Array.from({ length: random.chance(0.2) ? 2 : 1 }, () => attempt(random));
  const batch = attempts.length > 1 || random.chance(0.1);
  const isModern = !batch && random.chance(0.5);
  const built = attempts.map(({ method, params }, index) =>
    isModern ? modern(method, params, index) : { message: legacy(method, params, index), headers: {} }
  );
  const messages = built.map(({ message }) => message);
  const twisted = random.chance(0.3);
  const sent = twisted ? messages.map((message) => disguised(message, random)) : messages;
  const text = spelled(batch ? sent : sent[0], random);
  const wrongHeader = random.chance(0.2);
  const headers: Record<string, string> = {
    ...built[0]?.headers,
    ...(wrongHeader
      ? { "mcp-name": random.pick(["list_issues", headerValue("=?base64?x?="), "docs://handbook"]) }
      : {}),
  };
  if (wrongHeader && !isModern) headers["mcp-method"] = "tools/list";
  curated.script.answer = answerer(random);
  const before = curated.gateway.upstreamRequests.length;
  const response = await curated.send(text, { headers });
  const answer = await readAnswer(response);
  const reached = curated.gateway.upstreamRequests.slice(before).map(({ body }) => body);
  const context = `seed ${random.seed}: ${text}\n${JSON.stringify(headers)}\n${answer.status} ${answer.text}`;

  assert.ok(!reached.some(usesHidden), `the upstream was asked for what is hidden: ${context}`);
  // A client may find in an answer what it has sent itself, and nowhere else.
  if (!SECRETS.test(text) || attempts.every(({ method }) => LISTS.includes(method))) {
    assert.ok(!SECRETS.test(decodedText(answer.text)), `something hidden is shown: ${context}`);
  }
  const hidden = attempts.some((each) => each.hidden);
  if (hidden || twisted || wrongHeader) {
    if (hidden && !twisted) assert.deepEqual(reached, [], `a hidden use reached the upstream: ${context}`);
    return;
  }
  assert.equal(answer.status, 200, context);
  assert.deepEqual(reached, [text], `the upstream gets the very bytes: ${context}`);
  const answers: unknown[] = Array.isArray(answer.body) ? answer.body : [answer.body];
  for (const [index, { method }] of attempts.entries()) {
    const own = answers.find((each) => Object(each).id === index);
    assert.equal(Object(own).error, undefined, context);
    checkList(method, Object(own).result, context);
  }
}

function checkList(method: string, result: Record<string, unknown>, context: string): void {
  const [member, identifier] = {
    "tools/list": ["tools", "name"] as const,
    "prompts/list": ["prompts", "name"] as const,
    "resources/list": ["resources", "uri"] as const,
    "resources/templates/list": ["resourceTemplates", "uriTemplate"] as const,
  }[method] ?? [];
  if (member === undefined || identifier === undefined) return;
  const entries = result[member];
  assert.ok(Array.isArray(entries), context);
  assert.deepEqual(entries.map((entry) => entry[identifier]), SHOWN[member], context);
  assert.equal(result["nextCursor"], "page-2", context);
}

/** With the escapes of JSON taken out. */
function decodedText(text: string): string {
  return text.replaceAll(/\\u([0-9a-fA-F]{4})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)))
    .replaceAll("\\/", "/");
}

Deno.test("no spelling, era, form or batch gets past the filter, and nothing that is shown is harmed (TR-23, TR-30, B13 199, B13 200, B13 201)", async () => {
  const { SALLYPORT_TEST_SEED: given } = Deno.env.toObject();
  const first = given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0 : Number(given);
  await using curated = await curatedGateway(SHOWN);
  for (let round = 0; round < ROUNDS; round++) await playRound(curated, randomSource(first + round));
});
