/** The landing page: the routes of this gateway, and how to add each one to the common MCP clients. */

import { html } from "@hono/hono/html";
import { type ClientInstructions, clientInstructions, copyable } from "./client_instructions.ts";
import { displayText } from "./display_text.ts";
import { type FrameProps, type Html, localPath, page } from "./layout.ts";

/** A route on the landing page. */
export interface LandingRoute {
  readonly title: string;
  /** The URL that goes into a client. */
  readonly url: string;
  readonly description: string | null;
  readonly operationId: string;
}

/** Content of {@linkcode landingPage}. */
export interface LandingPageProps extends FrameProps {
  readonly routes: readonly LandingRoute[];
  readonly development: boolean;
  readonly signedIn: { readonly name: string } | null;
  /** Path of the account page; empty when there is none. */
  readonly accountPath: string;
}

/** The landing page. */
export function landingPage(props: LandingPageProps): Promise<string> {
  const offer = props.routes.length === 1
    ? "This gateway offers one MCP server. Give its address to your app."
    : `This gateway offers ${props.routes.length} MCP servers. Give an address to your app.`;
  const body = html`
    <div class="hero">
      ${props.development ? html`<p class="eyebrow">Development mode</p>` : null}
      <h1>Add a server to your AI app</h1>
      <p class="lead">${offer} The app will send you back here to sign in and to decide what it may do.</p>
      ${session(props)}
    </div>
    ${props.routes.map(routeCard)}
  `;
  return page({
    title: "MCP servers",
    body,
    wide: true,
    basePath: props.basePath,
    requestId: props.requestId,
  });
}

function session({ signedIn, accountPath }: LandingPageProps): Html | null {
  const account = accountPath === "" ? null : html`<a href="${localPath(accountPath)}">Your account</a>`;
  if (signedIn) {
    const separator = account ? " · " : null;
    return html`<p>Signed in as <b><bdi>${
      displayText(signedIn.name, 80)
    }</bdi></b>${separator}${account}</p>`;
  }
  return account ? html`<p>${account}</p>` : null;
}

function routeCard(route: LandingRoute): Html {
  return html`
    <section class="card route">
      <h2>${displayText(route.title)}</h2>
      ${route.description ? html`<p>${displayText(route.description, 300)}</p>` : null}
      ${copyable(route.url)}
      <div class="clients">${clientInstructions(route).map((entry) => instructions(entry, route))}</div>
    </section>
  `;
}

/** Panels of one route share a name, so that opening one closes the other (the `name` of `details`). */
function instructions({ client, how }: ClientInstructions, route: LandingRoute): Html {
  return html`
    <details name="${route.operationId}">
      <summary>${client}</summary>
      <div class="how">${how}</div>
    </details>
  `;
}
