/** The address that quotas count for. */
import assert from "node:assert/strict";
import { clientAddress, isLoopbackAddress, quotaKey } from "../../../lib/http/client_address.ts";

Deno.test("the peer counts unless a trusted proxy says otherwise, by position from the right (B2 030)", () => {
  const cases: [string | null, number, string][] = [
    [null, 0, "10.0.0.9"],
    ["1.1.1.1", 0, "10.0.0.9"],
    [null, 1, "10.0.0.9"],
    ["1.1.1.1", 1, "1.1.1.1"],
    ["6.6.6.6, 1.1.1.1", 1, "1.1.1.1"],
    ["6.6.6.6, 1.1.1.1, 10.0.0.1", 2, "1.1.1.1"],
    ["1.1.1.1", 2, "10.0.0.9"],
    [" 2001:db8::1 ", 1, "2001:db8::1"],
    ["", 1, "10.0.0.9"],
    ["1.1.1.1, ", 1, "10.0.0.9"],
  ];
  for (const [forwarded, hops, expected] of cases) {
    assert.equal(clientAddress("10.0.0.9", forwarded, hops), expected, `${forwarded} / ${hops}`);
  }
});

Deno.test("`isLoopbackAddress()` knows 127/8, ::1 and the mapped form, and nothing else", () => {
  for (const address of ["127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"]) {
    assert.equal(isLoopbackAddress(address), true, address);
  }
  for (
    const address of [
      "",
      "128.0.0.1",
      "0.0.0.0",
      "::",
      "::2",
      "::ffff:10.0.0.1",
      "localhost",
      "127.0.0.1.evil.test",
      "x127.0.0.1",
    ]
  ) {
    assert.equal(isLoopbackAddress(address), false, address);
  }
});

Deno.test("a quota is counted for an IPv4 address, and for the /64 of an IPv6 one (B17 258)", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:0DB8:0001:0002::9", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
  ];
  for (const [address, key] of cases) assert.equal(quotaKey(address), key, address);
});
