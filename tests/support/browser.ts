/**
 * A headless browser on `fetch`: cookies, redirects and forms, with the `Origin` and `Sec-Fetch-*` headers that
 * Chromium 156 was seen to send. It refuses to send what a person could not choose on the page.
 */
import { CookieJar, isSameSite } from "./cookie_jar.ts";
import { type Form, parseForms, parseLinks } from "./html_form.ts";

/** What the browser shows: a page, or the address it was about to leave for. */
export interface Page {
  readonly url: URL;
  /** 0 if `left`. */
  readonly status: number;
  readonly headers: Headers;
  readonly html: string;
  readonly forms: readonly Form[];
  /** Absolute targets of the links. */
  readonly links: readonly URL[];
  /** `true`: `url` was not fetched, since `stopAt` said so or because it is not http. */
  readonly left: boolean;
}

/** Options of one navigation. */
export interface NavigateOptions {
  /** Addresses to stop before, such as a client's redirect URI. */
  readonly stopAt?: (url: URL) => boolean;
  /** The page whose link or form this is; without it the address was typed. */
  readonly from?: Page;
}

/** How to act on the pages between an authorization request and its redirect. */
export interface ApprovalOptions extends NavigateOptions {
  /** Whom to sign in as, where the local login offers several. */
  readonly user?: string;
  /** The button of the setup page: `approve`, `connect`, `cancel`. Default `approve`. */
  readonly decision?: string;
  /** Presses Connect first where the setup page offers it, and approves at the upstream's own page. */
  readonly connect?: boolean;
  /** As which account to approve at the demo; by default the first that it offers. */
  readonly account?: string;
  /** The route to choose, where the setup page asks. */
  readonly operationId?: string;
}

interface Sending {
  readonly method: string;
  readonly body: URLSearchParams | null;
}

/** One browser profile. */
export class HeadlessBrowser {
  readonly cookies: CookieJar = new CookieJar();
  /** Every address that was requested, in order. */
  readonly visited: URL[] = [];
  readonly #fetch: typeof fetch;

  /** `fetch` by default is the network; a test in one process gives the gateway's own. */
  constructor(options: { readonly fetch?: typeof fetch } = {}) {
    this.#fetch = options.fetch ?? globalThis.fetch;
  }

  /** Opens an address, following redirects. */
  get(url: URL | string, options: NavigateOptions = {}): Promise<Page> {
    return this.#navigate(new URL(url), { method: "GET", body: null }, options);
  }

  /**
   * Submits the first form of `page` that offers all of `fields`: a button to press, options to choose, texts to
   * write. Throws if no form does, so a test cannot send what the page does not offer.
   */
  submit(
    page: Page,
    fields: Readonly<Record<string, string>>,
    options: Omit<NavigateOptions, "from"> = {},
  ): Promise<Page> {
    const form = page.forms.find((candidate) => offersAll(candidate, fields));
    if (form === undefined) {
      throw new Error(`No form with ${JSON.stringify(fields)} at ${page.url.pathname}:\n${page.html}`);
    }
    const body = new URLSearchParams(
      form.preset.filter(([name]) => !(name in fields)).map(([n, v]) => [n, v]),
    );
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    const action = new URL(pressed(form, fields)?.formAction ?? form.action, page.url);
    const from = { ...options, from: page };
    if (form.method === "post") return this.#navigate(action, { method: "POST", body }, from);
    action.search = body.toString();
    return this.#navigate(action, { method: "GET", body: null }, from);
  }

  /**
   * Signs in where asked and answers the setup page, and returns the redirect to the client without fetching it.
   * Throws with the page's text if the gateway shows anything else.
   */
  async signInAndApprove(authorizeUrl: URL | string, options: ApprovalOptions = {}): Promise<URL> {
    const redirectUri = new URL(authorizeUrl).searchParams.get("redirect_uri");
    const stopAt = options.stopAt ??
      ((url: URL) => redirectUri !== null && sameAddress(url, new URL(redirectUri)));
    let page = await this.get(authorizeUrl, { stopAt });
    for (let pages = 0; pages < 10 && !page.left; pages++) {
      page = await this.submit(page, answersFor(page, options), { stopAt });
    }
    if (!page.left) throw new Error(`Still at ${page.url.pathname} after ten pages:\n${page.html}`);
    return page.url;
  }

