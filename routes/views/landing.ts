/** The landing page: the routes of this gateway, and how to add each one to the common MCP clients. */

import { html } from "@hono/hono/html";
import { type FrameProps, page } from "./layout.ts";

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
  const body = html`<h1>${props.routes.length}</h1>`;
  return page({ title: "Routes", body, wide: true, basePath: props.basePath, requestId: props.requestId });
}
