import assert from "node:assert/strict";
import { setupPage, type SetupPageProps } from "../../../routes/views/setup.ts";
import { SETUP, SETUP_CHOICE, SETUP_CONNECTED } from "../../browser/view_samples.ts";

/** The values of the decision buttons from top to bottom. */
function decisions(page: string): readonly string[] {
  return [...page.matchAll(/<button[^>]* name="decision" value="([a-z]+)"/g)].map(([, value]) => value!);
}

/** What a reader sees: tags gone, white space collapsed. */
function text(page: string): string {
  return page.slice(page.indexOf("<main")).replace(/<[^>]*>/g, "").replace(/\s+/g, " ");
}

async function seen(props: SetupPageProps): Promise<string> {
  return text(await setupPage(props));
}

Deno.test("the first button connects while the upstream is not connected, then authorizes; the last cancels (AS-27)", async () => {
  assert.deepEqual(decisions(await setupPage(SETUP)), ["connect", "approve", "switch", "cancel"]);
  assert.deepEqual(decisions(await setupPage(SETUP_CONNECTED)), ["approve", "switch", "cancel"]);
  assert.deepEqual(decisions(await setupPage({ ...SETUP, upstream: null })), ["approve", "switch", "cancel"]);
  assert.deepEqual(decisions(await setupPage(SETUP_CHOICE)), ["approve", "switch", "cancel"]);
});

Deno.test("the buttons say what they do", async () => {
  const unconnected = await seen(SETUP);
  assert.ok(unconnected.includes("Connect Linear Continue without connecting"));
  assert.ok(!unconnected.includes("Authorize Not you?"));
  assert.ok((await seen(SETUP_CONNECTED)).includes("Authorize Not you? Use another account Cancel"));
});

Deno.test("the page is one form with the transaction and the CSRF token (AS-28)", async () => {
  const page = await setupPage(SETUP);
  assert.equal(page.match(/<form\b/g)?.length, 1);
  assert.match(page, /<form[^>]* method="post" action="\/oauth\/setup"/);
  assert.match(page, /<input type="hidden" name="transaction" value="tx_5kq2">/);
  assert.match(page, /<input type="hidden" name="csrf_token" value="csrf_81f0">/);
  assert.equal(page.match(/<input\b/g)?.length, 2);
});

Deno.test("the page shows client, host, redirect host, route, upstream, scopes and user (AS-27, B6 096)", async () => {
  const shown = await seen({ ...SETUP, redirectHost: "xn--clade-0nf.ai" });
  for (
    const part of [
      "Let Claude use Linear?",
      "Published by claude.ai",
      "Sends you back to xn--clade-0nf.ai",
      "https://gateway.example.test/mcp/linear-v1",
      "Not connected yet",
      "mcp:tools",
      "Dana Rivera dana@example.test",
    ]
  ) assert.ok(shown.includes(part), `${part} in ${shown}`);
  assert.ok((await seen(SETUP_CONNECTED)).includes("Connected as dana@acme.example"));
});

Deno.test("a host counts as the publisher only when the client id is an https URL (AS-27)", async () => {
  const claimed = await seen({ ...SETUP, client: { ...SETUP.client, id: "cl_1", name: "Claude" } });
  assert.ok(claimed.includes("Says it belongs to claude.ai, which nobody has checked"));
  assert.ok(!claimed.includes("Published by"));
  const elsewhere = await seen({
    ...SETUP,
    client: { ...SETUP.client, id: "https://evil.test/client.json", host: "claude.ai" },
    redirectHost: "evil.test",
  });
  assert.ok(elsewhere.includes("Published by evil.test") && !elsewhere.includes("claude.ai"));
  const unnamed = await seen({
    ...SETUP,
    client: { name: null, id: "cl_1", host: null, registeredAt: null },
  });
  assert.ok(unnamed.includes("Let an unnamed app use Linear?") && unnamed.includes("nobody has checked"));
  const configured = await seen({ ...SETUP, client: { ...SETUP.client, id: "cl_1", configured: true } });
  assert.ok(configured.includes("Set up by the operator") && !configured.includes("nobody has checked"));
});

Deno.test("a client whose redirects are all loopback gets a warning (AS-27, B6 096)", async () => {
  assert.ok((await seen(SETUP_CONNECTED)).includes("This app runs on your computer."));
  assert.ok(!(await seen(SETUP)).includes("This app runs on your computer."));
});

Deno.test("with several routes and none named, one has to be chosen, and none is chosen beforehand", async () => {
  const page = await setupPage(SETUP_CHOICE);
  const radios = page.match(/<input type="radio"[^>]*>/g) ?? [];
  assert.deepEqual(radios, [
    `<input type="radio" name="operation_id" value="linear" required>`,
    `<input type="radio" name="operation_id" value="github" required>`,
    `<input type="radio" name="operation_id" value="docs" required>`,
  ]);
  assert.match(page, /value="cancel"\s+formnovalidate/);
  assert.match(page, /role="alert"/);
});

Deno.test("a name that reverses or hides text is shown with its tricks visible (B6 095)", async () => {
  const page = await setupPage({
    ...SETUP,
    client: { ...SETUP.client, name: "Cla\u200bude \u202egro.live\u202c\u0000" },
  });
  assert.ok(page.includes("<bdi>Cla\ufffdude \ufffdgro.live\ufffd\ufffd</bdi>"));
  assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(page));
});

Deno.test("`basePath` prefixes the assets, not the form", async () => {
  const page = await setupPage({ ...SETUP, basePath: "/gateway" });
  assert.match(page, /href="\/gateway\/assets\/sallyport\.[0-9a-f]{12}\.css"/);
  assert.match(page, /action="\/oauth\/setup"/);
});
