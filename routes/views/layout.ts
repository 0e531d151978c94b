/** The frame that all pages share: head, brand, main column, footer. Everything in it escapes what it is given. */

import { html } from "@hono/hono/html";
import { FAVICON_PATH, STYLESHEET_PATH } from "./assets.ts";
import { displayText } from "./display_text.ts";

/** Markup from an `html` template: already escaped, and not escaped again when put into another template. */
export type Html = ReturnType<typeof html>;

/** What every page accepts beside its own properties. */
export interface FrameProps {
  /** The configuration's `basePath`, under which the assets are served; by default none. */
  readonly basePath?: string | undefined;
  /** Shown in the footer, so that a user can name the request to the operator. */
  readonly requestId?: string | undefined;
}

/** What {@linkcode page} frames. */
export interface PageProps extends FrameProps {
  /** Ours, never a client's: it becomes the name of the tab. */
  readonly title: string;
  readonly body: Html;
  /** A wide column, for pages that list things; by default a narrow one. */
  readonly wide?: boolean | undefined;
}

const LOGO = html`
  <svg class="logo" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
    <g fill="none" stroke="currentColor" stroke-width="2.8" stroke-linecap="round">
      <path d="M5 27V15.5a11 11 0 0 1 22 0V27" />
      <path class="inner" d="M12 27V16a4 4 0 0 1 8 0v11" />
    </g>
  </svg>
`;

/** A whole HTML document around `body`. */
export async function page(props: PageProps): Promise<string> {
  const base = props.basePath ?? "";
  const column = props.wide ? "wide" : "narrow";
  const document = await html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="robots" content="noindex">
        <title>${displayText(props.title)} · Sallyport</title>
        <link rel="icon" type="image/svg+xml" href="${base}${FAVICON_PATH}">
        <link rel="stylesheet" href="${base}${STYLESHEET_PATH}">
      </head>
      <body>
        <header class="brand ${column}">${LOGO}<span>Sallyport</span></header>
        <main class="${column}">${props.body}</main>
        <footer class="${column}">
          <p>MCP gateway${props.requestId ? requestLine(props.requestId) : null}</p>
        </footer>
      </body>
    </html>
  `;
  return document.toString().trimStart();
}

function requestLine(requestId: string): Html {
  return html`
    · request <code class="copy">${displayText(requestId)}</code>
  `;
}

/** A framed remark. `alert` is read out at once by screen readers: for what went wrong with the user's last step. */
export function notice(kind: "alert" | "warning" | "plain", content: Html | string): Html {
  return kind === "alert"
    ? html`<div class="notice alert" role="alert">${content}</div>`
    : html`<div class="notice ${kind}">${content}</div>`;
}

/** Only paths of our own: a scheme such as `javascript:` survives escaping, and so does a host behind two slashes. */
export function localPath(path: string): string {
  return /^\/(?![/\\])[\x21-\x7e]*$/.test(path) ? path : "/";
}
