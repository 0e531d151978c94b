/** What has to hold of a store at every moment, whatever happened before: read from its rows, below the gateway's own code. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { KeyRing } from "../../lib/crypto/keyring.ts";

/** What the checker is told beside the rows. */
export interface InvariantOptions {
  /** Milliseconds since the epoch, by the clock that the gateway had. */
  readonly now: number;
  /** Opens sealed rows; without it only their outside is judged. */
  readonly keyRing?: KeyRing;
  /** Secrets that were used: none may be found in a key or value, in any spelling. */
  readonly canaries?: Iterable<string>;
  /** What the upstream's authorization server knows of the tokens that it gave out; needs the key ring. */
  readonly upstream?: UpstreamFacts;
}

/** The tokens of a test's authorization server. */
export interface UpstreamFacts {
  /** The user of the gateway whose account an access token is for; the accounts bear the users' names. */
  readonly accountOf: (accessToken: string) => string | undefined;
  /** The refresh token that came with an access token in one answer. */
  readonly refreshTokenOf: (accessToken: string) => string | null | undefined;
}

interface Row {
  readonly kind: string;
  readonly id: readonly string[];
  readonly bytes: Uint8Array;
  /** `null`: the row is sealed and there is no key. */
  readonly record: Readonly<Record<string, unknown>> | null;
}

/** Throws if the store breaks a rule; the message lists every fault. */
export async function assertInvariants(kv: Deno.Kv, options: InvariantOptions): Promise<void> {
  const { rows, faults } = await readRows(kv, options.keyRing);
  faults.push(
    ...lifetimeFaults(rows),
    ...lineageFaults(rows, options.now),
    ...orphanFaults(rows, options.now),
    ...leaseFaults(rows, options.now),
    ...ownerFaults(rows),
    ...credentialFaults(rows, options.upstream),
    ...canaryFaults(rows, options.canaries ?? []),
  );
  assert.deepEqual(faults, []);
}

/** Every spelling of a secret that a search has to find. */
export function spellings(secret: string): Buffer[] {
  const bytes = Buffer.from(secret);
  const texts = [
    secret,
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("base64url"),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    encodeURIComponent(secret),
  ];
  return [...[...new Set(texts)].map((text) => Buffer.from(text)), Buffer.from(secret, "utf16le")];
}

/** Faults for secrets found in the bytes of a file, which for SQLite holds free pages, too. */
export async function canariesInFiles(folder: string, canaries: Iterable<string>): Promise<string[]> {
  const secrets = [...canaries];
  const faults: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile || !name.startsWith("gateway.kv")) continue;
    const content = Buffer.from(await Deno.readFile(`${folder}/${name}`));
    for (const [index, secret] of secrets.entries()) {
      if (spellings(secret).some((spelling) => content.includes(spelling))) {
        faults.push(`${name}: canary ${index}`);
      }
    }
  }
  return faults;
}

async function readRows(
  kv: Deno.Kv,
  keyRing: KeyRing | undefined,
): Promise<{ rows: Row[]; faults: string[] }> {
  const rows: Row[] = [];
  const faults: string[] = [];
  for await (const { key, value } of kv.list({ prefix: [] })) {
    const [kind = "", ...id] = key.map(String);
    const name = `${kind} ${id.join(" ")}`;
    if (!(value instanceof Uint8Array)) {
      faults.push(`${name}: the value is not bytes`);
      continue;
    }
    const record = recordOf(value, JSON.stringify(key), keyRing);
    if (record === "unreadable") faults.push(`${name}: unreadable`);
    else rows.push({ kind, id, bytes: value, record });
  }
  return { rows, faults };
}

function recordOf(value: Uint8Array, context: string, keyRing?: KeyRing): Row["record"] | "unreadable" {
  const sealed = value[0] === 2;
  if (sealed && keyRing === undefined) return null;
  const body = value.subarray(1);
  const plain = sealed ? keyRing?.open(body, context) ?? null : body;
  if (plain === null || (value[0] !== 1 && !sealed)) return "unreadable";
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(plain));
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : "unreadable";
  } catch {
    return "unreadable";
  }
}

/** Every record ends. */
function lifetimeFaults(rows: readonly Row[]): string[] {
  return rows.filter(({ record }) => record !== null && !Number.isFinite(record.expiresAt))
    .map(({ kind, id }) => `${kind} ${id.join(" ")}: no expiresAt`);
}

