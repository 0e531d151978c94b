/** When an upstream's name is resolved, who waits for it, and what it may lead to. */
import assert from "node:assert/strict";
import { type AddressFault, type AddressRules, UpstreamAddress } from "../../../lib/mcp/upstream_address.ts";
import { Names } from "../../support/document_host.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const PUBLIC = ["93.184.216.34", "2606:2800:220:1::1"];

function watched(url = "https://up.example/mcp", changes: Partial<AddressRules> = {}) {
  const clock = new FakeClock();
  const names = new Names();
  const faults: AddressFault[] = [];
  const address = new UpstreamAddress(url, {
    allowLoopback: false,
    resolve: names.resolve,
    clock,
    onFault: (fault) => faults.push(fault),
    ...changes,
  });
  return { address, clock, names, faults };
}

/** Lets background work that needs no timer come to its end. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("the first request waits for the name, the next ones ask nobody for a minute (B13 197)", async () => {
  const { address, clock, names } = watched();
  names.set("up.example", PUBLIC);
  const first = address.judge();
  assert.ok(first instanceof Promise);
  assert.equal(await first, null);
  for (let call = 0; call < 3; call++) assert.equal(address.judge(), null);
  clock.advance({ seconds: 59 });
  assert.equal(address.judge(), null);
  assert.equal(names.queries.length, 1);
});

Deno.test("after a minute a request has the name looked at again without waiting for it (B13 197)", async () => {
  const { address, clock, names, faults } = watched();
  names.set("up.example", PUBLIC, ["10.0.0.1"]);
  await address.look();
  clock.advance({ seconds: 60 });
  assert.equal(address.judge(), null, "the verdict of a minute ago");
  await settled();
  assert.equal(address.judge(), "upstream_address_private");
  assert.deepEqual([names.queries.length, faults], [2, ["upstream_address_private"]]);
});

Deno.test("after two idle minutes nobody passes on an old verdict (B13 197)", async () => {
  const { address, clock, names } = watched();
  names.set("up.example", PUBLIC, ["169.254.169.254"]);
  await address.look();
  clock.advance({ seconds: 120 });
  assert.equal(await address.judge(), "upstream_address_private");
});

Deno.test("a private name is told once, and is asked again after five seconds until it is mended (B13 197)", async () => {
  const { address, clock, names, faults } = watched();
  names.set("up.example", ["192.168.1.7"], ["192.168.1.7"], PUBLIC);
  assert.equal(await address.judge(), "upstream_address_private");
  for (let call = 0; call < 100; call++) assert.equal(address.judge(), "upstream_address_private");
  assert.equal(names.queries.length, 1);
  clock.advance({ seconds: 5 });
  assert.equal(await address.judge(), "upstream_address_private");
  clock.advance({ seconds: 5 });
  assert.equal(await address.judge(), null);
  assert.deepEqual(faults, ["upstream_address_private"]);
});

Deno.test("those who wait, wait for one look", async () => {
  const gate = Promise.withResolvers<string[]>();
  let asked = 0;
  const { address } = watched(undefined, { resolve: () => (asked++, gate.promise) });
  const verdicts = Promise.all(Array.from({ length: 50 }, () => address.judge()));
  gate.resolve(PUBLIC);
  assert.deepEqual(new Set(await verdicts), new Set([null]));
  assert.equal(asked, 1);
});

Deno.test("a name server that is down cuts nobody off who was served, and lets nobody in who was not", async () => {
  const { address, clock, names, faults } = watched();
  assert.equal(await address.judge(), "upstream_name_unresolved");
  names.set("up.example", PUBLIC);
  clock.advance({ seconds: 5 });
  assert.equal(await address.judge(), null);
  names.set("up.example");
  for (let minute = 0; minute < 10; minute++) {
    clock.advance({ seconds: 60 });
    assert.equal(await address.judge(), null, `minute ${minute}`);
    await settled();
  }
  names.set("up.example", ["10.1.1.1"]);
  clock.advance({ seconds: 120 });
  assert.equal(await address.judge(), "upstream_address_private");
  names.set("up.example");
  clock.advance({ seconds: 5 });
  assert.equal(await address.judge(), "upstream_name_unresolved");
  assert.deepEqual(faults, [
    "upstream_name_unresolved",
    "upstream_address_private",
    "upstream_name_unresolved",
  ]);
});

Deno.test("a clock that is set back makes no old verdict young", async () => {
  const { address, clock, names } = watched();
  names.set("up.example", PUBLIC, ["10.0.0.1"]);
  await address.look();
  clock.advance({ seconds: -3600 });
  assert.equal(await address.judge(), "upstream_address_private");
});

const PRIVATE = [
  "10.0.0.1",
  "172.31.255.254",
  "192.168.0.1",
  "127.0.0.1",
  "0.0.0.0",
  "169.254.169.254",
  "100.64.0.1",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.2.1",
  "198.18.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "::1",
  "::",
  "::ffff:127.0.0.1",
  "::ffff:10.0.0.1",
  "64:ff9b::7f00:1",
  "fd00:ec2::254",
  "fe80::1",
  "fe80::1%eth0",
  "2001:db8::1",
  "no address at all",
];

Deno.test("every kind of address that the internet does not route is private, alone and among good ones (B13 197)", async () => {
  for (const address of PRIVATE) {
    for (const answer of [[address], [...PUBLIC, address]]) {
      const { address: watchedName, names } = watched();
      names.set("up.example", answer);
      assert.equal(await watchedName.judge(), "upstream_address_private", answer.join());
    }
  }
});

Deno.test("loopback is allowed where the gateway is on loopback, and nothing else with it", async () => {
  for (
    const [answer, fault] of [
      [["127.0.0.1", "::1"], null],
      [["::ffff:127.0.0.1"], null],
      [["127.0.0.1", "10.0.0.1"], "upstream_address_private"],
      [["0.0.0.0"], "upstream_address_private"],
    ] as const
  ) {
    const { address, names } = watched("http://localhost:9001/mcp", { allowLoopback: true });
    names.set("localhost", [...answer]);
    assert.equal(await address.judge(), fault, answer.join());
  }
});

Deno.test("a host that is an address is never resolved", async () => {
  for (
    const url of ["http://127.0.0.1:9001/mcp", "https://93.184.216.34/", "https://[2606:4700::1111]/mcp"]
  ) {
    const { address, names } = watched(url);
    assert.equal(address.judge(), null);
    await address.look();
    assert.equal(address.judge(), null);
    assert.equal(names.queries.length, 0);
  }
});

Deno.test("where a redirect leads is judged each time, by its text or by its name (B13 193, 197)", async () => {
  const { address, names } = watched();
  names.set("up.example", PUBLIC).set("moved.example", PUBLIC, ["10.0.0.1"]);
  const judge = (url: string) => address.judgeTarget(new URL(url));
  assert.equal(await judge("https://up.example/other"), null);
  assert.equal(await judge("https://moved.example/"), null);
  assert.equal(await judge("https://moved.example/"), "upstream_address_private");
  assert.equal(await judge("https://unknown.example/"), "upstream_name_unresolved");
  for (
    const url of ["http://169.254.169.254/latest", "http://[::1]/", "http://2130706433/", "http://0x7f.1/"]
  ) {
    assert.equal(await judge(url), "upstream_address_private", url);
  }
  assert.equal(await judge("https://1.1.1.1/mcp"), null);
});
