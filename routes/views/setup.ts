/** The consent page: who asks, for what, in whose name, and where the answer goes (MCP security best practices). */

import { html } from "@hono/hono/html";
import { addedScopesFact } from "./added_scopes.ts";
import { displayAddress, displayText } from "./display_text.ts";
import { type FrameProps, type Html, notice, page } from "./layout.ts";

/** The app that asks. */
export interface SetupClient {
  /** Chosen by the app itself; null when it gave none. */
  readonly name: string | null;
  readonly id: string;
  /** Host of the app's `client_uri`, if any; not shown for an https client id, which has a host of its own. */
  readonly host: string | null;
  /** ISO 8601, or null for a client that did not register itself here. */
  readonly registeredAt: string | null;
  /** True for a client of the configuration, whose name the operator vouches for. */
  readonly configured?: boolean | undefined;
}

/** A route as the user sees it. */
export interface SetupRoute {
  readonly operationId: string;
  readonly title: string;
  readonly url: string;
}

/** Content of {@linkcode setupPage}. */
export interface SetupPageProps extends FrameProps {
  /** Where the form posts to. */
  readonly action: string;
  readonly transactionId: string;
  readonly csrfToken: string;
  readonly client: SetupClient;
  readonly redirectHost: string;
  /** Whether all of the client's redirect URIs are loopback. */
  readonly loopbackOnly: boolean;
  readonly user: { readonly name: string; readonly detail: string | null };
  readonly route: SetupRoute & { readonly description: string | null } | null;
  /** Not empty when the client did not say which route it wants. */
  readonly routeChoices: readonly SetupRoute[];
  /** Null when there is nothing to connect. */
  readonly upstream: {
    readonly displayName: string;
    /** `limited`: it asks for more than the user has allowed; `ended`: it does not honour any more what it gave. */
    readonly state: "none" | "works" | "limited" | "ended";
    readonly account: string | null;
    /** What it asks for beside what the user has allowed there already. */
    readonly addedScopes?: readonly string[];
  } | null;
  readonly scopes: readonly { readonly name: string; readonly meaning: string }[];
  readonly error: string | null;
}

/** The consent page: one form, whose first button is what the user should do next. */
export function setupPage(props: SetupPageProps): Promise<string> {
  const app = clientName(props.client);
  const body = html`
    <form class="card" method="post" action="${props.action}" autocomplete="off">
      <input type="hidden" name="transaction" value="${props.transactionId}">
      <input type="hidden" name="csrf_token" value="${props.csrfToken}">
      <h1>${question(app, props.route)}</h1>
      ${lead(props)}
      ${props.upstream ? steps(props.upstream) : null}
      ${props.error ? notice("alert", html`<p>${displayText(props.error, 300)}</p>`) : null}
      ${routeChoices(props.routeChoices)}
      ${facts(props, app)}
      ${props.loopbackOnly ? loopbackWarning() : null}
      ${decisions(props)}
    </form>
  `;
  return page({ title: "Authorize access", body, basePath: props.basePath, requestId: props.requestId });
}

function question(app: string, route: SetupPageProps["route"]): Html {
  return route
    ? html`Let <bdi>${app}</bdi> use <bdi>${displayText(route.title, 60)}</bdi>?`
    : html`Let <bdi>${app}</bdi> in?`;
}

function clientName(client: SetupClient): string {
  return displayText(client.name ?? "", 80) || "an unnamed app";
}

function lead({ upstream, routeChoices }: SetupPageProps): Html {
  if (upstream && upstream.state !== "works") {
    const service = html`<bdi>${displayText(upstream.displayName, 60)}</bdi>`;
    const first = {
      none: html`First connect your ${service} account.`,
      limited: html`An app of yours needs more permission at ${service}: connect it again to look at that.`,
      ended: html`First connect your ${service} account again.`,
    }[upstream.state];
    return html`<p class="lead">${first} You come back here to authorize the app.</p>`;
  }
  if (routeChoices.length > 0) {
    return html`<p class="lead">The app did not say what it wants to use. Choose one; it gets nothing else.</p>`;
  }
  return html`<p class="lead">The app will act in your name here, and nowhere else.</p>`;
}

function routeChoices(routes: SetupPageProps["routeChoices"]): Html | null {
  if (routes.length === 0) return null;
  return html`
    <fieldset>
      <legend>What may it use?</legend>
      ${routes.map((route) =>
        html`
          <label class="choice">
            <input type="radio" name="operation_id" value="${route.operationId}" required>
            <span><b><bdi>${displayText(route.title)}</bdi></b><code>${displayAddress(
              route.url,
            )}</code></span>
          </label>
        `
      )}
    </fieldset>
  `;
}

