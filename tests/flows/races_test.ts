/** Real races on a KV file: between two gateways in this process, and between two processes. Whoever wins, one lineage remains. */
import assert from "node:assert/strict";
import { parseKeyRing } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import { startGateway } from "../support/gateway_process.ts";
import { type Harness, startHarness, TEST_KEYS } from "../support/harness.ts";
import { HeadlessBrowser } from "../support/browser.ts";
import { assertInvariants, canariesInFiles } from "../support/invariants.ts";
import { kvFile } from "../support/kv_file.ts";
import {
  type Askable,
  authorizeUrl,
  callMcp,
  obtainCode,
  obtainTokens,
  postForm,
  redeem,
  refresh,
  registerClient,
  type TestClient,
  VERIFIER,
} from "../support/oauth_flow.ts";

const ROUNDS = 20;
const keyRing = parseKeyRing(TEST_KEYS, systemRandom);
const limits = {
  tokenRequestsPerMinute: 1_000_000,
  registrationsPerMinute: 1_000_000,
  authorizationsPerMinute: 1_000_000,
};

/** Gateways that share a store: requests are dealt out to them in turn. */
interface Arena {
  readonly nodes: readonly Askable[];
  /** Asks the nodes in turn, all at once. */
  readonly atOnce: <Answer>(times: number, ask: (node: Askable) => Promise<Answer>) => Promise<Answer[]>;
  /** Secrets that were seen, to be searched for in the store. */
  readonly canaries: Set<string>;
}

function arena(nodes: readonly Askable[]): Arena {
  return {
    nodes,
    canaries: new Set([VERIFIER]),
    atOnce: (times, ask) =>
      Promise.all(Array.from({ length: times }, (_, index) => ask(nodes[index % nodes.length] ?? fail()))),
  };
}

/** Two gateways in this process, each with a connection of its own to one file; afterwards the store is inspected. */
async function inTwoGateways(act: (arena: Arena, gateways: readonly [Harness, Harness]) => Promise<void>) {
  await using file = await kvFile();
  const options = { config: () => ({ limits }) };
  await using a = await startHarness({ ...options, kv: file.kv });
  await using b = await startHarness({ ...options, kv: await file.open(), clock: a.clock });
  const shared = arena([a, b]);
  await act(shared, [a, b]);
  await assertInvariants(file.kv, { now: a.clock.now(), keyRing, canaries: shared.canaries });
  assert.deepEqual(await canariesInFiles(file.folder, shared.canaries), []);
}