/** At most one refresh token of a grant can be rotated, and every rotated one leads to a token of the same grant. */
function lineageFaults(rows: readonly Row[], now: number): string[] {
  const faults: string[] = [];
  const tokens = rows.filter(({ kind }) => kind === "refresh_token");
  const live = new Map<string, number>();
  for (const { record } of tokens) {
    if (record === null || record.rotatedAt !== null || Number(record.expiresAt) <= now) continue;
    const grantId = String(record.grantId);
    live.set(grantId, (live.get(grantId) ?? 0) + 1);
  }
  for (const [grantId, count] of live) {
    if (count > 1) faults.push(`grant ${grantId}: ${count} live refresh tokens`);
  }
  const grantOf = new Map(tokens.map(({ id, record }) => [id[0], record?.grantId]));
  for (const { id, record } of tokens) {
    const successor = record?.successor;
    if (typeof successor !== "string") continue;
    if (grantOf.get(successor) !== record?.grantId) {
      faults.push(`refresh_token ${id[0]}: its successor is missing or of another grant`);
    }
  }
  return faults;
}

/** What was issued has a living grant, or its grant was revoked and every process can know; a grant is on its user's list. */
function orphanFaults(rows: readonly Row[], now: number): string[] {
  const faults: string[] = [];
  const alive = (row: Row) => Number(row.record?.expiresAt) > now;
  const ids = (kind: string) =>
    new Set(rows.filter((row) => row.kind === kind && alive(row)).map(({ id }) => id.join(" ")));
  const [grants, revoked, listed] = [ids("grant"), ids("revocation"), ids("grant_by_user")];
  for (const row of rows) {
    if (!["access_token", "refresh_token", "authorization_code"].includes(row.kind) || !alive(row)) continue;
    const grantId = String(row.record?.grantId);
    if (!grants.has(grantId) && !revoked.has(grantId)) {
      faults.push(`${row.kind} ${row.id[0]}: no grant, no revocation`);
    }
  }
  for (const { kind, id, record } of rows) {
    // What an identity assertion grants nobody approved: it has no redirect URI, lives as long as its token, and is on no list.
    if (kind === "grant" && record?.redirectUri === "") continue;
    if (kind === "grant" && grants.has(id[0] ?? "") && !listed.has(`${record?.userId} ${id[0]}`)) {
      faults.push(`grant ${id[0]}: not on its user's list`);
    }
    if (kind === "grant_by_user" && listed.has(id.join(" ")) && !grants.has(id[1] ?? "")) {
      faults.push(`grant_by_user ${id.join(" ")}: no such grant`);
    }
  }
  return faults;
}

/** The longest time that anybody takes a lease for, in milliseconds. */
const LONGEST_LEASE_MS = 20_000;

/** A lease that its holder has not given back ends by itself, soon. */
function leaseFaults(rows: readonly Row[], now: number): string[] {
  return rows.filter(({ kind, record }) =>
    kind === "lease" && Number(record?.expiresAt) > now + LONGEST_LEASE_MS
  ).map(({ id }) => `lease ${id[0]}: outlives every act`);
}

/** A connect is its user's, and what it will write is that user's row or the shared one. */
function ownerFaults(rows: readonly Row[]): string[] {
  return rows.filter(({ kind, record }) =>
    kind === "connect" && record !== null && ![record.userId, "@shared"].includes(record.owner)
  ).map(({ id }) => `connect ${id[0]}: for another owner than its user`);
}

/** Every credential is its owner's, and both its tokens came in one answer. */
function credentialFaults(rows: readonly Row[], facts: UpstreamFacts | undefined): string[] {
  if (facts === undefined) return [];
  const names = new Map(
    rows.filter(({ kind }) => kind === "user").map(({ id, record }) => [id[0], record?.subject]),
  );
  return rows.filter(({ kind }) => kind === "connection").flatMap(({ id, record }) => {
    const name = `connection ${id.join(" ")}`;
    if (record === null) return [`${name}: the checker has no key`];
    const accessToken = String(record.accessToken);
    const [account, owner] = [facts.accountOf(accessToken), names.get(id[0])];
    return [
      ...(account === undefined ? [`${name}: a token that nobody issued`] : []),
      ...(account === owner ? [] : [`${name}: of ${owner}, holds the credential of ${account}`]),
      ...(record.refreshToken === facts.refreshTokenOf(accessToken)
        ? []
        : [`${name}: tokens of two answers`]),
    ];
  });
}

function canaryFaults(rows: readonly Row[], canaries: Iterable<string>): string[] {
  const haystacks = rows.flatMap(({ kind, id, bytes, record }) => [
    [`${kind} key`, Buffer.from([kind, ...id].join("\0"))] as const,
    [`${kind} value`, Buffer.from(bytes)] as const,
    // What is sealed may hold what its holder must get back (RFC 6749 `state`), but no secret of ours.
    ...(record === null ? [] : [[`${kind} record`, Buffer.from(JSON.stringify(record))] as const]),
  ]);
  return [...canaries].flatMap((secret, index) => {
    const needles = spellings(secret);
    return haystacks.filter(([, content]) => needles.some((needle) => content.includes(needle)))
      .map(([where]) => `canary ${index} (${secret.slice(0, 3)}…) in a ${where}`);
  });
}
