/** The error codes of the OAuth RFCs, and the one error that carries them to an endpoint's JSON answer. */

/** Error codes that an OAuth endpoint of the gateway may answer, grouped by the RFC that defines them. */
export type OAuthErrorCode =
  // RFC 6749 §4.1.2.1 and §5.2
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "unauthorized_client"
  | "unsupported_grant_type"
  | "unsupported_response_type"
  | "invalid_scope"
  | "access_denied"
  | "server_error"
  | "temporarily_unavailable"
  // RFC 6750 §3.1
  | "invalid_token"
  | "insufficient_scope"
  // RFC 7009 §2.2.1
  | "unsupported_token_type"
  // RFC 7591 §3.2.2
  | "invalid_redirect_uri"
  | "invalid_client_metadata"
  // RFC 8707 §2
  | "invalid_target"
  // OpenID Connect Core §3.1.2.6
  | "login_required"
  | "consent_required"
  | "request_not_supported"
  | "request_uri_not_supported";

/** Options of {@linkcode OAuthError}. */
export interface OAuthErrorOptions {
  /** A stable snake_case word for the event log; it never reaches the wire. */
  reason: string;
  /** HTTP status; by default 401 for `invalid_client` and `invalid_token`, 503 for `temporarily_unavailable`, else 400. */
  status?: number;
  /** Further response headers, such as `WWW-Authenticate` or `Retry-After`. */
  headers?: Record<string, string>;
  cause?: unknown;
}

/** A fault that an OAuth endpoint answers as `{"error", "error_description"}`. */
export class OAuthError extends Error {
  override readonly name = "OAuthError";
  readonly code: OAuthErrorCode;
  readonly reason: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  /** `description` is for the client's developer: what is wrong and what is expected, never a secret. */
  constructor(code: OAuthErrorCode, description: string, options: OAuthErrorOptions) {
    super(description, { cause: options.cause });
    this.code = code;
    this.reason = options.reason;
    this.status = options.status ?? defaultStatus(code);
    this.headers = options.headers ?? {};
  }
}

function defaultStatus(code: OAuthErrorCode): number {
  switch (code) {
    case "invalid_client":
    case "invalid_token":
      return 401;
    case "insufficient_scope":
      return 403;
    case "server_error":
      return 500;
    case "temporarily_unavailable":
      return 503;
    default:
      return 400;
  }
}
