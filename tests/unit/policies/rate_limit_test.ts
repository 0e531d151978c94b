/** What a configuration may say about rates, and what becomes of it. */
import assert from "node:assert/strict";
import { rateLimit } from "../../../policies/rate_limit.ts";
import { type Loose, loosely, onlyRoute, options, report, route } from "../gateway/configurations.ts";

const perUser = { requests: 60, windowSeconds: 60, by: "user" } as const;
const reportOf = (...given: readonly Loose[]) =>
  report(options({ routes: [route({ policies: given.map((each) => loosely(rateLimit, each)) })] }));

Deno.test("`rateLimit()` may stand once for each `by`, in any order", () => {
  const perAddress = { requests: 1, windowSeconds: 1, by: "ip" } as const;
  const perClient = { requests: 1_000_000, windowSeconds: 86_400, by: "client" } as const;
  assert.deepEqual(
    onlyRoute({ policies: [rateLimit(perAddress), rateLimit(perUser), rateLimit(perClient)] }).rateLimits,
    [perAddress, perUser, perClient],
  );
  assert.deepEqual(onlyRoute({}).rateLimits, []);
});

Deno.test("`rateLimit()` with the same `by` twice on a route is a fault; on another route it is not", () => {
  assert.deepEqual(reportOf(perUser, { ...perUser, by: "ip" }, { ...perUser, requests: 5 }), [
    'routes[0].policies[2]: policies[0] limits by "user" already',
  ]);
  const shared = rateLimit(perUser);
  const routes = [
    route({ policies: [shared] }),
    route({ operationId: "two", policies: [shared] }, "/mcp/two"),
  ];
  assert.deepEqual(report(options({ routes })), []);
});

const WRONG: readonly (readonly [Loose, string, RegExp])[] = [
  [{ requests: undefined }, "requests", /required/],
  [{ requests: 0 }, "requests", /bounds/],
  [{ requests: 1.5 }, "requests", /bounds/],
  [{ requests: "60" }, "requests", /a string was given/],
  [{ windowSeconds: 0 }, "windowSeconds", /bounds/],
  [{ windowSeconds: 86_401 }, "windowSeconds", /bounds/],
  [{ by: undefined }, "by", /required/],
  [{ by: "users" }, "by", /not a choice/],
  [{ per: "user" }, "per", /no such option/],
];

for (const [change, path, problem] of WRONG) {
  Deno.test(`rateLimit() refuses ${JSON.stringify(change)} at ${path}`, () => {
    const [first, ...others] = reportOf({ ...perUser, ...change });
    assert.deepEqual(others, []);
    assert.ok(first?.startsWith(`routes[0].policies[0].${path}: `), first);
    assert.match(first ?? "", problem);
  });
}
