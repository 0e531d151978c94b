/** How a route is added to the common MCP clients, from each client's own documentation. */

import { html } from "@hono/hono/html";
import { displayAddress, displayText } from "./display_text.ts";
import type { Html } from "./layout.ts";

/** What a client needs to know of a route. */
export interface ClientTarget {
  readonly title: string;
  readonly url: string;
  readonly operationId: string;
}

/** One client's instructions. */
export interface ClientInstructions {
  readonly client: string;
  readonly how: Html;
}

/** The instructions for every client that we describe. */
export function clientInstructions(target: ClientTarget): readonly ClientInstructions[] {
  return [
    { client: "Claude", how: claude(target) },
    { client: "Claude Code", how: claudeCode(target) },
    { client: "Cursor", how: cursor(target) },
    { client: "VS Code", how: vsCode(target) },
    { client: "ChatGPT", how: chatGpt(target) },
  ];
}

/** A name that every client accepts: letters, digits, `-` and `_`, at most 48 characters. */
export function serverName(operationId: string): string {
  return operationId.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 48) || "mcp";
}

/** The command that adds `target` to Claude Code. */
export function claudeCodeCommand(target: ClientTarget): string {
  return `claude mcp add --transport http ${serverName(target.operationId)} ${shellWord(target.url)}`;
}

/** The content of Cursor's `mcp.json`. */
export function cursorConfiguration(target: ClientTarget): string {
  return JSON.stringify({ mcpServers: { [serverName(target.operationId)]: { url: target.url } } }, null, 2);
}

/** The link that Cursor installs a server from. */
export function cursorInstallLink(target: ClientTarget): string {
  const bytes = new TextEncoder().encode(JSON.stringify({ url: target.url }));
  const config = encodeURIComponent(btoa(String.fromCharCode(...bytes)));
  return `cursor://anysphere.cursor-deeplink/mcp/install?name=${
    serverName(target.operationId)
  }&config=${config}`;
}

/** The command that adds `target` to VS Code, for a POSIX shell. */
export function vsCodeCommand(target: ClientTarget): string {
  return `code --add-mcp ${shellWord(vsCodeServer(target))}`;
}

/** The link that VS Code installs a server from. */
export function vsCodeInstallLink(target: ClientTarget): string {
  return `vscode:mcp/install?${encodeURIComponent(vsCodeServer(target))}`;
}

function vsCodeServer({ operationId, url }: ClientTarget): string {
  return JSON.stringify({ name: serverName(operationId), type: "http", url });
}

/** One word of a POSIX shell, in quotes only where it needs them. */
function shellWord(value: string): string {
  return /^[\w./:@%+=-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

function isLoopback(url: string): boolean {
  const host = URL.parse(url)?.hostname ?? "";
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127\./.test(host);
}

/** The address alone on its line; one click selects it all. */
export function copyable(text: string): Html {
  return html`<pre><code class="copy">${text}</code></pre>`;
}

function claude({ title, url }: ClientTarget): Html {
  return html`
    ${isLoopback(url) ? unreachable("Claude") : null}
    <ol>
      <li>In Claude, on the web or the desktop, open <b>Customize</b>, then <b>Connectors</b>.</li>
      <li>Press <b>+</b>, choose <b>Add custom connector</b>, and name it “${displayText(title, 60)}”.</li>
      <li>Paste the address <code class="copy">${displayAddress(url)}</code> and press <b>Add</b>.</li>
      <li>Press <b>Connect</b> beside the new connector and sign in here.</li>
    </ol>
    <p><small>In a Team or Enterprise plan, an owner adds the connector first.</small></p>
  `;
}

function claudeCode(target: ClientTarget): Html {
  return html`
    <p>In a terminal:</p>
    ${copyable(claudeCodeCommand(target))}
    <p>Then type <code>/mcp</code> in Claude Code, choose the server, and sign in.</p>
  `;
}

function cursor(target: ClientTarget): Html {
  return html`
    <p><a href="${cursorInstallLink(
      target,
    )}">Add to Cursor</a>, or put this into <code>~/.cursor/mcp.json</code>:</p>
    ${copyable(cursorConfiguration(target))}
    <p>Then press <b>Connect</b> beside the server in Cursor's settings, and sign in here.</p>
  `;
}

function vsCode(target: ClientTarget): Html {
  return html`
    <p><a href="${vsCodeInstallLink(target)}">Add to VS Code</a>, or in a terminal (macOS, Linux):</p>
    ${copyable(vsCodeCommand(target))}
    <p>VS Code asks you to trust the server when it first starts, then opens the sign-in.</p>
  `;
}

function chatGpt({ title, url }: ClientTarget): Html {
  return html`
    ${isLoopback(url) ? unreachable("ChatGPT") : null}
    <ol>
      <li>In ChatGPT on the web, open <b>Plugins</b>, press <b>+</b>, and choose <b>Add custom MCP server</b>.</li>
      <li>Name it “${displayText(title, 60)}” and paste <code class="copy">${displayAddress(
        url,
      )}</code> as the server URL.</li>
      <li>Choose <b>OAuth</b> as the authentication, accept the notice, and press <b>Create as a plugin</b>.</li>
      <li>Sign in here when ChatGPT asks you to.</li>
    </ol>
  `;
}

/** Both run their connectors from their own cloud, so an address on this computer means nothing to them. */
function unreachable(client: string): Html {
  return html`
    <p
      class="notice warning">${client} connects from the internet, so it cannot reach this computer's address. Use a
        gateway with a public https address, or one of the other clients.</p>
  `;
}
