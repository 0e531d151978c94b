/** The page for what cannot be answered by a redirect: what happened, what to do now, and the request's id. */

import { html } from "@hono/hono/html";
import { displayAddress, displayText } from "./display_text.ts";
import { type FrameProps, localPath, page } from "./layout.ts";

/** Content of {@linkcode errorPage}. */
export interface ErrorPageProps extends FrameProps {
  /** HTTP status of the answer. */
  readonly status: number;
  readonly title: string;
  /** One or two sentences: what went wrong. */
  readonly happened: string;
  /** One or two sentences: what the user can do. */
  readonly todo: string;
  readonly requestId: string;
  /** A way on, if there is one; `href` is a path of ours. */
  readonly action: { readonly label: string; readonly href: string } | null;
}

const SENTENCES_LIMIT = 600;

/** The error page. */
export function errorPage(props: ErrorPageProps): Promise<string> {
  const body = html`
    <div class="card">
      <p class="eyebrow">Error ${props.status}</p>
      <h1>${displayText(props.title)}</h1>
      <p class="lead">${displayText(props.happened, SENTENCES_LIMIT)}</p>
      <h2>What to do</h2>
      <p>${displayText(props.todo, SENTENCES_LIMIT)}</p>
      ${props.action
        ? html`<p class="actions"><a class="button primary" href="${localPath(props.action.href)}">${
          displayText(props.action.label)
        }</a></p>`
        : null}
      <p class="fine">If you ask for help, give this request id:
        <code class="copy">${displayAddress(props.requestId)}</code></p>
    </div>
  `;
  return page({ title: props.title, body, basePath: props.basePath });
}
