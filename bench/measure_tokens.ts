/** How many refreshes and code redemptions per second the token endpoint does over HTTP, with its store in a file. */
import { type Figure, TARGETS } from "./figures.ts";
import { ROUTES, type RunningGateway } from "./gateway_process.ts";
import { HttpConnection } from "./http_connection.ts";
import { rawRequest } from "./requests.ts";
import {
  Browser,
  codeGrantForm,
  type PendingCode,
  refreshForm,
  register,
  signIn,
  tokensOf,
} from "./sign_in.ts";
import type { Tokens } from "./sign_in.ts";
import { type GatewayStage, ofRounds, stageGateway } from "./stage.ts";

const CONNECTIONS = 32;
/** Codes live 60 seconds: preparing them stops early enough to redeem them all. */
const PREPARE_AT_MOST_MS = 30_000;

/** Runs the rounds. */
export async function measureTokens(stage: GatewayStage): Promise<readonly Figure[]> {
  await using gateway = await stageGateway(stage);
  const load = await TokenLoad.on(stage, gateway);
  const rates: TokenRates[] = [];
  for (let round = -1; round < stage.options.rounds; round++) {
    stage.progress(
      round < 0 ? "tokens: warming up" : `tokens: round ${round + 1} of ${stage.options.rounds}`,
    );
    const measured = await load.round();
    if (round >= 0) rates.push(measured);
  }
  return [
    ofRounds(TARGETS.refresh, rates.map(({ refresh }) => refresh)),
    ofRounds(TARGETS.codeGrant, rates.map(({ codeGrant }) => codeGrant)),
  ];
}

/** Refreshes and code redemptions per second. */
export interface TokenRates {
  readonly refresh: number;
  readonly codeGrant: number;
}

/** Clients of one gateway that refresh and redeem, round after round. */
export class TokenLoad {
  readonly #stage: GatewayStage;
  readonly #gateway: RunningGateway;
  #tokens: readonly Tokens[];

  private constructor(stage: GatewayStage, gateway: RunningGateway, tokens: readonly Tokens[]) {
    this.#stage = stage;
    this.#gateway = gateway;
    this.#tokens = tokens;
  }

  /** Signs the clients in. */
  static async on(stage: GatewayStage, gateway: RunningGateway): Promise<TokenLoad> {
    const tokens = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => signIn(gateway.publicUrl, ROUTES.call)),
    );
    return new TokenLoad(stage, gateway, tokens);
  }

  /** One burst of each. */
  async round(): Promise<TokenRates> {
    const { quick, seconds } = this.#stage.options;
    const { perSecond, tokens } = await refreshAll(this.#gateway, this.#tokens, seconds);
    this.#tokens = tokens;
    const codes = await prepareCodes(this.#gateway, quick ? 200 : 500);
    return { refresh: perSecond, codeGrant: await redeemAll(this.#gateway, codes) };
  }
}

/** Every connection rotates its own refresh token, each with the one it was just given. */
async function refreshAll(
  gateway: RunningGateway,
  tokens: readonly Tokens[],
  seconds: number,
): Promise<{ readonly perSecond: number; readonly tokens: readonly Tokens[] }> {
  let done = 0;
  const begin = performance.now();
  const next = await Promise.all(tokens.map(async (mine) => {
    using connection = await HttpConnection.open(gateway.origin);
    let current = mine;
    while (performance.now() - begin < seconds * 1000) {
      const form = refreshForm(current.clientId, current.refreshToken);
      current = { clientId: current.clientId, ...tokensOf(await tokenAnswer(connection, gateway, form)) };
      done++;
    }
    return current;
  }));
  return { perSecond: done / ((performance.now() - begin) / 1000), tokens: next };
}

/** One user with one client approves again and again, in so many browsers at once. */
async function prepareCodes(gateway: RunningGateway, count: number): Promise<readonly PendingCode[]> {
  const clientId = await register(gateway.publicUrl);
  const codes: PendingCode[] = [];
  const begin = performance.now();
  let started = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    const browser = new Browser(gateway.publicUrl);
    while (started < count && performance.now() - begin < PREPARE_AT_MOST_MS) {
      started++;
      codes.push(await browser.authorize(clientId, ROUTES.call));
    }
  }));
  return codes;
}

async function redeemAll(gateway: RunningGateway, codes: readonly PendingCode[]): Promise<number> {
  const resource = gateway.publicUrl + ROUTES.call;
  const waiting = [...codes];
  const begin = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    using connection = await HttpConnection.open(gateway.origin);
    for (let code = waiting.pop(); code !== undefined; code = waiting.pop()) {
      tokensOf(await tokenAnswer(connection, gateway, codeGrantForm(code, resource)));
    }
  }));
  return codes.length / ((performance.now() - begin) / 1000);
}

async function tokenAnswer(
  connection: HttpConnection,
  gateway: RunningGateway,
  form: string,
): Promise<string> {
  const answer = await connection.exchange(rawRequest(
    { method: "POST", url: `${gateway.origin}/oauth/token`, body: form },
    { "content-type": "application/x-www-form-urlencoded", "accept": "application/json" },
  ));
  if (answer.status !== 200) {
    throw new Error(`the token endpoint answered ${answer.status}: ${answer.text()}`);
  }
  return answer.text();
}