  async #navigate(start: URL, sending: Sending, options: NavigateOptions): Promise<Page> {
    const initiator = options.from?.url ?? null;
    const chain: URL[] = [];
    let { method, body } = sending;
    let url = start;
    for (let hops = 0; hops < 20; hops++) {
      chain.push(url);
      if (!/^https?:$/.test(url.protocol) || options.stopAt?.(url)) return leaving(url);
      this.visited.push(url);
      const cookie = this.cookies.header(url, { initiator, method });
      const response = await this.#fetch(url, {
        method,
        body: body?.toString() ?? null,
        redirect: "manual",
        headers: {
          ...navigationHeaders({ chain, initiator }),
          ...(cookie === null ? {} : { cookie }),
          ...(body === null ? {} : { "content-type": "application/x-www-form-urlencoded" }),
          ...(method === "POST" && options.from !== undefined ? { origin: originOf(options.from, url) } : {}),
        },
      });
      this.cookies.store(url, response.headers);
      const html = await response.text();
      const location = response.headers.get("location");
      if (location === null || response.status < 300 || response.status > 399) {
        return shown({ url, response, html });
      }
      url = new URL(location, url);
      if (response.status < 307 && method !== "HEAD") [method, body] = ["GET", null];
    }
    throw new Error(`Too many redirects: ${chain.map((hop) => hop.origin + hop.pathname).join(" → ")}`);
  }
}

/** `Sec-Fetch-Site` judges the whole redirect chain; a typed address stays `none` throughout. */
function navigationHeaders(
  { chain, initiator }: { readonly chain: readonly URL[]; readonly initiator: URL | null },
): Record<string, string> {
  const site = initiator === null
    ? "none"
    : chain.every((url) => url.origin === initiator.origin)
    ? "same-origin"
    : chain.every((url) => isSameSite(url, initiator))
    ? "same-site"
    : "cross-site";
  return {
    accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "en",
    "upgrade-insecure-requests": "1",
    "sec-fetch-site": site,
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-user": "?1",
  };
}

/** A page with `Referrer-Policy: no-referrer` posts with `Origin: null`, even to itself (Fetch §3.2). */
function originOf(page: Page, target: URL): string {
  const policy = page.headers.get("referrer-policy") ?? "strict-origin-when-cross-origin";
  if (policy === "no-referrer") return "null";
  if (policy === "same-origin" && target.origin !== page.url.origin) return "null";
  return page.url.origin;
}

function leaving(url: URL): Page {
  return { url, status: 0, headers: new Headers(), html: "", forms: [], links: [], left: true };
}

function shown({ url, response, html }: { url: URL; response: Response; html: string }): Page {
  return {
    url,
    status: response.status,
    headers: response.headers,
    html,
    forms: parseForms(html),
    links: parseLinks(html).map((href) => new URL(href, url)),
    left: false,
  };
}

function offersAll(form: Form, fields: Readonly<Record<string, string>>): boolean {
  return Object.entries(fields).every(([name, value]) =>
    form.texts.includes(name) ||
    form.choices.some((choice) => choice.name === name && choice.value === value)
  );
}

function pressed(form: Form, fields: Readonly<Record<string, string>>) {
  return form.choices.find((choice) => choice.kind === "button" && fields[choice.name] === choice.value);
}

function sameAddress(one: URL, other: URL): boolean {
  return one.protocol === other.protocol && one.host === other.host && one.pathname === other.pathname;
}

/** What a person would choose on one of our own pages, or the demo's, on the way to an authorization. */
function answersFor(page: Page, options: ApprovalOptions): Record<string, string> {
  const choices = page.forms.flatMap((form) => form.choices);
  if (page.status === 200 && page.url.pathname.endsWith("/oauth/dev-login")) {
    const users = choices.filter((choice) => choice.name === "user" && choice.value !== "");
    const user = users.find((choice) => options.user === undefined || choice.value === options.user);
    if (user !== undefined) return { [user.name]: user.value };
  }
  if (page.status === 200 && page.url.pathname.endsWith("/oauth/setup")) {
    const route = options.operationId ?? choices.find((choice) => choice.name === "operation_id")?.value;
    const unconnected = choices.some(({ name, value }) => name === "decision" && value === "connect");
    const decision = options.connect && unconnected ? "connect" : options.decision ?? "approve";
    return { ...(route === undefined ? {} : { operation_id: route }), decision };
  }
  const account = options.account ?? choices.find(({ name }) => name === "account")?.value;
  // The demo's own consent page: examples/demo.
  if (page.status === 200 && page.url.pathname === "/authorize" && account !== undefined) return { account };
  throw new Error(`Nothing to answer at ${page.url.pathname} (${page.status}):\n${page.html}`);
}
