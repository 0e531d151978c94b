/** Races for what may be had once, told as scenes and acts: the flow tests play them for a while, the soak tests for long. */
import assert from "node:assert/strict";
import { parseKeyRing } from "../../lib/crypto/keyring.ts";
import { systemRandom } from "../../lib/crypto/secret_token.ts";
import { mcpDevOAuth } from "../../mod.ts";
import { HeadlessBrowser } from "./browser.ts";
import { freePort } from "./child_process.ts";
import { startGateway } from "./gateway_process.ts";
import { type Harness, startHarness, TEST_KEYS } from "./harness.ts";
import { assertInvariants, canariesInFiles } from "./invariants.ts";
import { kvFile } from "./kv_file.ts";
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
} from "./oauth_flow.ts";

const keyRing = parseKeyRing(TEST_KEYS, systemRandom);
const limits = { tokenRequestsPerMinute: 1e6, registrationsPerMinute: 1e6, authorizationsPerMinute: 1e6 };
/** Searching for a secret reads the whole store: of a long race the first ones have to do. */
const MOST_CANARIES = 200;

/** How often, and by how many at once. */
export interface RaceLength {
  readonly rounds: number;
  readonly parallel: number;
}

/** Gateways that share a store: requests are dealt out to them in turn. */
export interface Arena {
  readonly nodes: readonly Askable[];
  /** Where the act takes place; the first of the nodes. */
  readonly home: Askable;
  /** Asks the nodes in turn, all at once. */
  readonly atOnce: <Answer>(times: number, ask: (node: Askable) => Promise<Answer>) => Promise<Answer[]>;
  /** Notes secrets that were seen, to be searched for in the store. */
  readonly saw: (...secrets: readonly (string | undefined)[]) => void;
  readonly canaries: ReadonlySet<string>;
  /** Milliseconds since the epoch, by the gateways' clock. */
  readonly now: () => number;
}

function arena(nodes: readonly [Askable, Askable], now: () => number): Arena {
  const canaries = new Set([VERIFIER]);
  return {
    nodes,
    home: nodes[0],
    canaries,
    now,
    saw(...secrets) {
      for (const secret of secrets) if (canaries.size < MOST_CANARIES) canaries.add(String(secret));
    },
    atOnce: (times, ask) =>
      Promise.all(Array.from({ length: times }, (_, index) => ask(index % 2 === 0 ? nodes[0] : nodes[1]))),
  };
}

/** What a scene has beside the gateways. */
export interface SceneOptions {
  /** Whose ID-JAGs the gateways accept. */
  readonly issuer?: TrustedIssuer;
}

/** An issuer as a configuration names it. */
export interface TrustedIssuer {
  readonly issuer: string;
  readonly jwksUrl: string;
}

/** Two gateways in this process, each with a connection of its own to one file; afterwards the store is inspected. */
export async function inTwoGateways(
  act: (arena: Arena, gateways: readonly [Harness, Harness]) => Promise<void>,
  { issuer }: SceneOptions = {},
): Promise<void> {
  await using file = await kvFile();
  const options = {
    config: () => ({
      limits,
      ...(issuer === undefined ? {} : { oauth: mcpDevOAuth(loginOptions(issuer)) }),
    }),
  };
  await using a = await startHarness({ ...options, kv: file.kv });
  await using b = await startHarness({ ...options, kv: await file.open(), clock: a.clock });
  const shared = arena([a, b], () => a.clock.now());
  await act(shared, [a, b]);
  await assertInvariants(file.kv, { now: a.clock.now(), keyRing, canaries: shared.canaries });
  assert.deepEqual(await canariesInFiles(file.folder, shared.canaries), []);
}

