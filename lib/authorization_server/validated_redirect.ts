/** The right to send a browser to a client: it is made only after the client and its redirect URI were checked (RFC 6749 §4.1.2.1). */
import { PageError } from "../http/page_error.ts";
import { redirectUriFault, redirectUriMatches, type RedirectUriPolicy } from "../oauth/redirect_uri.ts";
import type { Client } from "./client.ts";

/** A proven redirect URI, with what every response to it carries. */
export class ValidatedRedirect {
  readonly uri: string;
  readonly state: string | null;
  /** The `iss` of the response (RFC 9207). */
  readonly issuer: string;

  private constructor(uri: string, state: string | null, issuer: string) {
    this.uri = uri;
    this.state = state;
    this.issuer = issuer;
  }

  /** Checks that the client registered the redirect URI, or picks its only one. @throws {PageError} */
  static validate(
    params: URLSearchParams,
    client: Client,
    options: { readonly issuer: string; readonly policy: RedirectUriPolicy },
  ): { redirect: ValidatedRedirect; given: boolean } {
    const requested = params.getAll("redirect_uri");
    const [first] = requested;
    if (requested.length > 1) {
      throw badRedirect("redirect_uri_repeated", "The request names more than one redirect_uri.");
    }
    const state = params.get("state");
    if (first === undefined) {
      const [only, ...others] = client.redirectUris;
      if (only === undefined || others.length > 0) {
        throw badRedirect(
          "redirect_uri_missing",
          "The request does not name a redirect_uri, and the app registered more than one.",
        );
      }
      return { redirect: new ValidatedRedirect(only, state, options.issuer), given: false };
    }
    // The port exception of loopback URIs must not lead to a place that could never have been registered: our own port.
    const allowed = redirectUriFault(first, options.policy) === null;
    if (!allowed || !client.redirectUris.some((registered) => redirectUriMatches(registered, first))) {
      throw badRedirect(
        "redirect_uri_unregistered",
        "The app asked to return to an address (redirect_uri) that it has not registered.",
      );
    }
    return { redirect: new ValidatedRedirect(first, state, options.issuer), given: true };
  }

  /** The redirect of a stored authorization request, which was validated when it was stored. */
  static restore(stored: { redirectUri: string; state: string | null; issuer: string }): ValidatedRedirect {
    return new ValidatedRedirect(stored.redirectUri, stored.state, stored.issuer);
  }

  /** The redirect URI with response parameters added; the client's own query is kept. */
  to(parameters: Readonly<Record<string, string>>): string {
    const query = new URLSearchParams(parameters);
    if (this.state !== null) query.set("state", this.state);
    query.set("iss", this.issuer);
    const separator = this.uri.includes("?") ? (/[?&]$/.test(this.uri) ? "" : "&") : "?";
    return this.uri + separator + query.toString();
  }
}

function badRedirect(reason: string, happened: string): PageError {
  return new PageError({
    status: 400,
    title: "This app cannot be connected",
    happened,
    todo:
      "Remove the server from the app and add it again. If that does not help, the app's maker has to mend its sign-in request.",
    reason,
  });
}
