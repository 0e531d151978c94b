/** Every secret of a whole flow, and of a score of failing requests, is looked for in every event, page and answer: B16 254. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mcpOAuth } from "../../mod.ts";
import { answerOf } from "../security/login_scene.ts";
import { HeadlessBrowser } from "../support/browser.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type Harness, startHarness } from "../support/harness.ts";
import { assertInvariants, spellings } from "../support/invariants.ts";
import { authorizeUrl, callMcp, redeem, refresh, registerClient } from "../support/oauth_flow.ts";
import { startScriptedProvider } from "../support/scripted_provider.ts";
import { oauthOptionsFor } from "../support/test_provider.ts";

/** Where a secret may be shown: nowhere, in the form that it protects, or in the answer that issues it. */
type Home = "nowhere" | "form" | "answer";

/** What was seen to pass, and what of it is secret. */
class Watch {
  readonly secrets = new Map<string, Home>();
  readonly shown: {
    readonly what: string;
    readonly text: string;
    readonly issuing: boolean;
    readonly form: boolean;
  }[] = [];

  add(value: string | null | undefined, home: Home = "nowhere"): void {
    if (value && value.length >= 12 && !this.secrets.has(value)) this.secrets.set(value, home);
  }

  /** A request and its answer, as they passed. */
  async pass(url: URL, init: RequestInit, response: Response): Promise<Response> {
    this.#sent(url, init);
    for (const cookie of response.headers.getSetCookie()) this.add(/^[^=]+=([^;]*)/.exec(cookie)?.[1]);
    const location = response.headers.get("location");
    if (location !== null) this.#named(new URL(location, url).searchParams);
    const text = await response.text();
    for (const [, token] of text.matchAll(/name="csrf_token" value="([^"]+)"/g)) this.add(token, "form");
    const issuing = /\/(?:token|register)$/.test(url.pathname) && response.status < 300;
    if (issuing) this.#issued(text);
    const headers = [...response.headers].filter(([name]) => name !== "location" && name !== "set-cookie");
    this.shown.push({
      what: `${init.method ?? "GET"} ${url.pathname} ${response.status}`,
      text: `${headers.map((header) => header.join(": ")).join("\n")}\n${text}`,
      issuing,
      form: text.includes('name="csrf_token"'),
    });
    return new Response(text === "" ? null : text, { status: response.status, headers: response.headers });
  }

  #sent(url: URL, init: RequestInit): void {
    this.#named(url.searchParams);
    if (typeof init.body === "string" && !init.body.startsWith("{")) {
      this.#named(new URLSearchParams(init.body));
    }
    this.add(/^Bearer (.+)/.exec(new Headers(init.headers).get("authorization") ?? "")?.[1]);
  }

  /** Parameters that are secrets wherever they stand. What a client calls its `state` is an example of them. */
  #named(params: URLSearchParams): void {
    for (
      const name of [
        "code",
        "state",
        "nonce",
        "code_verifier",
        "client_secret",
        "refresh_token",
        "token",
        "assertion",
      ]
    ) for (const value of params.getAll(name)) this.add(value);
  }

  #issued(text: string): void {
    const answer: Record<string, unknown> = JSON.parse(text);
    for (const name of ["access_token", "refresh_token", "client_secret", "registration_access_token"]) {
      if (typeof answer[name] === "string") this.add(answer[name], "answer");
    }
  }

  /** Faults: which secret was shown where, in any spelling. */
  faults(events: readonly unknown[]): string[] {
    const log = events.map((event) => Buffer.from(JSON.stringify(event)));
    const faults: string[] = [];
    for (const [secret, home] of this.secrets) {
      const spelt = spellings(secret);
      const found = (where: Buffer) => spelt.some((spelling) => where.includes(spelling));
      log.forEach((line) => found(line) && faults.push(`${secret.slice(0, 8)}… in the log: ${line}`));
      for (const { what, text, issuing, form } of this.shown) {
        const atHome = (home === "answer" && issuing) || (home === "form" && form);
        if (!atHome && found(Buffer.from(text))) faults.push(`${secret.slice(0, 8)}… in ${what}`);
      }
    }
    return faults;
  }
}

