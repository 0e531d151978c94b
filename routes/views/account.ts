/** The account page: who is signed in, which apps may act in that name, and the way out. */

import { html } from "@hono/hono/html";
import { displayText } from "./display_text.ts";
import { type FrameProps, type Html, notice, page } from "./layout.ts";

/** An app that the user approved for one server. */
export interface AccountApp {
  readonly grantId: string;
  /** Chosen by the app itself; null when it gave none. */
  readonly name: string | null;
  readonly clientId: string;
  /** Title of the server it may use. */
  readonly route: string;
  /** ISO 8601. */
  readonly approvedAt: string;
}

/** An upstream that the user may connect. */
export interface AccountConnection {
  readonly id: string;
  readonly name: string;
  /** Whether everybody uses this one connection. */
  readonly shared: boolean;
  /** `limited`: it works, and one call needs more; `ended`: the user has to consent again. */
  readonly state: "none" | "works" | "limited" | "ended";
  /** ISO 8601; `null`: it is not connected. */
  readonly connectedAt: string | null;
}

/** Content of {@linkcode accountPage}. */
export interface AccountPageProps extends FrameProps {
  /** Where the forms post to. */
  readonly action: string;
  readonly csrfToken: string;
  readonly user: { readonly name: string; readonly detail: string | null };
  readonly apps: readonly AccountApp[];
  /** Name of the server that an app had asked to have connected, if that was done just now. */
  readonly done: string | null;
  readonly connections: readonly AccountConnection[];
}

/** The account page: one small form per button, since each is a decision of its own. */
export function accountPage(props: AccountPageProps): Promise<string> {
  const body = html`
    <div class="hero">
      <h1>Your account</h1>
      <p class="lead">Signed in as <b><bdi>${displayText(props.user.name, 80)}</bdi></b>.</p>
      ${detail(props)}
      <form method="post" action="${props.action}">
        <input type="hidden" name="csrf_token" value="${props.csrfToken}">
        <button class="link" name="action" value="sign_out">Sign out</button>
      </form>
    </div>
    ${props.done === null ? null : done(props.done)}
    ${props.connections.length === 0 ? null : connections(props)}
    <section class="card">
      <h2>Apps that may act for you</h2>
      ${props.apps.length === 0
        ? none()
        : html`<ul class="apps">${props.apps.map((app) => appItem(app, props))}</ul>`}
    </section>
  `;
  return page({
    title: "Your account",
    body,
    wide: true,
    basePath: props.basePath,
    requestId: props.requestId,
  });
}

function done(name: string): Html {
  const server = html`<bdi>${displayText(name, 80)}</bdi>`;
  return notice(
    "plain",
    html`<p><b>${server} is connected.</b> Go back to your app and try again there.</p>`,
  );
}

function detail({ user }: AccountPageProps): Html | null {
  return user.detail === null || user.detail === user.name
    ? null
    : html`<p><small><bdi>${displayText(user.detail, 80)}</bdi></small></p>`;
}

function connections(props: AccountPageProps): Html {
  return html`
    <section class="card">
      <h2>Servers that you use through this gateway</h2>
      <ul class="apps">${props.connections.map((connection) => connectionItem(connection, props))}</ul>
    </section>
  `;
}

/** What can be done in each state; first what most people want. */
const ACTIONS = {
  none: [["connect", "Connect"]],
  works: [["disconnect", "Disconnect"]],
  limited: [["connect", "Connect again"], ["disconnect", "Disconnect"]],
  ended: [["connect", "Connect again"], ["disconnect", "Forget"]],
} as const;

function connectionItem(connection: AccountConnection, props: AccountPageProps): Html {
  const name = displayText(connection.name, 80);
  const on = connection.state === "works" || connection.state === "limited";
  return html`
    <li>
      <div>
        <b><bdi>${name}</bdi></b>
        <small class="state${on ? " on" : ""}">${state(connection)}</small>
      </div>
      ${ACTIONS[connection.state].map(([action, label]) =>
        html`
          <form method="post" action="${props.action}">
            <input type="hidden" name="csrf_token" value="${props.csrfToken}">
            <input type="hidden" name="connection" value="${connection.id}">
            <button class="button secondary" name="action" value="${action}"
              aria-label="${label} ${name}">${label}</button>
          </form>
        `
      )}
    </li>
  `;
}

/** With the minute: somebody who connected twice, with two accounts, sees which of them counts. */
function state({ state, connectedAt, shared }: AccountConnection): Html | string {
  const everybody = shared ? ", for everybody" : "";
  if (state === "ended") return `Has ended${everybody}: it needs your permission again`;
  if (connectedAt === null) return `Not connected${everybody}`;
  const minute = `${connectedAt.slice(0, 10)} ${connectedAt.slice(11, 16)} UTC`;
  const more = state === "limited" ? "; an app of yours needs more permission there" : "";
  return html`Connected${everybody}, since <time datetime="${connectedAt}">${minute}</time>${more}`;
}

function none(): Html {
  return html`<p class="lead">None yet. When you approve an app, it appears here, and you can take the approval back.</p>`;
}

function appItem(app: AccountApp, props: AccountPageProps): Html {
  const name = displayText(app.name ?? app.clientId, 80);
  return html`
    <li>
      <div>
        <b><bdi>${name}</bdi></b>
        <small>uses <bdi>${displayText(app.route, 80)}</bdi>, since <time datetime="${app.approvedAt}">${app
          .approvedAt.slice(0, 10)}</time></small>
      </div>
      <form method="post" action="${props.action}">
        <input type="hidden" name="csrf_token" value="${props.csrfToken}">
        <input type="hidden" name="grant" value="${app.grantId}">
        <button class="button secondary" name="action" value="revoke"
          aria-label="Revoke ${name}">Revoke</button>
      </form>
    </li>
  `;
}
