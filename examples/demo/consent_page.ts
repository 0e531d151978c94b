/** The demo's pages: who wants in, and as whom to let them. Plain HTML; works without JavaScript. */
import { html } from "@hono/hono/html";
import type { WaitingRequest } from "./authorization_server.ts";

type Html = ReturnType<typeof html>;

/** No scripts, no frames. No `form-action`: browsers hold every redirect that follows to it. */
export const pageHeaders: Readonly<Record<string, string>> = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
  // The form's own post still says where it comes from; nobody else is told.
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};

/** Asks the person at the browser. */
export function consentPage(request: WaitingRequest, accounts: readonly string[]): Html {
  const { client, redirectUri } = request;
  return page(
    "Let it in?",
    html`
      <h1><bdi>${client.name}</bdi> wants to use the demo as you</h1>
      <p>It will be able to:</p>
      <ul>
        <li>use the demo's tools</li>
        <li>read, save and delete your notes at the demo</li>
      </ul>
      <p>You can take this back where you came from: it is called “Disconnect” there. Afterwards you are sent to <code>${new URL(
        redirectUri,
      ).host}</code>.</p>
      <form method="post" action="/authorize">
        <input type="hidden" name="request" value="${request.id}">
        ${accounts.map((account) => approveAs(account))}
        <button class="plain" name="account" value="">Cancel</button>
      </form>
    `,
  );
}

/** Says what went wrong, to a person who cannot be sent anywhere. */
export function faultPage(message: string): Html {
  return page(
    "Something is wrong",
    html`
      <h1>This does not work</h1>
      <p>${message}</p>
    `,
  );
}

/** For people who open the demo's address. */
export function homePage(endpoint: string): Html {
  return page(
    "Demo MCP server",
    html`
      <h1>This is a demo MCP server</h1>
      <p>Its endpoint is <code>${endpoint}</code>. It is meant to stand behind the gateway: open the gateway's page and add
        it to your client from there.</p>
    `,
  );
}

function approveAs(account: string): Html {
  const name = account.charAt(0).toUpperCase() + account.slice(1);
  return html`<button name="account" value="${account}">Approve as ${name}</button>`;
}

function page(title: string, content: Html): Html {
  return html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>${title} · Demo server</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="/style.css">
      </head>
      <body>
        <header><b>Demo server.</b> The accounts are made up, there are no passwords, and all is forgotten when it stops.</header>
        <main>${content}</main>
      </body>
    </html>
  `;
}

/** Unlike the gateway's pages, so that one sees that this is another server. */
export const stylesheet = `
:root {
  color-scheme: light dark;
  --ground: #f5f3fb; --surface: #fff; --text: #1e1a2b; --line: #dcd6ec; --accent: #5a3fb0; --on-accent: #fff;
}
@media (prefers-color-scheme: dark) {
  :root { --ground: #14111d; --surface: #1e1a2b; --text: #ece9f6; --line: #3a3450; --accent: #b7a4f5; --on-accent: #1a1230; }
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100dvh; background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere;
}
header { margin: 0; padding: .6rem 1rem; background: var(--accent); color: var(--on-accent); font-size: .9rem; text-align: center; }
main {
  max-width: 34rem; margin: clamp(1rem, 6vh, 4rem) auto; padding: clamp(1.25rem, 4vw, 2rem);
  background: var(--surface); border: 1px solid var(--line); border-radius: 1rem;
}
@media (max-width: 36rem) { main { margin-inline: 1rem; } }
h1 { margin: 0 0 1rem; font-size: 1.4rem; line-height: 1.25; text-wrap: balance; }
ul { margin: 0 0 1rem; padding-inline-start: 1.25rem; }
code { font-size: .9em; }
form { display: grid; gap: .6rem; margin-top: 1.5rem; }
button {
  min-height: 2.9rem; padding: .7rem 1rem; border: 1px solid transparent; border-radius: .6rem; cursor: pointer;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600;
}
button.plain { background: none; border-color: var(--line); color: var(--text); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
`;
