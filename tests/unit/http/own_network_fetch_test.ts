/** What an upstream in the operator's own network may name: that network and the public one, and nothing of this machine. */
import assert from "node:assert/strict";
import { isOwnNetworkAddress } from "../../../lib/http/network_address.ts";
import { ownNetworkFetch } from "../../../lib/http/own_network_fetch.ts";
import { canary, documentHost, Names } from "../../support/document_host.ts";

const LIMITS = { timeoutMs: 2_000, maxBytes: 1_000 };

Deno.test("`isOwnNetworkAddress()` knows the networks that people run, and what is in none of them (B14 225)", () => {
  for (
    const address of [
      "10.0.0.1",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.1.1",
      "100.64.0.1",
      "fc00::1",
      "fd12:3456::1",
      "::ffff:10.0.0.1",
    ]
  ) assert.equal(isOwnNetworkAddress(address), true, address);
  for (
    const address of [
      "127.0.0.1",
      "::1",
      "169.254.169.254",
      "fe80::1",
      "fe80::1%eth0",
      "0.0.0.0",
      "172.32.0.1",
      "100.100.100.200",
      "8.8.8.8",
      "224.0.0.1",
      "168.63.129.16",
      "fd00:ec2::254",
      "fd20:ce::254",
      "::ffff:127.0.0.1",
      "::ffff:169.254.169.254",
      "2001:db8::1",
      "x",
    ]
  ) assert.equal(isOwnNetworkAddress(address), false, address);
});

Deno.test("this machine, links and metadata services are not asked, by address or by name; nor is anything without TLS (B14 225, UP-16)", async () => {
  await using trap = canary();
  const names = new Names()
    .set("app.corp", ["127.0.0.1"])
    .set("half.corp", ["10.0.0.1", "169.254.169.254"])
    .set("none.corp", []);
  const ask = ownNetworkFetch({ ...LIMITS, allowLoopback: false, resolve: names.resolve });
  for (
    const url of [
      `https://127.0.0.1:${trap.port}/`,
      `https://[::1]:${trap.port}/`,
      `https://app.corp:${trap.port}/`,
      `http://127.0.0.1:${trap.port}/`,
      "https://169.254.169.254/",
      "https://[fd00:ec2::254]/",
      "https://half.corp/",
      "https://none.corp/",
      "https://unknown.corp/",
      "http://10.0.0.1/",
      "https://u:p@10.0.0.1/",
      "file:///etc/passwd",
      "x",
    ]
  ) {
    await assert.rejects(
      ask(url),
      { name: "OutboundError", message: "The address could not be fetched." },
      url,
    );
  }
  assert.equal(trap.hits, 0);
});

Deno.test("on a loopback gateway loopback may be asked, and a redirect is not followed", async () => {
  await using host = documentHost();
  host.answers.set("/a", { a: 1 });
  host.answers.set("/b", () => Response.redirect(`${host.origin}/a`, 302));
  const ask = ownNetworkFetch({ ...LIMITS, allowLoopback: true });
  assert.deepEqual(await (await ask(`${host.origin}/a`)).json(), { a: 1 });
  await assert.rejects(ask(`${host.origin}/b`), { name: "OutboundError" });
  assert.equal(host.requests.length, 2);
});
