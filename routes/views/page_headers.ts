/** Response headers of every HTML page: the strict Content-Security-Policy (CSP Level 3) and its companions. */

/** What differs between pages. */
export interface PageHeaderOptions {
  /**
   * Whether the page's forms may only post to, and be redirected within, our own origin. False for the setup and
   * connect pages: browsers apply `form-action` to every redirect after the post, and theirs ends at the client.
   */
  readonly formActionSelf: boolean;
  /**
   * True for pages that are never a step of a client's authorization (landing, account). They are cut off from any
   * window that opened them; a step must not be, since web clients run it in a popup and wait for its `opener`.
   */
  readonly standalone?: boolean;
}

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
];

/** The headers of an HTML page; neither a status nor cookies. A new object at every call. */
export function pageHeaders(options: PageHeaderOptions): Record<string, string> {
  const policy = options.formActionSelf
    ? [...CONTENT_SECURITY_POLICY, "form-action 'self'"]
    : CONTENT_SECURITY_POLICY;
  return {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": policy.join("; "),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    // With this policy browsers send `Origin: null` on our own form posts; `Sec-Fetch-Site` still tells the truth.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": options.standalone ? "same-origin" : "unsafe-none",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  };
}
