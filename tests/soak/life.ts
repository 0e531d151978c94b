/** A client's life in steps, any of which may be cut by the death of the gateway: afterwards it finds out what came of the step. */
import assert from "node:assert/strict";
import { HeadlessBrowser, type Page } from "../support/browser.ts";
import {
  type Askable,
  authorizeUrl,
  callMcp,
  postForm,
  redeem,
  refresh,
  registerClient,
  type TestClient,
} from "../support/oauth_flow.ts";

/** What a client was doing. */
export type Step = "register" | "authorize" | "approve" | "redeem" | "refresh" | "revoke";

/** How often a step was cut, and how often it turned out to have been done. */
export type Cuts = Record<Step, { cut: number; done: number }>;

/** Cuts, none so far. */
export function noCuts(): Cuts {
  const none = () => ({ cut: 0, done: 0 });
  return {
    register: none(),
    authorize: none(),
    approve: none(),
    redeem: none(),
    refresh: none(),
    revoke: none(),
  };
}

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

/** One client of one user. */
export class ClientLife {
  readonly #cuts: Cuts;
  /** The gateway of today; the browser and its cookies outlive it. */
  #gateway: Askable | null = null;
  readonly #browser = new HeadlessBrowser({
    fetch: (input, init) => {
      assert.ok(this.#gateway);
      return this.#gateway.fetch(input instanceof Request ? input.url : input, init);
    },
  });
  #client: TestClient | null = null;
  #page: Page | null = null;
  #code: string | null = null;
  #tokens: Tokens | null = null;
  #refreshes = 0;
  /** Tokens that were revoked, and whose they were: they must stay dead. */
  #dead: { readonly client: TestClient; readonly tokens: Tokens } | null = null;
  #doing: Step | null = null;
  /** Codes that the gateway has answered with. */
  approvals = 0;

  constructor(cuts: Cuts) {
    this.#cuts = cuts;
  }

  /** Takes steps until the gateway dies. */
  async live(gateway: Askable, isAlive: () => boolean): Promise<void> {
    while (isAlive()) {
      const step = this.#next();
      this.#doing = step;
      try {
        await this.#take(step, gateway);
      } catch (error) {
        // What the gateway has answered is judged; that it no longer answers is the point.
        if (error instanceof assert.AssertionError || isAlive()) throw error;
        return;
      }
      this.#doing = null;
    }
  }

  /** At a gateway that lives again: whatever was answered holds, whatever was cut was done as a whole or not at all. */
  async settle(gateway: Askable): Promise<void> {
    this.#gateway = gateway;
    const cut = this.#doing;
    this.#doing = null;
    if (cut !== null) {
      this.#cuts[cut].cut++;
      if (await this.#settleCut(cut, gateway)) this.#cuts[cut].done++;
    }
    if (this.#dead !== null) await assertDead(gateway, this.#dead);
    if (this.#code !== null) await this.#take("redeem", gateway);
    if (this.#tokens !== null) {
      const answer = await callMcp(gateway, "/alpha", this.#tokens.access_token);
      await answer.body?.cancel();
      assert.equal(answer.status, 200, "an access token that was answered is lost");
    }
  }

  #next(): Step {
    if (this.#client === null) return "register";
    if (this.#code !== null) return "redeem";
    if (this.#tokens !== null) return this.#refreshes < 3 ? "refresh" : "revoke";
    return this.#page === null ? "authorize" : "approve";
  }

  async #take(step: Step, gateway: Askable): Promise<void> {
    switch (step) {
      case "register":
        this.#client = await registerClient(gateway);
        return;
      case "authorize":
        this.#page = await this.#ask(gateway);
        assert.equal(this.#page.status, 200, this.#page.html);
        return;
      case "approve": {
        const page = await this.#approve();
        this.#page = null;
        this.#code = page.url.searchParams.get("code");
        assert.ok(this.#code, `${page.status} ${page.html}`);
        this.approvals++;
        return;
      }
      case "redeem": {
        const tokens = await tokensOf(await redeem(gateway, this.#known(), this.#code ?? ""));
        assert.ok(tokens, "a code that was answered cannot be redeemed");
        this.#received(tokens);
        return;
      }
      case "refresh": {
        const tokens = await tokensOf(
          await refresh(gateway, this.#known(), this.#tokens?.refresh_token ?? ""),
        );
        assert.ok(tokens, "a refresh token that was answered is lost");
        this.#tokens = tokens;
        this.#refreshes++;
        return;
      }
      case "revoke":
        await this.#revoke(gateway);
    }
  }

  /** Whether the step that was cut turns out to have been done. */
  async #settleCut(step: Step, gateway: Askable): Promise<boolean> {
    switch (step) {
      case "register":
      case "authorize":
        // Its answer alone told the name of what was made; the checker of the store judges the rest.
        return false;
      case "approve": {
        const page = await this.#approve();
        this.#page = null;
        this.#code = page.url.searchParams.get("code");
        assert.ok(this.#code !== null || page.status === 400, `${page.status} ${page.html}`);
        return this.#code === null;
      }
      case "redeem": {
        const tokens = await tokensOf(await redeem(gateway, this.#known(), this.#code ?? ""));
        this.#code = null;
        if (tokens !== null) this.#received(tokens);
        return tokens === null;
      }
      case "refresh": {
        // Done or not, the retry gets the successor (F02).
        const before = this.#tokens?.access_token;
        await this.#take("refresh", gateway);
        assert.notEqual(this.#tokens?.access_token, before);
        return false;
      }
      case "revoke":
        // Without tokens the revocation was answered, and only the look at its effect was cut.
        if (this.#tokens === null) return true;
        await this.#revoke(gateway);
        return false;
    }
  }

  #ask(gateway: Askable): Promise<Page> {
    return this.#browser.get(authorizeUrl(gateway, this.#known()), { stopAt });
  }

  #approve(): Promise<Page> {
    assert.ok(this.#page);
    return this.#browser.submit(this.#page, { decision: "approve" }, { stopAt });
  }

  async #revoke(gateway: Askable): Promise<void> {
    const tokens = this.#tokens;
    assert.ok(tokens);
    const client = this.#known();
    const form = { token: tokens.refresh_token, client_id: client.clientId };
    const answer = await postForm(gateway, "/oauth/revoke", form);
    await answer.body?.cancel();
    assert.equal(answer.status, 200);
    this.#tokens = null;
    this.#client = null;
    this.#dead = { client, tokens };
    await assertDead(gateway, this.#dead);
  }

  #received(tokens: Tokens): void {
    this.#code = null;
    this.#tokens = tokens;
    this.#refreshes = 0;
  }

  #known(): TestClient {
    assert.ok(this.#client);
    return this.#client;
  }
}

function stopAt(url: URL): boolean {
  return url.host === "client.example";
}

async function tokensOf(answer: Response): Promise<Tokens | null> {
  const body = await answer.json();
  if (answer.status === 200) return body;
  assert.deepEqual([answer.status, body.error], [400, "invalid_grant"]);
  return null;
}

async function assertDead(
  gateway: Askable,
  { client, tokens }: { readonly client: TestClient; readonly tokens: Tokens },
): Promise<void> {
  const call = await callMcp(gateway, "/alpha", tokens.access_token);
  await call.body?.cancel();
  assert.equal(call.status, 401, "a revoked access token lives");
  assert.equal(
    await tokensOf(await refresh(gateway, client, tokens.refresh_token)),
    null,
    "a revoked family lives",
  );
}
