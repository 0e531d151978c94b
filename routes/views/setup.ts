/** The consent page: who asks, for what, in whose name, and where the answer goes (MCP security best practices). */

import { html } from "@hono/hono/html";
import { displayAddress, displayText } from "./display_text.ts";
import { type FrameProps, type Html, notice, page } from "./layout.ts";

/** The app that asks. */
export interface SetupClient {
  /** Chosen by the app itself; null when it gave none. */
  readonly name: string | null;
  readonly id: string;
  /** Host of an https client id, else of the app's `client_uri`. */
  readonly host: string | null;
  /** ISO 8601, or null for a client that was not registered here. */
  readonly registeredAt: string | null;
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
    readonly connected: boolean;
    readonly account: string | null;
  } | null;
  readonly scopes: readonly { readonly name: string; readonly meaning: string }[];
  readonly error: string | null;
}

/** The consent page: one form, whose first button is what the user should do next. */
export function setupPage(props: SetupPageProps): Promise<string> {
  const app = clientName(props.client);
  const target = props.route
    ? html`
      use <bdi>${displayText(props.route.title)}</bdi>
    `
    : html`
      in
    `;
  const body = html`
    <form class="card" method="post" action="${props.action}" autocomplete="off">
      <input type="hidden" name="transaction" value="${props.transactionId}">
      <input type="hidden" name="csrf_token" value="${props.csrfToken}">
      <h1>Let <bdi>${app}</bdi>${target}?</h1>
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

function clientName(client: SetupClient): string {
  return displayText(client.name ?? "", 80) || "an unnamed app";
}

function lead({ upstream, routeChoices }: SetupPageProps): Html {
  if (upstream && !upstream.connected) {
    const service = html`<bdi>${displayText(upstream.displayName, 60)}</bdi>`;
    return html`<p class="lead">First connect your ${service} account. You come back here to authorize the app.</p>`;
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
      <div><dt>App</dt><dd><b><bdi>${app}</bdi></b>${clientOrigin(props.client)}</dd></div>
      <div><dt>Sends you back to</dt><dd><code class="host">${displayAddress(
        props.redirectHost,
      )}</code></dd></div>
      ${props.route ? routeFact(props.route) : null}
      ${props.upstream ? upstreamFact(props.upstream) : null}
      ${props.scopes.length > 0 ? scopesFact(props.scopes) : null}
      <div><dt>In the name of</dt><dd><b><bdi>${displayText(props.user.name, 80)}</bdi></b>${props.user.detail
        ? html`<small><bdi>${displayText(props.user.detail, 254)}</bdi></small>`
        : null}</dd></div>
    </dl>
  `;
}

/** The two gates of a sally port: the service behind the route, then the app in front of it. */
function steps(upstream: NonNullable<SetupPageProps["upstream"]>): Html {
  const service = html`Connect <bdi>${displayText(upstream.displayName, 60)}</bdi>`;
  return upstream.connected
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

/** Only an https client id proves its host (it is fetched from there); a `client_uri` is what the app says of itself. */
function clientOrigin(client: SetupClient): Html {
  const registered = client.registeredAt
    ? html`<small>Registered ${registeredOn(client.registeredAt)}</small>`
    : null;
  const host = client.host === null ? null : html`<code class="host">${displayAddress(client.host)}</code>`;
  if (host && client.id.startsWith("https://")) return html`<small>Published by ${host}</small>${registered}`;
  if (host) return html`<small>Says it belongs to ${host}; nobody has checked</small>${registered}`;
  return html`<small>Chose this name itself; nobody has checked it</small>${registered}`;
}

function registeredOn(iso: string): string {
  const day = /^\d{4}-\d{2}-\d{2}(?=T|$)/.exec(iso)?.[0];
  return day ?? displayText(iso, 40);
}

function routeFact(route: NonNullable<SetupPageProps["route"]>): Html {
  return html`
    <div>
      <dt>May use</dt>
      <dd><b><bdi>${displayText(route.title)}</bdi></b>
      ${route.description ? html`<small>${displayText(route.description, 300)}</small>` : null}
      <code>${displayAddress(route.url)}</code></dd>
    </div>
  `;
}

function upstreamFact(upstream: NonNullable<SetupPageProps["upstream"]>): Html {
  const account = upstream.account
    ? html`
      as <bdi>${displayText(upstream.account, 80)}</bdi>
    `
    : null;
  return html`
    <div>
      <dt>Account behind it</dt>
      <dd><b><bdi>${displayText(upstream.displayName, 60)}</bdi></b>
      ${upstream.connected
        ? html`<small class="state on">Connected${account}</small>`
        : html`<small class="state off">Not connected yet</small>`}</dd>
    </div>
  `;
}

function scopesFact(scopes: SetupPageProps["scopes"]): Html {
  return html`
    <div>
      <dt>Permission</dt>
      <dd>
        <ul>${scopes.map((scope) =>
          html`<li>${displayText(scope.meaning, 200)} <code>${displayText(scope.name, 80)}</code></li>`
        )}</ul>
      </dd>
    </div>
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
function decisions({ upstream, routeChoices }: SetupPageProps): Html {
  const skip = routeChoices.length > 0
    ? html`
      formnovalidate
    `
    : null;
  return html`
    <div class="actions">
      ${upstream && !upstream.connected
        ? html`
          <button class="button primary" name="decision" value="connect">Connect <bdi>${displayText(
            upstream.displayName,
            60,
          )}</bdi></button>
          <button class="button secondary" name="decision" value="approve">Continue without connecting</button>
        `
        : html`<button class="button primary" name="decision" value="approve">Authorize</button>`}
      <div class="quiet">
        <button class="link" name="decision" value="switch"${skip}>Not you? Use another account</button>
        <button class="link" name="decision" value="cancel"${skip}>Cancel</button>
      </div>
    </div>
  `;
}
