/** The key ring: what it seals opens in one place only, and nothing altered, moved or foreign opens at all. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  createKeyRingEntry,
  KeyRing,
  openUnderToken,
  parseKeyRing,
  sealUnderToken,
} from "../../../lib/crypto/keyring.ts";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";

const CONTEXT = '["session","a"]';
const PLAIN = new TextEncoder().encode("the sealed words");
const OLD = createKeyRingEntry("old", systemRandom);
const NEW = createKeyRingEntry("new", systemRandom);
const ring = (text: string) => parseKeyRing(text, systemRandom);

Deno.test("`open()` returns what `seal()` was given, from nothing to 64 KiB", () => {
  const keys = ring(OLD);
  for (const size of [0, 1, 15, 16, 17, 65_000]) {
    const plain = systemRandom(size);
    assert.deepEqual(
      Buffer.from(keys.open(keys.seal(plain, CONTEXT), CONTEXT) ?? "null"),
      Buffer.from(plain),
    );
  }
});

Deno.test("`seal()` never makes the same bytes twice and shows nothing of the plaintext", () => {
  const keys = ring(OLD);
  const sealed = Array.from({ length: 50 }, () => Buffer.from(keys.seal(PLAIN, CONTEXT)).toString("hex"));
  assert.equal(new Set(sealed).size, 50);
  const nonces = sealed.map((hex) => hex.slice(8, 32));
  assert.equal(new Set(nonces).size, 50);
  for (const hex of sealed) assert.ok(!hex.includes(Buffer.from(PLAIN).toString("hex")));
});

Deno.test("a sealed value is HKDF-SHA-256 and AES-256-GCM as WebCrypto computes them (B15 247)", async () => {
  const keys = ring(OLD);
  const sealed = keys.seal(PLAIN, CONTEXT);
  assert.equal(Buffer.from(sealed.subarray(0, 4)).toString(), "\u0003old");
  const key = await sealingKey(OLD);
  const opened = await crypto.subtle.decrypt(
    { name: "AES-GCM", iv: sealed.slice(4, 16), additionalData: bytes(`old\0${CONTEXT}`), tagLength: 128 },
    key,
    sealed.slice(16),
  );
  assert.equal(new TextDecoder().decode(opened), "the sealed words");
});

Deno.test("`open()` reads what WebCrypto sealed in the same form", async () => {
  const nonce = systemRandom(12);
  const box = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv: Uint8Array.from(nonce), additionalData: bytes(`old\0${CONTEXT}`), tagLength: 128 },
    await sealingKey(OLD),
    PLAIN,
  );
  const sealed = Buffer.concat([Buffer.from("\u0003old"), nonce, Buffer.from(box)]);
  assert.equal(Buffer.from(ring(OLD).open(sealed, CONTEXT) ?? "").toString(), "the sealed words");
});

Deno.test("`open()` refuses a value in another row than its own (B15 245)", () => {
  const keys = ring(OLD);
  const sealed = keys.seal(PLAIN, CONTEXT);
  for (const other of ['["session","b"]', '["login","a"]', "", `${CONTEXT} `]) {
    assert.equal(keys.open(sealed, other), null, other);
  }
});

Deno.test("`open()` refuses a value with any one bit flipped: length, key id, nonce, ciphertext, tag (B15 246)", () => {
  const keys = ring(OLD);
  const sealed = keys.seal(PLAIN, CONTEXT);
  for (let index = 0; index < sealed.length; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const altered = Uint8Array.from(sealed);
      altered[index] = (altered[index] ?? 0) ^ (1 << bit);
      assert.equal(keys.open(altered, CONTEXT), null, `byte ${index}, bit ${bit}`);
    }
  }
});

Deno.test("`open()` refuses a value that was cut, lengthened, emptied, or is plain JSON (B15 246)", () => {
  const keys = ring(OLD);
  const sealed = keys.seal(PLAIN, CONTEXT);
  for (let length = 0; length < sealed.length; length++) {
    assert.equal(keys.open(sealed.subarray(0, length), CONTEXT), null, `first ${length} bytes`);
  }
  assert.equal(keys.open(Buffer.concat([sealed, Uint8Array.of(0)]), CONTEXT), null);
  assert.equal(keys.open(bytes('{"userId":"x"}'), CONTEXT), null);
  assert.equal(keys.open(Uint8Array.of(255, 1, 2), CONTEXT), null);
});

Deno.test("a value stays bound to its key even if another key bears the same id", () => {
  const impostor = ring(`old:${NEW.split(":")[1]}`);
  assert.equal(impostor.open(ring(OLD).seal(PLAIN, CONTEXT), CONTEXT), null);
});

Deno.test("rotation: the first key seals, every key opens, and a key that is gone opens nothing (B15 248)", () => {
  const before = ring(OLD).seal(PLAIN, CONTEXT);
  const both = ring(`${NEW},${OLD}`);
  assert.equal(both.currentKeyId, "new");
  assert.equal(Buffer.from(both.open(before, CONTEXT) ?? "").toString(), "the sealed words");
  assert.equal(both.sealedWith(before), "old");
  const after = both.seal(PLAIN, CONTEXT);
  assert.equal(both.sealedWith(after), "new");
  assert.equal(ring(NEW).sealedWith(before), "old", "also of a key that is not in the ring");
  for (const none of ["", "\x00", "\x7fold", "\x03o/d…"]) {
    assert.equal(both.sealedWith(Buffer.from(none, "latin1")), null);
  }
  assert.equal(ring(NEW).open(after, CONTEXT)?.length, PLAIN.length);
  assert.equal(ring(NEW).open(before, CONTEXT), null);
  assert.equal(ring(OLD).open(after, CONTEXT), null);
});

Deno.test("`verify()` accepts a code of any key of the ring, for its purpose and data alone", () => {
  const code = ring(OLD).sign("purpose", "data");
  const both = ring(`${NEW},${OLD}`);
  assert.equal(code.keyId, "old");
  assert.equal(both.verify("purpose", "data", code), true);
  assert.equal(both.verify("purpose", "data2", code), false);
  assert.equal(both.verify("purpos", "edata", code), false);
  assert.equal(both.verify("purpose", "data", { ...code, keyId: "new" }), false);
  assert.equal(both.verify("purpose", "data", { ...code, keyId: "gone" }), false);
  assert.equal(both.verify("purpose", "data", { ...code, value: code.value.slice(0, -2) }), false);
  assert.equal(both.verify("purpose", "data", { ...code, value: "" }), false);
  assert.equal(ring(NEW).verify("purpose", "data", code), false);
});

Deno.test("a value sealed under a token opens with that token and place alone", () => {
  const sealed = sealUnderToken("rt_token", PLAIN, "row", systemRandom);
  assert.equal(Buffer.from(openUnderToken("rt_token", sealed, "row") ?? "").toString(), "the sealed words");
  assert.equal(openUnderToken("rt_token2", sealed, "row"), null);
  assert.equal(openUnderToken("rt_token", sealed, "row2"), null);
  assert.equal(openUnderToken("rt_token", sealed.subarray(1), "row"), null);
  assert.equal(openUnderToken("rt_token", new Uint8Array(0), "row"), null);
});

Deno.test("`parseKeyRing()` refuses a ring that is no secret, and never repeats it (B15 249)", () => {
  const secret = OLD.slice("old:".length);
  const repeated = Buffer.from("abcdefghijklmnop".repeat(2)).toString("base64url");
  const cases: [string, RegExp][] = [
    ["", /kid:base64url/],
    [secret, /kid:base64url/],
    [`:${secret}`, /kid:base64url/],
    [`two words:${secret}`, /kid:base64url/],
    [`${"k".repeat(33)}:${secret}`, /kid:base64url/],
    [`${OLD},`, /Key 2/],
    ["a:", /has 0 bytes/],
    [`a:${Buffer.alloc(31, 7).toString("base64url")}`, /has 31 bytes, 32 are needed/],
    [`a:${Buffer.from(systemRandom(16)).toString("base64url")}`, /has 16 bytes/],
    [`a:${Buffer.from(systemRandom(33)).toString("base64url")}`, /has 33 bytes/],
    [`a:${secret.slice(0, -1)}!`, /32 are needed/],
    [`a:${Buffer.alloc(32).toString("base64url")}`, /not random/],
    [`a:${Buffer.alloc(32, 0xff).toString("base64url")}`, /not random/],
    [`a:${repeated}`, /not random/],
    [`a:${Buffer.from("correct horse battery staple 123").toString("base64url")}`, /not random/],
    [`a:${Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString("base64url")}`, /not random/],
    [
      `a:${Buffer.from(Array.from({ length: 32 }, (_, index) => 250 - 7 * index)).toString("base64url")}`,
      /not random/,
    ],
    [`${OLD},old:${NEW.slice(4)}`, /repeats the id "old"/],
    [`${OLD},other:${secret}`, /repeats an earlier key/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => ring(text), (error: Error) => {
      assert.equal(error.name, "KeyRingError");
      assert.match(error.message, message, text.replaceAll(secret, "…"));
      assert.ok(!error.message.includes(secret), "the message shows the key");
      return true;
    });
  }
});

Deno.test("`parseKeyRing()` takes padding and spaces around entries", () => {
  const keys = ring(` ${NEW}= , ${OLD} `);
  assert.equal(keys.currentKeyId, "new");
  assert.ok(keys.open(ring(OLD).seal(PLAIN, CONTEXT), CONTEXT));
});

Deno.test("an empty key ring seals nothing", () => {
  assert.throws(() => new KeyRing([], systemRandom).seal(PLAIN, CONTEXT), { name: "KeyRingError" });
});

/** The sealing key of an entry, derived by WebCrypto. */
async function sealingKey(entry: string): Promise<CryptoKey> {
  const secret = Uint8Array.from(Buffer.from(entry.slice(entry.indexOf(":") + 1), "base64url"));
  const material = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: bytes("sallyport/seal/v1") };
  return await crypto.subtle.deriveKey(hkdf, material, { name: "AES-GCM", length: 256 }, false, [
    "encrypt",
    "decrypt",
  ]);
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