function watchedFetch(gateway: Harness, watch: Watch) {
  return async (input: string | URL, init: RequestInit = {}) => {
    const url = new URL(input, gateway.origin);
    return await watch.pass(url, init, await gateway.fetch(url, init));
  };
}

Deno.test("no secret of a login, a consent, a call or of twenty failures is in an event, a page or an answer (B16 254, AS-64)", async () => {
  const clock = new FakeClock();
  const watch = new Watch();
  const ofProvider = {
    access_token: "provider-access-canary-1c9e",
    refresh_token: "provider-refresh-canary-77aa",
  };
  const sound = { tokenResponse: ofProvider };
  await using idp = startScriptedProvider({ clock, script: sound });
  const base = oauthOptionsFor(idp);
  const kv = await Deno.openKv(":memory:");
  try {
    await using gateway = await startHarness({
      clock,
      kv,
      config: () => ({
        oauth: mcpOAuth({ ...base, browserLogin: { ...base.browserLogin, remoteTimeoutMs: 1_000 } }),
      }),
    });
    for (const secret of [...Object.values(ofProvider), idp.clientSecret]) watch.add(secret);
    const ask = watchedFetch(gateway, watch);
    const browser = new HeadlessBrowser({
      fetch: async (input, init) => {
        const url = new URL(input instanceof Request ? input.url : input);
        if (url.origin === gateway.origin) return await ask(url, init);
        const response = await fetch(url, init);
        for (const name of ["code", "state"]) {
          watch.add(new URL(response.headers.get("location") ?? "x:y").searchParams.get(name));
        }
        return response;
      },
    });
    const asked = { ...gateway, fetch: ask };
    const client = await registerClient(asked, { token_endpoint_auth_method: "client_secret_post" });
    const own = { state: "state-of-the-client-canary-03ce" };
    const stopAt = (url: URL) => url.href.startsWith(client.redirectUri);

    // The whole flow.
    const consent = await browser.get(authorizeUrl(gateway, client, own));
    assert.equal(consent.url.pathname, "/oauth/setup", consent.html);
    const end = await browser.submit(consent, { decision: "approve" }, { stopAt });
    const code = end.url.searchParams.get("code") ?? "";
    watch.add(code);
    const tokens = await (await redeem(asked, client, code)).json();
    assert.equal((await callMcp(asked, "/alpha", tokens.access_token)).status, 200);
    const pair = await (await refresh(asked, client, tokens.refresh_token)).json();
    assert.equal((await callMcp(asked, "/alpha", pair.access_token)).status, 200);
    const ping = { jsonrpc: "2.0", id: 2, method: "ping" };
    assert.equal((await callMcp(asked, "/alpha", pair.access_token, { message: ping })).status, 200);
    const account = await browser.get(`${gateway.origin}/account`);

    // What goes wrong, on every surface.
    const statuses: number[] = [];
    const note = async (answer: Promise<{ readonly status: number }>) =>
      void statuses.push((await answer).status);
    const other = () =>
      new HeadlessBrowser({
        fetch: (input, init) => ask(input instanceof Request ? input.url : input, init),
      });
    const leave = async () =>
      (await browser.get(authorizeUrl(gateway, client, { prompt: "login", ...own }), {
        stopAt: (url) => url.origin === idp.origin,
      })).url;
    for (
      const script of [
        { ...sound, signature: "broken" },
        { ...sound, claims: { nonce: "nonce-of-another-login" } },
        { ...sound, token: { status: 500 } },
        { ...sound, token: { hang: "answer" } },
        {
          ...sound,
          token: {
            status: 400,
            body: { error: "invalid_grant", error_description: ofProvider.access_token },
          },
        },
        {
          ...sound,
          authorizationResponse: { error: "access_denied", error_description: ofProvider.refresh_token },
        },
        { ...sound, authorizationResponse: { iss: "https://evil.test" } },
      ] as const
    ) {
      idp.script = script;
      await note(browser.get(await answerOf(await leave())));
    }
    idp.script = sound;
    const stolen = await answerOf(await leave());
    await note(other().get(stolen));
    await note(
      other().get(
        `${gateway.origin}/oauth/callback?code=code-canary-that-is-none&state=state-canary-that-is-none`,
      ),
    );
    await note(browser.submit({ ...consent }, { decision: "approve" }));
    await note(other().get(consent.url));
    await note(redeem(asked, client, code));
    await note(redeem(asked, client, "ac_code-canary-unknown-0000000000000000000000"));
    await note(
      redeem(asked, client, code, { code_verifier: "verifier-canary-wrong-0123456789-0123456789-0" }),
    );
    await note(redeem(asked, client, code, { client_secret: "secret-canary-wrong-0123456789" }));
    await note(refresh(asked, client, "rt_refresh-canary-unknown-0000000000000000000"));
    await note(callMcp(asked, "/alpha", "at_bearer-canary-unknown-00000000000000000000"));
    await note(callMcp(asked, "/alpha", pair.access_token, { message: '{"jsonrpc":"2.0","id":1,' }));
    await note(callMcp(asked, "/nowhere", pair.access_token));
    await note(ask(authorizeUrl(gateway, { ...client, clientId: "unknown" }, own)));
    await note(ask(authorizeUrl(gateway, client, { ...own, code_challenge: null })));
    await note(ask(`http://evil.test/oauth/callback?code=${code}&state=${own.state}`));
    await note(
      ask("/oauth/token", { method: "POST", body: "{", headers: { "content-type": "application/json" } }),
    );
    await note(
      ask("/oauth/register", {
        method: "POST",
        body: '{"redirect_uris":["javascript:x"]}',
        headers: { "content-type": "application/json" },
      }),
    );
    assert.ok(statuses.length >= 20 && statuses.every((status) => status >= 300), statuses.join(" "));

    await browser.submit(account, { action: "sign_out" });
    for (const { params } of idp.tokenRequests) {
      for (const value of params.values()) {
        // The verifier, and the codes as the provider saw them.
        if (value.length >= 32 && !value.startsWith("http")) watch.add(value);
      }
    }

    assert.ok(watch.secrets.size >= 40, `${watch.secrets.size} secrets were seen`);
    assert.ok(gateway.events.length >= 40, `${gateway.events.length} events`);
    assert.ok(gateway.events.some(({ level }) => level === "debug"), "the log is at debug");
    assert.deepEqual(watch.faults(gateway.events), []);
    // Nor in the store, where names (of logins, of transactions) may stand, but nothing that opens a door.
    const doors = [...watch.secrets.keys()].filter((secret) =>
      /^(?:at|rt|ac|se|br|cs)_|canary|scripted/.test(secret)
    );
    assert.ok(doors.length >= 15, `${doors.length}`);
    // Without the key: what is sealed is judged by its bytes.
    await assertInvariants(kv, { now: clock.now(), canaries: doors });
  } finally {
    kv.close();
  }
});

Deno.test("the watch itself finds a secret in any spelling", () => {
  const secret = "a secret+of/some=kind";
  for (
    const text of [secret, btoa(secret), encodeURIComponent(secret), Buffer.from(secret).toString("hex")]
  ) {
    const watch = new Watch();
    watch.add(secret);
    assert.equal(watch.faults([{ path: `/x/${text}` }]).length, 1, text);
    watch.shown.push({ what: "page", text: `<p>${text}</p>`, issuing: false, form: false });
    assert.equal(watch.faults([]).length, 1, text);
  }
});
