/** A fault of an authorization request that the client is told by redirect. */
import type { OAuthErrorCode } from "../oauth/errors.ts";
import type { ValidatedRedirect } from "./validated_redirect.ts";

/** Where an authorization response may go is proven by a {@linkcode ValidatedRedirect}: without one there is no such error. */
export class AuthorizationError extends Error {
  override readonly name = "AuthorizationError";
  readonly code: OAuthErrorCode;
  readonly redirect: ValidatedRedirect;
  /** A snake_case word for the event log. */
  readonly reason: string;

  constructor(
    code: OAuthErrorCode,
    description: string,
    options: { redirect: ValidatedRedirect; reason: string },
  ) {
    super(description);
    this.code = code;
    this.redirect = options.redirect;
    this.reason = options.reason;
  }
}