/** Two processes on one file. */
async function inTwoProcesses(act: (arena: Arena) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-races-" });
  const processes: Awaited<ReturnType<typeof startGateway>>[] = [];
  try {
    for (let count = 0; count < 2; count++) processes.push(await startGateway({ config: CONFIG, folder }));
    const nodes = processes.map(({ origin }) => ({
      origin,
      fetch: (url: string | URL, init?: RequestInit) => fetch(new URL(url, origin), init),
      browser: () => new HeadlessBrowser(),
    }));
    const shared = arena(nodes);
    await act(shared);
    const kv = await Deno.openKv(`${folder}/gateway.kv`);
    await assertInvariants(kv, { now: Date.now(), canaries: shared.canaries });
    kv.close();
    assert.deepEqual(await canariesInFiles(folder, shared.canaries), []);
  } finally {
    for (const process of processes) await process.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

const CONFIG = `
import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
export default defineGateway({
  oauth: mcpDevOAuth({ users: ["alice"] }),
  limits: ${JSON.stringify(limits)},
  routes: [mcpProxy("/alpha", { operationId: "alpha", upstream: "http://127.0.0.1:9/mcp" })],
});
`;

function fail(): never {
  throw new Error("There is no gateway.");
}

async function statuses(
  answers: readonly Response[],
): Promise<{ ok: Record<string, string>[]; refused: string[] }> {
  const ok: Record<string, string>[] = [];
  const refused: string[] = [];
  for (const answer of answers) {
    const body = await answer.json();
    if (answer.status === 200) ok.push(body);
    else refused.push(`${answer.status} ${body.error}`);
  }
  return { ok, refused };
}

/** The token is refused by the route of the gateway it was issued at; other processes may take 100 ms to know. */
async function assertDead(
  { nodes }: Arena,
  client: TestClient,
  tokens: Record<string, string>,
): Promise<void> {
  const [home] = nodes;
  assert.ok(home);
  const until = performance.now() + 1_000;
  let status = 0;
  while (status !== 401 && performance.now() < until) {
    const answer = await callMcp(home, "/alpha", tokens.access_token ?? "");
    await answer.body?.cancel();
    ({ status } = answer);
  }
  assert.equal(status, 401, "an access token is alive");
  for (const node of nodes) {
    const { refused } = await statuses([await refresh(node, client, tokens.refresh_token ?? "")]);
    assert.deepEqual(refused, ["400 invalid_grant"], "a refresh token is alive");
  }
}

async function raceCodes(shared: Arena, parallel: number): Promise<void> {
  const [home] = shared.nodes;
  assert.ok(home);
  const client = await registerClient(home);
  const browser = home.browser();
  for (let round = 0; round < ROUNDS; round++) {
    const code = await obtainCode(home, client, { browser });
    const { ok, refused } = await statuses(
      await shared.atOnce(parallel, (node) => redeem(node, client, code)),
    );
    assert.deepEqual([ok.length, refused.length], [1, parallel - 1], `round ${round}: ${refused}`);
    assert.ok(refused.every((each) => each === "400 invalid_grant"), refused.join());
    const [tokens] = ok;
    assert.ok(tokens);
    for (const secret of [code, tokens.access_token, tokens.refresh_token]) {
      shared.canaries.add(String(secret));
    }
    for (const secret of cookiesOf(home, browser)) shared.canaries.add(secret);
    await assertDead(shared, client, tokens);
  }
}

/** The values of the browser's cookies. */
function cookiesOf({ origin }: Askable, browser: HeadlessBrowser): string[] {
  const header = browser.cookies.header(new URL(origin), { initiator: null, method: "GET" });
  const values = header?.split("; ").map((pair) => pair.slice(pair.indexOf("=") + 1)) ?? [];
  assert.equal(values.length, 2);
  return values;
}

async function raceRefreshes(shared: Arena, parallel: number): Promise<void> {
  const [home] = shared.nodes;
  assert.ok(home);
  const client = await registerClient(home);
  let { refresh_token: token } = await obtainTokens(home, client);
  const seen = new Set([token]);
  for (let round = 0; round < ROUNDS; round++) {
    const { ok, refused } = await statuses(
      await shared.atOnce(parallel, (node) => refresh(node, client, token)),
    );
    assert.deepEqual(refused, [], `round ${round}`);
    assert.equal(new Set(ok.map((answer) => `${answer.access_token} ${answer.refresh_token}`)).size, 1);
    token = String(ok[0]?.refresh_token);
    assert.ok(!seen.has(token));
    seen.add(token);
    shared.canaries.add(token).add(String(ok[0]?.access_token));
  }
  // The lineage is alive to its end, and dies as a whole.
  const [first] = seen;
  const { refused } = await statuses([await refresh(home, client, String(first))]);
  assert.deepEqual(refused, ["400 invalid_grant"]);
  const last = await statuses([await refresh(home, client, token)]);
  assert.deepEqual(last.refused, ["400 invalid_grant"]);
}

async function raceRevocations(shared: Arena): Promise<void> {
  const [home] = shared.nodes;
  assert.ok(home);
  const client = await registerClient(home);
  const browser = home.browser();
  const outcomes = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const tokens = { ...await obtainTokens(home, client, { browser }) };
    const issued: Record<string, string>[] = [{
      access_token: tokens.access_token,
      refresh_token: tokens.refresh_token,
    }];
    let asked = 0;
    const answers = await shared.atOnce(4, async (node) => {
      // The revocation's place among the refreshes changes from round to round.
      if (asked++ !== round % 4) return await refresh(node, client, tokens.refresh_token);
      const parameters = { token: tokens.refresh_token, client_id: client.clientId };
      const answer = await postForm(node, "/oauth/revoke", parameters);
      assert.equal(answer.status, 200);
      await answer.body?.cancel();
      return null;
    });
    const { ok, refused } = await statuses(answers.filter((answer) => answer !== null));
    assert.ok(refused.every((each) => each === "400 invalid_grant"), refused.join());
    outcomes.add(ok.length === 0 ? "revocation first" : "refresh first");
    issued.push(...ok);
    for (const each of issued) await assertDead(shared, client, each);
  }
  assert.ok(outcomes.size > 0);
}

for (const parallel of [2, 20]) {
  Deno.test(`of ${parallel} redemptions of one code at a time one gets tokens, and they are dead afterwards (B8 124, AS-17)`, () =>
    inTwoGateways((shared) => raceCodes(shared, parallel)));
}

Deno.test("50 refreshes of one token at a time get one successor, round after round (B9 140, AS-58)", () =>
  inTwoGateways((shared) => raceRefreshes(shared, 50)));

Deno.test("a revocation amid refreshes leaves nothing alive, whoever was first (B10 161)", () =>
  inTwoGateways((shared) => raceRevocations(shared)));

Deno.test("an approval that is posted twice at a time makes one code (B6 088)", () =>
  inTwoGateways(async (shared, [a, b]) => {
    const client = await registerClient(a);
    const stopAt = (url: URL) => url.href.startsWith(client.redirectUri);
    const [atA, atB] = [a.browser(), b.browser()];
    await obtainCode(a, client, { browser: atA });
    // One browser, whose requests reach now the one gateway and now the other.
    const session = atA.cookies.header(new URL(a.origin), { initiator: null, method: "GET" }) ?? "";
    for (const pair of session.split("; ")) {
      atB.cookies.store(new URL(b.origin), new Headers({ "set-cookie": `${pair}; Path=/; SameSite=Lax` }));
    }
    for (let round = 0; round < ROUNDS; round++) {
      const page = await atA.get(authorizeUrl(a, client), { stopAt });
      assert.equal(page.left, false);
      const ends = await Promise.all(
        [atA, atB].map((browser) => browser.submit(page, { decision: "approve" }, { stopAt })),
      );
      const codes = ends.flatMap((end) => end.left ? [end.url.searchParams.get("code")] : []);
      assert.equal(codes.length, 1, ends.map((end) => `${end.status} ${end.url}`).join());
      assert.deepEqual(ends.filter((end) => !end.left).map((end) => end.status), [400]);
      shared.canaries.add(String(codes[0]));
    }
  }));

Deno.test("two processes: one code, one token pair, dead once it was asked for twice (B8 124, F09)", () =>
  inTwoProcesses((shared) => raceCodes(shared, 20)));

Deno.test("two processes: 50 refreshes at a time share one lineage (B9 140, F09)", () =>
  inTwoProcesses((shared) => raceRefreshes(shared, 50)));

Deno.test("two processes: a revocation in one ends what the other is about to issue (B10 161, F09)", () =>
  inTwoProcesses((shared) => raceRevocations(shared)));
