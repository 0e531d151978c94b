/** How long a document counts as current. */
import assert from "node:assert/strict";
import { documentLifetime } from "../../../lib/authorization_server/document_lifetime.ts";

const MINUTE = 60_000;

Deno.test("`documentLifetime()` follows Cache-Control between five minutes and a day (B3 054, AS-40)", () => {
  const table: [string | null, number][] = [
    [null, 60],
    ["", 60],
    ["public", 60],
    ["max-age=3600", 60],
    ["max-age=600", 10],
    ["MAX-AGE=600", 10],
    ["public , max-age=600 ", 10],
    ['max-age="600"', 10],
    ["max-age=300", 5],
    ["max-age=299", 5],
    ["max-age=0", 5],
    ["max-age=86400", 1440],
    ["max-age=86401", 1440],
    ["max-age=99999999", 1440],
    ["max-age=999999999999999", 1440],
    ["max-age=9999999999999999999999", 60],
    ["max-age=-1", 60],
    ["max-age=1e9", 60],
    ["max-age", 60],
    ["s-maxage=600", 60],
    ["x-max-age=600", 60],
    ["no-store", 5],
    ["No-Store, max-age=86400", 5],
    ["max-age=86400, no-cache", 5],
    ['no-cache="set-cookie", max-age=600', 10],
  ];
  for (const [value, minutes] of table) {
    const headers = new Headers(value === null ? {} : { "cache-control": value });
    assert.equal(documentLifetime(headers) / MINUTE, minutes, String(value));
  }
});
