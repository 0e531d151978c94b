import assert from "node:assert/strict";
import { isLoopbackBind, isLoopbackHost, isPrivateLiteral } from "../../../lib/http/network_address.ts";

const hostOf = (host: string) => new URL(`http://${host}/`).hostname;

Deno.test("`isPrivateLiteral()` knows every block that the public internet does not route (RFC 6890)", () => {
  const inside =
    "0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 " +
    "192.0.0.1 192.0.2.1 192.168.0.1 198.18.0.1 198.19.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 " +
    "255.255.255.255 2130706433 0x7f.1 [::] [::1] [fc00::1] [fdff::1] [fe80::1] [febf::1] [ff02::1] " +
    "[::ffff:10.0.0.1] [::ffff:127.0.0.1] [64:ff9b::10.0.0.1] [2002:a00:1::] [2001:db8::1] [2001::1] [100::1]";
  for (const host of inside.split(" ")) assert.equal(isPrivateLiteral(hostOf(host)), true, host);
});

Deno.test("`isPrivateLiteral()` leaves public addresses and names alone", () => {
  const outside =
    "1.1.1.1 9.255.255.255 11.0.0.1 100.63.0.1 100.128.0.1 126.0.0.1 128.0.0.1 169.253.0.1 172.15.0.1 " +
    "172.32.0.1 192.167.0.1 192.169.0.1 198.17.0.1 198.20.0.1 223.255.255.255 [2606:4700::1111] [2001:4860::8888] " +
    "[2a00::1] 10.example.com example.com";
  for (const host of outside.split(" ")) assert.equal(isPrivateLiteral(hostOf(host)), false, host);
});

Deno.test("`isLoopbackHost()` and `isLoopbackBind()` know this machine by all its names", () => {
  for (
    const host of [
      "localhost",
      "LOCALHOST.",
      "a.localhost",
      "127.0.0.1",
      "127.1",
      "[::1]",
      "[::ffff:127.0.0.1]",
    ]
  ) {
    assert.equal(isLoopbackHost(hostOf(host)), true, host);
  }
  for (const host of ["localhost.example", "127.0.0.1.example", "notlocalhost", "128.0.0.1", "[::2]"]) {
    assert.equal(isLoopbackHost(hostOf(host)), false, host);
  }
  assert.deepEqual(["::1", "[::1]", "127.0.0.1", "::", "0.0.0.0"].map(isLoopbackBind), [
    true,
    true,
    true,
    false,
    false,
  ]);
});
