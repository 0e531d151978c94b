/** The connect page: which server wants to be connected, in whose name, and the one button. */

import { html } from "@hono/hono/html";
import { addedScopesFact } from "./added_scopes.ts";
import { displayAddress, displayText } from "./display_text.ts";
import { type FrameProps, notice, page } from "./layout.ts";

/** Content of {@linkcode connectPage}. */
export interface ConnectPageProps extends FrameProps {
  /** Where the form posts to. */
  readonly action: string;
  readonly csrfToken: string;
  /** What the link named; null when the user came by another way. */
  readonly pendingId: string | null;
  readonly displayName: string;
  /** Host of the server. */
  readonly host: string;
  /** Whether everybody will use this one connection. */
  readonly shared: boolean;
  /** What it asks for beside what the user has allowed there already. */
  readonly addedScopes?: readonly string[];
  readonly user: { readonly name: string; readonly detail: string | null };
}

/** The connect page. */
export function connectPage(props: ConnectPageProps): Promise<string> {
  const name = displayText(props.displayName, 80);
  const body = html`
    <form class="card" method="post" action="${props.action}" autocomplete="off">
      <input type="hidden" name="csrf_token" value="${props.csrfToken}">
      <input type="hidden" name="pending" value="${props.pendingId ?? ""}">
      <h1>Connect <bdi>${name}</bdi></h1>
      <p class="lead">You will sign in there and decide what this gateway may do for you. Your apps never see that sign-in.</p>
      ${props.shared
        ? notice("warning", "Everybody who uses this gateway will act with the account that you connect now.")
        : null}
      <dl class="facts">
        <div><dt>Server</dt><dd><code class="host">${displayAddress(props.host)}</code></dd></div>
        ${addedScopesFact(props.addedScopes ?? [])}
        <div><dt>Signed in here as</dt><dd><b><bdi>${displayText(props.user.name, 80)}</bdi></b></dd></div>
      </dl>
      <div class="actions"><button class="button primary" name="decision" value="connect">Connect ${name}</button></div>
    </form>
  `;
  return page({ title: "Connect", body, basePath: props.basePath, requestId: props.requestId });
}
