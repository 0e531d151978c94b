/** The one stylesheet, as text: it is served as a file, since the pages' CSP allows nothing inline. */

/** CSS of all pages. */
export const STYLESHEET = `
:root { color-scheme: light dark; }
`;
