/**
 * A user's life with an OAuth upstream, in steps any of which may be cut by the death of the gateway: signing in and connecting, calling (each
 * second call refreshes), connecting by a link, disconnecting. What was answered holds; what was cut was done as a whole or not at all.
 */
import assert from "node:assert/strict";
import { HeadlessBrowser, type Page } from "./browser.ts";
import { type Askable, authorizeUrl, redeem, type TestClient } from "./oauth_flow.ts";
import { callAs, nextStep } from "./upstream_fleet.ts";

/** What a user was doing. */
export type UpstreamStep =
  | "connect on setup"
  | "call"
  | "connect by link"
  | "disconnect"
  | "connect on account";

/** How often a step was finished, and how often it was cut. */
export type UpstreamCuts = Record<UpstreamStep, { done: number; cut: number }>;

/** None so far. */
export function noUpstreamCuts(): UpstreamCuts {
  const none = () => ({ done: 0, cut: 0 });
  return {
    "connect on setup": none(),
    call: none(),
    "connect by link": none(),
    disconnect: none(),
    "connect on account": none(),
  };
}

/** One user. */
export class UpstreamLife {
  readonly name: string;
  readonly #cuts: UpstreamCuts;
  readonly #browser: HeadlessBrowser;
  #gateway: Askable | null = null;
  #token: string | null = null;
  /** Where the gateway last told the user to connect. */
  #link: string | null = null;
  /** Whether the gateway has answered with success since the last disconnect: only a cut may take it away. */
  #connected = false;
  #calls = 0;
  /** What was cut since the last call that was answered. */
  #cut = new Set<UpstreamStep>();
  #doing: UpstreamStep | null = null;
  /** How often the user was asked to consent again, since an upstream had rotated what a dead gateway could not store (F04). */
  reconsents = 0;

  constructor(name: string, cuts: UpstreamCuts) {
    this.name = name;
    this.#cuts = cuts;
    this.#browser = new HeadlessBrowser({
      fetch: (input, init) => {
        const url = new URL(input instanceof Request ? input.url : input);
        const gateway = this.#gateway;
        assert.ok(gateway);
        return url.origin === gateway.origin ? gateway.fetch(url, init) : fetch(url, init);
      },
    });
  }

  /** Takes steps until the gateway dies. */
  async live(gateway: Askable, client: TestClient, isAlive: () => boolean): Promise<void> {
    this.#gateway = gateway;
    while (isAlive()) {
      const step = this.#next();
      this.#doing = step;
      try {
        await this.#take(step, gateway, client);
      } catch (error) {
        // What the gateway has answered is judged; that it no longer answers is the point.
        if (isAlive() || error instanceof assert.AssertionError) throw error;
        this.#cuts[step].cut++;
        this.#cut.add(step);
        return;
      }
      this.#cuts[step].done++;
      this.#doing = null;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
    }
  }

  /** What the user was doing when the gateway died; `null`: nothing. */
  get doing(): UpstreamStep | null {
    return this.#doing;
  }

  #next(): UpstreamStep {
    if (this.#token === null) return "connect on setup";
    if (this.#link !== null) return "connect by link";
    if (!this.#connected && !this.#cut.has("connect on account") && this.#calls % 12 === 11) {
      return "connect on account";
    }
    return this.#connected && this.#calls % 12 === 10 ? "disconnect" : "call";
  }

  async #take(step: UpstreamStep, gateway: Askable, client: TestClient): Promise<void> {
    switch (step) {
      case "connect on setup":
        this.#token = await this.#enter(gateway, client);
        this.#connected = true;
        return;
      case "call":
        return await this.#call(gateway);
      case "connect by link": {
        const page = await this.#browser.get(this.#link ?? "");
        // A link may have been used by the connect that was cut, whose credential a call will find.
        if (page.status === 403) this.#link = null;
        else await this.#connectFrom(page, { decision: "connect" });
        return;
      }
      case "disconnect": {
        const page = await this.#browser.get(`${gateway.origin}/account`);
        assert.equal(page.status, 200);
        this.#cut.add("disconnect");
        if (!offers(page, "disconnect")) return;
        this.#connected = false;
        await this.#browser.submit(page, { action: "disconnect" });
        this.#calls++;
        return;
      }
      case "connect on account": {
        const page = await this.#browser.get(`${gateway.origin}/account`);
        if (offers(page, "connect")) await this.#connectFrom(page, { action: "connect" });
        else this.#calls++;
      }
    }
  }

  async #connectFrom(page: Page, button: Record<string, string>): Promise<void> {
    let next = await this.#browser.submit(page, button);
    while (next.forms.some(({ choices }) => choices.some(({ name }) => name === "user"))) {
      next = await this.#browser.submit(next, { user: this.name });
    }
    assert.deepEqual([next.url.pathname, next.status], ["/account", 200], next.html);
    this.#link = null;
    this.#connected = true;
    this.#calls++;
  }

  async #enter(gateway: Askable, client: TestClient): Promise<string> {
    const stopAt = (url: URL) => url.href.startsWith(client.redirectUri);
    let page = await this.#browser.get(authorizeUrl(gateway, client), { stopAt });
    for (let pages = 0; pages < 8 && !page.left; pages++) {
      page = await this.#browser.submit(page, nextStep(page, this.name), { stopAt });
    }
    const response = await redeem(gateway, client, page.url.searchParams.get("code") ?? "");
    const { access_token: token } = await response.json();
    assert.equal(response.status, 200);
    return token;
  }

  async #call(gateway: Askable): Promise<void> {
    const { status, body } = await callAs(gateway, { token: this.#token ?? "" });
    const text = body.result?.content?.[0]?.text;
    if (text !== undefined) {
      assert.equal(text, this.name, "the credential of another user was used");
      this.#connected = true;
      this.#calls++;
    } else {
      const { state, authUrl } = body.error?.data ?? {};
      assert.ok(
        state !== undefined && authUrl !== undefined,
        `${this.name}: ${status} ${JSON.stringify(body)}`,
      );
      // Whoever was not cut has lost nothing; whoever was may have lost what the upstream gave out last, and nothing else.
      if (state === "reconsent_required") {
        assert.ok(this.#cut.has("call"), `${this.name}: reconsent, though no refresh was cut`);
        this.reconsents++;
      } else assert.ok(!this.#connected || this.#cut.size > 0, `${this.name}: a credential is lost`);
      this.#connected = false;
      this.#link = authUrl;
    }
    this.#cut.clear();
  }
}

function offers(page: Page, action: string): boolean {
  return page.forms.some(({ choices }) =>
    choices.some(({ name, value }) => name === "action" && value === action)
  );
}
