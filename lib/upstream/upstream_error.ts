/** What can go wrong between the gateway and an upstream's authorization server; nothing of their words is in it. */

/** Who can mend it. */
export type UpstreamFaultKind =
  /** The upstream or its authorization server does not answer, or is out of order: later. */
  | "unavailable"
  /** Its metadata, registration or tokens are not to be used: the operator. */
  | "refused"
  /** The user, or the server's policy, said no: the user. */
  | "denied"
  /** The browser's answer is not the server's, or not for this browser. */
  | "forged";

/** Thrown by the upstream OAuth client. */
export class UpstreamError extends Error {
  override readonly name = "UpstreamError";
  readonly kind: UpstreamFaultKind;
  /** A snake_case word for the event log. */
  readonly reason: string;
  /** When to ask again, in milliseconds from now; `null`: nobody said. */
  readonly retryAfterMs: number | null;

  constructor(
    kind: UpstreamFaultKind,
    reason: string,
    options: { readonly cause?: unknown; readonly retryAfterMs?: number | null } = {},
  ) {
    super(`Upstream authorization failed: ${reason}`, { cause: options.cause });
    this.kind = kind;
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}
