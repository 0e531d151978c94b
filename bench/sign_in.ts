/** An MCP client and its user's browser in one: registers, signs in, approves, redeems; what a token costs to get. */

/** Tokens as the token endpoint answered them. */
export interface Tokens {
  readonly clientId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** A code that waits to be redeemed. */
export interface PendingCode {
  readonly clientId: string;
  readonly code: string;
}

const REDIRECT_URI = "http://127.0.0.1:33418/callback";
const VERIFIER = "bench-".padEnd(64, "0123456789abcdef");
const MOST_STEPS = 10;

/** Registers a public client (RFC 7591); returns its id. */
export async function register(publicUrl: string): Promise<string> {
  const response = await fetch(`${publicUrl}/oauth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: "Sallyport bench",
      redirect_uris: [REDIRECT_URI],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    }),
  });
  return member(await bodyOf(response), "client_id");
}

/** The whole way from nothing to tokens for one route. */
export async function signIn(publicUrl: string, route: string): Promise<Tokens> {
  const clientId = await register(publicUrl);
  const pending = await new Browser(publicUrl).authorize(clientId, route);
  const response = await fetch(`${publicUrl}/oauth/token`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: codeGrantForm(pending, publicUrl + route),
  });
  return { clientId, ...tokensOf(await bodyOf(response)) };
}

/** The form of a code redemption. */
export function codeGrantForm({ clientId, code }: PendingCode, resource: string): string {
  return String(
    new URLSearchParams({
      grant_type: "authorization_code",
      code,
      client_id: clientId,
      redirect_uri: REDIRECT_URI,
      code_verifier: VERIFIER,
      resource,
    }),
  );
}

/** The form of a refresh. */
export function refreshForm(clientId: string, refreshToken: string): string {
  return String(
    new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken, client_id: clientId }),
  );
}

/** Reads a token answer; throws if a token is missing. */
export function tokensOf(json: string): { readonly accessToken: string; readonly refreshToken: string } {
  return { accessToken: member(json, "access_token"), refreshToken: member(json, "refresh_token") };
}

/** A browser with a cookie jar that approves whatever the gateway asks. */
export class Browser {
  readonly #origin: string;
  readonly #cookies = new Map<string, string>();

  constructor(publicUrl: string) {
    this.#origin = publicUrl;
  }

  /** Goes through authorize, login and consent; the second time within the session of the first. */
  async authorize(clientId: string, route: string): Promise<PendingCode> {
    const query = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: REDIRECT_URI,
      code_challenge: await challenge(),
      code_challenge_method: "S256",
      resource: this.#origin + route,
      scope: "mcp:tools",
      state: crypto.randomUUID(),
    });
    let next: Page = { url: `${this.#origin}/oauth/authorize?${query}`, form: null };
    for (let step = 0; step < MOST_STEPS; step++) {
      const response = await this.#open(next);
      const html = await response.text();
      const location = response.headers.get("location");
      if (location === null) {
        next = filledIn(html, next.url, response.status, "approve");
        continue;
      }
      const target = new URL(location, next.url);
      if (!target.href.startsWith(REDIRECT_URI)) {
        next = { url: target.href, form: null };
        continue;
      }
      const code = target.searchParams.get("code");
      if (code === null) throw new Error(`authorization ended with ${target.searchParams}`);
      return { clientId, code };
    }
    throw new Error(
      `authorization took more than ${MOST_STEPS} steps, the last at ${new URL(next.url).pathname}`,
    );
  }

  /** Connects the user of the session to the upstream; authorize before. */
  async connect(connection: string): Promise<void> {
    let next: Page = { url: `${this.#origin}/auth/connections/${connection}/connect`, form: null };
    for (let step = 0; step < MOST_STEPS; step++) {
      const response = await this.#open(next);
      const html = await response.text();
      const location = response.headers.get("location");
      if (location !== null) next = { url: new URL(location, next.url).href, form: null };
      else if (new URL(next.url).pathname === "/account") return;
      else next = filledIn(html, next.url, response.status, "connect");
    }
    throw new Error(
      `connecting took more than ${MOST_STEPS} steps, the last at ${new URL(next.url).pathname}`,
    );
  }

  async #open({ url, form }: Page): Promise<Response> {
    const headers = new Headers({ "accept": "text/html", "sec-fetch-site": "same-origin" });
    if (this.#cookies.size > 0) {
      headers.set(
        "cookie",
        [...this.#cookies].map((pair) => pair.join("=")).join("; "),
      );
    }
    if (form !== null) headers.set("origin", this.#origin);
    const response = await fetch(url, {
      method: form === null ? "GET" : "POST",
      headers,
      redirect: "manual",
      ...(form === null ? {} : { body: form }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, key = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (/max-age=0\b/i.test(cookie) || value === "") this.#cookies.delete(key);
      else this.#cookies.set(key, value);
    }
    return response;
  }
}

interface Page {
  readonly url: string;
  readonly form: URLSearchParams | null;
}

/** The form of a page with this decision, filled in and ready to be sent. */
function filledIn(html: string, url: string, status: number, decision: "approve" | "connect"): Page {
  for (const [, attributes = "", inner = ""] of html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)) {
    if (!new RegExp(`value="?${decision}\\b`).test(inner)) continue;
    const form = new URLSearchParams({ decision });
    for (const [input] of inner.matchAll(/<input\b[^>]*>/g)) {
      const key = attribute(input, "name");
      if (key !== null && attribute(input, "type") === "hidden") {
        form.set(key, attribute(input, "value") ?? "");
      }
    }
    return { url: new URL(attribute(attributes, "action") ?? "", url).href, form };
  }
  throw new Error(
    `${new URL(url).pathname} answered ${status} without a form to ${decision}:\n${html.slice(0, 600)}`,
  );
}

function attribute(tag: string, key: string): string | null {
  const value = new RegExp(`\\b${key}="([^"]*)"`).exec(tag)?.[1];
  return value === undefined
    ? null
    : value.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll(
      "&amp;",
      "&",
    );
}

async function challenge(): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(VERIFIER)));
  return btoa(String.fromCharCode(...hash)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function bodyOf(response: Response): Promise<string> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${new URL(response.url).pathname} answered ${response.status}: ${text}`);
  return text;
}

function member(json: string, key: string): string {
  const parsed: unknown = JSON.parse(json);
  const value = typeof parsed === "object" && parsed !== null &&
    Object.entries(parsed).find(([k]) => k === key)?.[1];
  if (typeof value !== "string") throw new Error(`an answer without ${key}: ${json.slice(0, 200)}`);
  return value;
}
