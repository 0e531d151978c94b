/** The local login page of `mcpDevOAuth`: pick a user, no password. Loopback only, which the route enforces. */

import { html } from "@hono/hono/html";
import { displayText } from "./display_text.ts";
import { type FrameProps, notice, page } from "./layout.ts";

/** Content of {@linkcode devLoginPage}. */
export interface DevLoginPageProps extends FrameProps {
  /** Where the form posts to. */
  readonly action: string;
  readonly loginId: string;
  readonly csrfToken: string;
  readonly users: readonly string[];
  /** The user whom the client hinted at; listed first. Ignored when not among `users`. */
  readonly preselected: string | null;
  readonly error: string | null;
}

/** The local login page: one button per user. */
export function devLoginPage(props: DevLoginPageProps): Promise<string> {
  const first = props.users.find((user) => user === props.preselected) ?? props.users[0];
  const users = props.users.filter((user) => user !== first);
  const body = html`
    <div class="card">
      <p class="eyebrow">Development only</p>
      <h1>Choose a user</h1>
      <p class="lead">This gateway runs on your computer and asks for no password. In production, your identity provider
        signs users in.</p>
      ${props.error ? notice("alert", html`<p>${displayText(props.error, 300)}</p>`) : null}
      <form method="post" action="${props.action}" autocomplete="off">
        <input type="hidden" name="login" value="${props.loginId}">
        <input type="hidden" name="csrf_token" value="${props.csrfToken}">
        <div class="actions">
          ${first === undefined ? null : userButton(first, "primary")}
          ${users.map((user) => userButton(user, "secondary"))}
        </div>
      </form>
    </div>
  `;
  return page({ title: "Local sign-in", body, basePath: props.basePath, requestId: props.requestId });
}

function userButton(user: string, rank: "primary" | "secondary") {
  return html`<button class="button ${rank}" name="user" value="${user}"><bdi>${
    displayText(user)
  }</bdi></button>`;
}