function facts(props: SetupPageProps, app: string): Html {
  return html`
    <dl class="facts">
      ${fact("App", html`<b><bdi>${app}</bdi></b>${clientOrigin(props.client)}`)}
      ${fact("Sends you back to", shownHost(props.redirectHost))}
      ${props.route ? fact("May use", routeFact(props.route)) : null}
      ${props.scopes.length > 0 ? fact("Permission", scopesFact(props.scopes)) : null}
      ${props.upstream ? fact("Account there", upstreamFact(props.upstream)) : null}
      ${addedScopesFact(props.upstream?.addedScopes ?? [])}
      ${fact("Signed in here as", userFact(props.user))}
    </dl>
  `;
}

function fact(term: string, description: Html): Html {
  return html`
    <div>
      <dt>${term}</dt>
      <dd>${description}</dd>
    </div>
  `;
}

/** The two gates of a sally port: the service behind the route, then the app in front of it. */
function steps(upstream: NonNullable<SetupPageProps["upstream"]>): Html {
  const service = html`Connect <bdi>${displayText(upstream.displayName, 60)}</bdi>`;
  return upstream.state === "works"
    ? html`
      <ol class="steps">
        <li class="done">${service}</li>
        <li class="now" aria-current="step">Authorize the app</li>
      </ol>
    `
    : html`
      <ol class="steps">
        <li class="now" aria-current="step">${service}</li>
        <li>Authorize the app</li>
      </ol>
    `;
}

/**
 * Only an https client id proves its host, since the client's metadata was fetched from there; a `client_uri` is what the
 * app says of itself. So the publisher is read from the id, whatever `host` says.
 */
function clientOrigin({ id, host, registeredAt, configured }: SetupClient): Html {
  if (configured) return html`<small>Set up by the operator of this gateway</small>`;
  const published = URL.parse(id);
  if (published?.protocol === "https:") return html`<small>Published by ${shownHost(published.host)}</small>`;
  const claim = host === null ? "Chose this name itself" : html`Says it belongs to ${shownHost(host)}`;
  return html`
    <small>${claim}, which nobody has checked</small>
    ${registeredAt === null ? null : html`<small>Registered ${day(registeredAt)}</small>`}
  `;
}

function shownHost(host: string): Html {
  return html`<code class="host">${displayAddress(host)}</code>`;
}

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });

function day(iso: string): string {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? displayText(iso, 40) : DAY.format(time);
}

function routeFact(route: NonNullable<SetupPageProps["route"]>): Html {
  return html`
    <b><bdi>${displayText(route.title)}</bdi></b>
    ${route.description ? html`<small>${displayText(route.description, 300)}</small>` : null}
    <code>${displayAddress(route.url)}</code>
  `;
}

function scopesFact(scopes: SetupPageProps["scopes"]): Html {
  const items = scopes.map(({ name, meaning }) =>
    html`<li>${displayText(meaning, 200)} <code>${displayText(name, 80)}</code></li>`
  );
  return html`<ul>${items}</ul>`;
}

const UNCONNECTED = {
  none: "Not connected yet",
  limited: "Needs more permission",
  ended: "Has ended: it needs your permission again",
} as const;

function upstreamFact({ displayName, state, account }: NonNullable<SetupPageProps["upstream"]>): Html {
  const service = html`<b><bdi>${displayText(displayName, 60)}</bdi></b>`;
  if (state !== "works") return html`${service}<small class="state off">${UNCONNECTED[state]}</small>`;
  if (account === null) return html`${service}<small class="state on">Connected</small>`;
  const name = html`<bdi>${displayText(account, 80)}</bdi>`;
  return html`${service}<small class="state on">Connected as ${name}</small>`;
}

function userFact({ name, detail }: SetupPageProps["user"]): Html {
  return html`
    <b><bdi>${displayText(name, 80)}</bdi></b>
    ${detail && detail !== name ? html`<small><bdi>${displayText(detail, 254)}</bdi></small>` : null}
  `;
}

function loopbackWarning(): Html {
  return notice(
    "warning",
    html`<p><b>This app runs on your computer.</b> Any program running there could pose as it. Go on only if you have just
      started this yourself.</p>`,
  );
}

/** Enter presses the first button, so the order is a promise: the next step first, `cancel` last. */
function decisions({ upstream }: SetupPageProps): Html {
  return html`
    <div class="actions">
      ${upstream && upstream.state !== "works" ? connectOrSkip(upstream.displayName) : AUTHORIZE}
      <div class="quiet">
        <button class="link" name="decision" value="switch" formnovalidate>Not you? Use another account</button>
        <button class="link" name="decision" value="cancel" formnovalidate>Cancel</button>
      </div>
    </div>
  `;
}

const AUTHORIZE = html`
  <button class="button primary" name="decision" value="approve">Authorize</button>
`;

function connectOrSkip(displayName: string): Html {
  const service = html`<bdi>${displayText(displayName, 60)}</bdi>`;
  return html`
    <button class="button primary" name="decision" value="connect">Connect ${service}</button>
    <button class="button secondary" name="decision" value="approve">Continue without connecting</button>
  `;
}
