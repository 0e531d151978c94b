/** What an upstream was found to need beside what the user has allowed there: nobody consents to what they were not shown (MCP step-up). */

import { html } from "@hono/hono/html";
import { displayText } from "./display_text.ts";
import type { Html } from "./layout.ts";

/** One more fact for a page's list; `null` when nothing was added. */
export function addedScopesFact(scopes: readonly string[]): Html | null {
  if (scopes.length === 0) return null;
  return html`
    <div>
      <dt>Asks for in addition</dt>
      <dd>
        <ul class="added">${scopes.map((scope) => html`<li><code>${displayText(scope, 80)}</code></li>`)}</ul>
        <small>A call of one of your apps was refused without it. It is granted only if you agree there.</small>
      </dd>
    </div>
  `;
}
