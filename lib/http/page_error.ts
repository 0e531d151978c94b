/** A fault that a person meets in a browser: a page says what happened and what to do. It never redirects. */

/** What a {@linkcode PageError} says. */
export interface PageErrorOptions {
  /** HTTP status. */
  readonly status: number;
  readonly title: string;
  readonly happened: string;
  readonly todo: string;
  /** A snake_case word for the event log. */
  readonly reason: string;
  /** A way on, within the gateway. */
  readonly action?: { readonly label: string; readonly href: string };
  /** Adds `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** Thrown by browser endpoints. */
export class PageError extends Error {
  override readonly name = "PageError";
  readonly page: PageErrorOptions;

  constructor(page: PageErrorOptions) {
    super(page.title, { cause: page.cause });
    this.page = page;
  }
}
