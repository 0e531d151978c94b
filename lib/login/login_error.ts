/** Why a login ended without a user. */

/** Why nobody signed in. */
export type LoginFailureKind =
  /** The user, or the provider's policy, said no. */
  | "denied"
  /** The provider did not answer, or answered that it cannot now. */
  | "unavailable"
  /** What the browser brought is no answer of the provider to our request. */
  | "forged"
  /** The provider's answer is not to be believed, or it does not accept ours. */
  | "refused";

/** A login that ended without a user; nothing of the provider's words is in it. */
export class LoginError extends Error {
  override readonly name = "LoginError";
  readonly kind: LoginFailureKind;
  /** A snake_case word for the event log. */
  readonly reason: string;

  constructor(kind: LoginFailureKind, reason: string, options: { cause?: unknown } = {}) {
    super(`Login failed: ${reason}`, options);
    this.kind = kind;
    this.reason = reason;
  }
}
