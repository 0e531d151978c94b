/** Which pages may talk to MCP routes. */
import assert from "node:assert/strict";
import { isAllowedOrigin, mcpPreflight } from "../../../routes/cors.ts";
import { startHarness } from "../../support/harness.ts";

Deno.test("our own origin and the configured ones may; look-alikes and `null` may not (RS-11, B13 207)", async () => {
  await using harness = await startHarness({ config: () => ({ corsOrigins: ["https://app.example"] }) });
  const { gateway } = harness;
  const own = "https://gw.test";
  for (const origin of [own, "https://app.example"]) {
    assert.equal(isAllowedOrigin(gateway, own, origin), true);
  }
  for (
    const origin of [
      "null",
      "",
      "http://gw.test",
      "https://gw.test:8443",
      "https://gw.test.evil.test",
      "https://evil.test",
      "https://app.example.evil.test",
      "http://app.example",
      "http://localhost:3000",
      "https://gw.test, https://evil.test",
    ]
  ) assert.equal(isAllowedOrigin(gateway, own, origin), false, origin);
});

Deno.test("on this machine pages of this machine may, at any port, and no others (RS-11)", async () => {
  await using harness = await startHarness();
  const may = (origin: string) => isAllowedOrigin(harness.gateway, "http://127.0.0.1:9000", origin);
  for (const origin of ["http://localhost:6274", "http://127.0.0.1:1", "https://[::1]:5173"]) {
    assert.ok(may(origin));
  }
  for (
    const origin of [
      "http://localhost.evil.test",
      "http://192.168.0.1",
      "file://localhost",
      "null",
      "x://localhost",
    ]
  ) {
    assert.equal(may(origin), false, origin);
  }
});

Deno.test("a preflight names methods and headers; names of tool parameters are repeated only if they are names (RS-12)", () => {
  const request = (headers: string) =>
    new Request("https://gw.test/alpha", {
      method: "OPTIONS",
      headers: { "access-control-request-headers": headers },
    });
  const asked = request("content-type, Mcp-Param-Region, mcp-param-x y, x-other, mcp-param-, mcp-param-<b>");
  const answer = mcpPreflight(asked, "https://app.example");
  assert.equal(answer.status, 204);
  const allowed = answer.headers.get("access-control-allow-headers")?.split(", ") ?? [];
  assert.ok(allowed.includes("mcp-param-region") && allowed.includes("Mcp-Session-Id"));
  assert.ok(!allowed.some((name) => /x-other|[ <]|mcp-param-$/.test(name)), allowed.join());
  const many = request(Array.from({ length: 1000 }, (_, index) => `mcp-param-${index}`).join(", "));
  const names = mcpPreflight(many, "https://app.example").headers.get("access-control-allow-headers");
  assert.ok((names?.split(", ").length ?? 0) <= 40);
  assert.equal(mcpPreflight(request(""), null).headers.get("access-control-allow-methods"), null);
});

Deno.test("an allowed page can read answers and errors of a route, without credentials; another is 403 (RS-12, B13 207)", async () => {
  await using harness = await startHarness({ config: () => ({ corsOrigins: ["https://app.example"] }) });
  for (const method of ["OPTIONS", "POST", "GET"]) {
    const ask = (origin: string) => harness.fetch("/alpha", { method, headers: { origin } });
    const allowed = await ask("https://app.example");
    assert.equal(allowed.status, method === "OPTIONS" ? 204 : 401);
    assert.equal(allowed.headers.get("access-control-allow-origin"), "https://app.example");
    assert.match(allowed.headers.get("vary") ?? "", /Origin/);
    const refused = await ask("https://evil.test");
    assert.equal(refused.status, 403);
    assert.equal(refused.headers.get("access-control-allow-origin"), null);
    for (const answer of [allowed, refused]) {
      assert.equal(answer.headers.get("access-control-allow-credentials"), null);
      await answer.body?.cancel();
    }
  }
});