/** Two processes on one file. */
export async function inTwoProcesses(
  act: (arena: Arena) => Promise<void>,
  options: SceneOptions = {},
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sallyport-races-" });
  const ports = [freePort(), freePort()] as const;
  const config = configuration(ports, options);
  const env = { GATEWAY_LOG: "error" };
  const a = await startGateway({ config, folder, env, port: ports[0] });
  const b = await startGateway({ config, folder, env, port: ports[1] }).catch(async (error) => {
    await a.stop();
    throw error;
  });
  const node = ({ origin }: { readonly origin: string }): Askable => ({
    origin,
    fetch: (url, init) => fetch(new URL(url, origin), init),
    browser: () => new HeadlessBrowser(),
  });
  try {
    const shared = arena([node(a), node(b)], Date.now);
    await act(shared);
    const kv = await Deno.openKv(`${folder}/gateway.kv`);
    await assertInvariants(kv, { now: Date.now(), canaries: shared.canaries });
    kv.close();
    assert.deepEqual(await canariesInFiles(folder, shared.canaries), []);
  } finally {
    for (const process of [a, b]) await process.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Clients see one gateway, under the address of the first process. */
function configuration(ports: readonly [number, number], { issuer }: SceneOptions): string {
  return `
import { defineGateway, mcpDevOAuth, mcpProxy } from "@sallyport/gateway";
export default defineGateway({
  oauth: mcpDevOAuth(${JSON.stringify(loginOptions(issuer))}),
  publicUrl: "http://127.0.0.1:${ports[0]}",
  allowedHosts: ["127.0.0.1:${ports[1]}"],
  limits: ${JSON.stringify(limits)},
  routes: [mcpProxy("/alpha", { operationId: "alpha", upstream: "http://127.0.0.1:9/mcp" })],
});
`;
}

function loginOptions(trusted: TrustedIssuer | undefined) {
  const users = ["alice"];
  if (trusted === undefined) return { users };
  const { issuer, jwksUrl } = trusted;
  return { users, idJag: { trustedIssuers: [{ issuer, jwksUrl }] } };
}

/** Answers of the token endpoint, sorted into successes and refusals. */
export async function statuses(
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
  { nodes, home }: Arena,
  client: TestClient,
  tokens: Record<string, string>,
): Promise<void> {
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

/** Everybody redeems the same code: one gets tokens, and all of them are dead afterwards. */
export async function raceCodes(shared: Arena, { rounds, parallel }: RaceLength): Promise<void> {
  const { home } = shared;
  const client = await registerClient(home);
  const browser = home.browser();
  for (let round = 0; round < rounds; round++) {
    const code = await obtainCode(home, client, { browser });
    const { ok, refused } = await statuses(
      await shared.atOnce(parallel, (node) => redeem(node, client, code)),
    );
    assert.deepEqual([ok.length, refused.length], [1, parallel - 1], `round ${round}: ${refused}`);
    assert.ok(refused.every((each) => each === "400 invalid_grant"), refused.join());
    const [tokens] = ok;
    assert.ok(tokens);
    shared.saw(code, tokens.access_token, tokens.refresh_token, ...cookiesOf(home, browser));
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

/** Everybody uses the same refresh token: all get the same successor, round after round, and the lineage dies as a whole. */
export async function raceRefreshes(shared: Arena, { rounds, parallel }: RaceLength): Promise<void> {
  const { home } = shared;
  const client = await registerClient(home);
  let { refresh_token: token } = await obtainTokens(home, client);
  const seen = new Set([token]);
  for (let round = 0; round < rounds; round++) {
    const { ok, refused } = await statuses(
      await shared.atOnce(parallel, (node) => refresh(node, client, token)),
    );
    assert.deepEqual(refused, [], `round ${round}`);
    assert.equal(new Set(ok.map((answer) => `${answer.access_token} ${answer.refresh_token}`)).size, 1);
    token = String(ok[0]?.refresh_token);
    assert.ok(!seen.has(token));
    seen.add(token);
    shared.saw(token, ok[0]?.access_token);
  }
  const [first] = seen;
  const { refused } = await statuses([await refresh(home, client, String(first))]);
  assert.deepEqual(refused, ["400 invalid_grant"]);
  const last = await statuses([await refresh(home, client, token)]);
  assert.deepEqual(last.refused, ["400 invalid_grant"]);
}

/** One of them revokes while the others refresh: whoever was first, nothing is alive afterwards. Returns how often which was first. */
export async function raceRevocations(
  shared: Arena,
  { rounds, parallel }: RaceLength,
): Promise<{ readonly revocationFirst: number; readonly refreshFirst: number }> {
  const { home } = shared;
  const client = await registerClient(home);
  const browser = home.browser();
  const outcomes = { revocationFirst: 0, refreshFirst: 0 };
  for (let round = 0; round < rounds; round++) {
    const { access_token, refresh_token } = await obtainTokens(home, client, { browser });
    const issued = new Map<string, Record<string, string>>([[refresh_token, {
      access_token,
      refresh_token,
    }]]);
    let asked = 0;
    const answers = await shared.atOnce(parallel, async (node) => {
      // The revocation's place among the refreshes changes from round to round.
      if (asked++ !== round % parallel) return await refresh(node, client, refresh_token);
      const parameters = { token: refresh_token, client_id: client.clientId };
      const answer = await postForm(node, "/oauth/revoke", parameters);
      assert.equal(answer.status, 200);
      await answer.body?.cancel();
      return null;
    });
    const { ok, refused } = await statuses(answers.filter((answer) => answer !== null));
    assert.ok(refused.every((each) => each === "400 invalid_grant"), refused.join());
    outcomes[ok.length === 0 ? "revocationFirst" : "refreshFirst"]++;
    for (const pair of ok) issued.set(String(pair.refresh_token), pair);
    assert.ok(issued.size <= 2, "two lineages");
    for (const each of issued.values()) await assertDead(shared, client, each);
  }
  assert.equal(outcomes.revocationFirst + outcomes.refreshFirst, rounds);
  return outcomes;
}

/** One browser, whose requests reach now the one gateway and now the other, posts its approval twice: there is one code. */
export async function raceApprovals(
  shared: Arena,
  [a, b]: readonly [Askable, Askable],
  { rounds }: Pick<RaceLength, "rounds">,
): Promise<void> {
  const client = await registerClient(a);
  const stopAt = (url: URL) => url.href.startsWith(client.redirectUri);
  const [atA, atB] = [a.browser(), b.browser()];
  await obtainCode(a, client, { browser: atA });
  const session = atA.cookies.header(new URL(a.origin), { initiator: null, method: "GET" }) ?? "";
  for (const pair of session.split("; ")) {
    atB.cookies.store(new URL(b.origin), new Headers({ "set-cookie": `${pair}; Path=/; SameSite=Lax` }));
  }
  for (let round = 0; round < rounds; round++) {
    const page = await atA.get(authorizeUrl(a, client), { stopAt });
    assert.equal(page.left, false);
    const ends = await Promise.all(
      [atA, atB].map((browser) => browser.submit(page, { decision: "approve" }, { stopAt })),
    );
    const codes = ends.flatMap((end) => end.left ? [end.url.searchParams.get("code")] : []);
    assert.equal(codes.length, 1, ends.map((end) => `${end.status} ${end.url}`).join());
    assert.deepEqual(ends.filter((end) => !end.left).map((end) => end.status), [400]);
    shared.saw(String(codes[0]));
  }
}
