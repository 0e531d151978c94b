/**
 * Certificates for tests, issued when they are needed (X.509 v3, RFC 5280; ECDSA with P-256), so that no key and no expiry date
 * lies in the repository. Only what a TLS client looks at is in them.
 */

/** A certificate authority of one test. */
export interface CertificateAuthority {
  /** PEM. */
  readonly certificate: string;
  /** Issues a certificate for a server, or for a client. */
  readonly issue: (options: LeafOptions) => Promise<{ readonly cert: string; readonly key: string }>;
}

/** What a certificate says. */
export interface LeafOptions {
  /** DNS names, or IPv4 addresses. */
  readonly names: readonly string[];
  /** Default: an hour ago. */
  readonly notBefore?: Date;
  /** Default: a day from now. */
  readonly notAfter?: Date;
  /** Default: a server's. */
  readonly usage?: "server" | "client";
}

const HOUR_MS = 3_600_000;
const EC_P256 = { name: "ECDSA", namedCurve: "P-256" } as const;

/** Makes an authority that nobody but the test trusts. */
export async function certificateAuthority(name = "Test authority"): Promise<CertificateAuthority> {
  const keys = await newKeys();
  const validity = {
    notBefore: new Date(Date.now() - HOUR_MS),
    notAfter: new Date(Date.now() + 24 * HOUR_MS),
  };
  const authority = { name, key: keys.privateKey };
  const extensions = [
    extension(OID.basicConstraints, sequence(boolean(true))),
    // keyCertSign and cRLSign.
    extension(OID.keyUsage, tlv(0x03, [0x01, 0x06])),
  ];
  const certificate = await sign({ subject: name, keys, validity, extensions, authority });
  return {
    certificate,
    async issue({ names, usage = "server", ...times }) {
      const leaf = await newKeys();
      const cert = await sign({
        subject: names[0] ?? "",
        keys: leaf,
        validity: { ...validity, ...times },
        extensions: [
          extension(OID.subjectAltName, sequence(...names.map(generalName))),
          extension(
            OID.extendedKeyUsage,
            sequence(oid(usage === "server" ? OID.serverAuth : OID.clientAuth)),
          ),
        ],
        authority,
      });
      const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", leaf.privateKey));
      return { cert, key: pem("PRIVATE KEY", pkcs8) };
    },
  };
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(EC_P256, true, ["sign", "verify"]);
}

interface ToSign {
  readonly subject: string;
  readonly keys: CryptoKeyPair;
  readonly validity: { readonly notBefore: Date; readonly notAfter: Date };
  readonly extensions: readonly Der[];
  readonly authority: { readonly name: string; readonly key: CryptoKey };
}

async function sign({ subject, keys, validity, extensions, authority }: ToSign): Promise<string> {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  const toBeSigned = sequence(
    tlv(0xa0, integer([2])),
    integer([0x01, ...crypto.getRandomValues(new Uint8Array(15))]),
    algorithm,
    commonName(authority.name),
    sequence(time(validity.notBefore), time(validity.notAfter)),
    commonName(subject),
    publicKey,
    tlv(0xa3, sequence(...extensions)),
  );
  const raw = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, authority.key, toBeSigned),
  );
  // WebCrypto gives both halves in a row; X.509 wants two integers.
  const signature = sequence(integer(raw.subarray(0, 32)), integer(raw.subarray(32)));
  return pem("CERTIFICATE", sequence(toBeSigned, algorithm, tlv(0x03, [0, ...signature])));
}

type Der = Uint8Array<ArrayBuffer>;

// Object identifiers as RFC 5280 and RFC 5758 number them.
const OID = {
  commonName: [2, 5, 4, 3],
  keyUsage: [2, 5, 29, 15],
  subjectAltName: [2, 5, 29, 17],
  basicConstraints: [2, 5, 29, 19],
  extendedKeyUsage: [2, 5, 29, 37],
  serverAuth: [1, 3, 6, 1, 5, 5, 7, 3, 1],
  clientAuth: [1, 3, 6, 1, 5, 5, 7, 3, 2],
  ecdsaWithSha256: [1, 2, 840, 10045, 4, 3, 2],
} as const;

function tlv(tag: number, content: ArrayLike<number>): Der {
  const { length } = content;
  const size = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return Uint8Array.from([tag, ...size, ...Array.from(content)]);
}

function sequence(...parts: readonly Der[]): Der {
  return tlv(0x30, parts.flatMap((part) => [...part]));
}

/** A positive integer, big-endian: no leading zero but the one that keeps it positive. */
function integer(bytes: ArrayLike<number>): Der {
  const all = Array.from(bytes);
  const start = all.findIndex((byte) => byte !== 0);
  const digits = start === -1 ? [0] : all.slice(start);
  return tlv(0x02, (digits[0] ?? 0) >= 0x80 ? [0, ...digits] : digits);
}

function boolean(value: boolean): Der {
  return tlv(0x01, [value ? 0xff : 0]);
}

function oid([first = 0, second = 0, ...rest]: readonly number[]): Der {
  const base128 = (value: number): number[] => {
    const digits = [value & 0x7f];
    for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | left & 0x7f);
    return digits;
  };
  return tlv(0x06, [first * 40 + second, ...rest.flatMap(base128)]);
}

function commonName(name: string): Der {
  const attribute = sequence(oid(OID.commonName), tlv(0x0c, new TextEncoder().encode(name)));
  return sequence(tlv(0x31, attribute));
}

function generalName(name: string): Der {
  const ipv4 = /^\d+(?:\.\d+){3}$/.test(name);
  return ipv4 ? tlv(0x87, name.split(".").map(Number)) : tlv(0x82, new TextEncoder().encode(name));
}

function extension(id: readonly number[], value: Der): Der {
  return sequence(oid(id), tlv(0x04, value));
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049, then GeneralizedTime. */
function time(date: Date): Der {
  const digits = date.toISOString().replace(/\.\d+Z$/, "Z").replace(/[-:T]/g, "");
  return date.getUTCFullYear() < 2050
    ? tlv(0x17, new TextEncoder().encode(digits.slice(2)))
    : tlv(0x18, new TextEncoder().encode(digits));
}

function pem(label: string, der: Der): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
