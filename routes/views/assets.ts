/** The static files behind the pages: one stylesheet whose path names its content, and the icon. */

import { createHash } from "node:crypto";
import { STYLESHEET } from "./stylesheet.ts";

/** A static file, served to GET and HEAD under the gateway's base path. */
export interface Asset {
  /** Absolute path, without the base path. */
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Hexadecimal characters of the stylesheet's SHA-256 in its path. */
const HASH_LENGTH = 12;

/** The first characters of the stylesheet's SHA-256, hexadecimal. */
export const STYLESHEET_HASH: string = createHash("sha256").update(STYLESHEET).digest("hex").slice(
  0,
  HASH_LENGTH,
);

/** Path of the stylesheet; it changes with the content, so that caches may keep it for ever. */
export const STYLESHEET_PATH: string = `/assets/sallyport.${STYLESHEET_HASH}.css`;

/** Path of the icon: browsers ask for it unasked, and a missing one shows as a console error. */
export const FAVICON_PATH: string = "/favicon.ico";

/** The icon: the two gates of a sally port, one within the other. */
export const FAVICON: string =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0f5f55"/>` +
  `<g fill="none" stroke-width="2.6" stroke-linecap="round"><path stroke="#fff" d="M7 25V15.5a9 9 0 0 1 18 0V25"/>` +
  `<path stroke="#7fe0cc" d="M12.6 25v-8.6a3.4 3.4 0 0 1 6.8 0V25"/></g></svg>`;

const COMMON_HEADERS = {
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
};

/** Every static file that the pages refer to. */
export const ASSETS: readonly Asset[] = [
  {
    path: STYLESHEET_PATH,
    body: STYLESHEET,
    headers: {
      ...COMMON_HEADERS,
      "Content-Type": "text/css; charset=utf-8",
      "Cache-Control": "public, max-age=31536000, immutable",
    },
  },
  {
    path: FAVICON_PATH,
    body: FAVICON,
    headers: {
      ...COMMON_HEADERS,
      "Content-Type": "image/svg+xml",
      "Cache-Control": "public, max-age=86400",
      "Content-Security-Policy": "default-src 'none'",
    },
  },
];
