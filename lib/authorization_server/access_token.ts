/** The bearer check: one verdict per access token, cached, and dropped the moment its grant is revoked. */
import { tokenId } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { accessTokens, grants } from "../store/schema.ts";

/** Backstop: a verdict is read anew after this long even if nothing was heard, in milliseconds. */
const VERDICT_TTL_MS = 30_000;
const MAX_VERDICTS = 50_000;
/** `at_`, the time (which older tokens lack) and 256 bits in base64url: anything else is refused without asking the store. */
const ACCESS_TOKEN = /^at_(?:[0-9a-v]{9})?[A-Za-z0-9_-]{43}$/;

/** What a valid access token allows. Resource and operation are still to be compared with the route at hand. */
export interface Verdict {
  /** The id of its row: its name in revocations. */
  readonly tokenId: string;
  readonly grantId: string;
  readonly clientId: string;
  readonly userId: string;
  readonly resource: string;
  readonly operationId: string;
  readonly scope: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

interface Cached {
  readonly verdict: Verdict;
  readonly readAt: number;
}

/**
 * Judges access tokens. One per process.
 *
 * Verdicts are kept by the token itself, not by its hash as in the store: hashing cost a tenth of what the gateway adds to a request. It
 * gives nothing away. A token in memory for half a minute is no more than the header it came in and the upstream credentials beside it;
 * and a map compares strings only where their seeded hashes are equal, so that the time it takes says nothing about a prefix.
 */
export class AccessTokenVerifier {
  readonly #services: Pick<Services, "store" | "clock" | "revocations">;
  readonly #verdicts = new Map<string, Cached>();
  /** Which tokens a revocation means, by what it may name: the grant, or the id of the token's row. */
  readonly #tokensById = new Map<string, Set<string>>();
  readonly #reading = new Map<string, Promise<Verdict | null>>();

  constructor(services: Pick<Services, "store" | "clock" | "revocations">) {
    this.#services = services;
    services.revocations.listen((id) => this.#drop(id));
  }

  /** The cached verdict, if what is known of revocations is fresh: then no request has to wait. `undefined`: ask {@linkcode verify}. */
  peek(token: string): Verdict | undefined {
    const now = this.#services.clock.now();
    return this.#services.revocations.isFresh(now) ? this.#cached(token, now) : undefined;
  }

  /** The verdict, or `null` for a token that is unknown, expired, or whose grant has ended. */
  async verify(token: string): Promise<Verdict | null> {
    if (!ACCESS_TOKEN.test(token)) return null;
    await this.#services.revocations.refresh();
    const cached = this.#cached(token, this.#services.clock.now());
    if (cached !== undefined) return cached;
    const reading = this.#reading.get(token) ??
      this.#read(token).finally(() => this.#reading.delete(token));
    this.#reading.set(token, reading);
    return await reading;
  }

  #cached(token: string, now: number): Verdict | undefined {
    const cached = this.#verdicts.get(token);
    if (cached === undefined) return undefined;
    const age = now - cached.readAt;
    if (now < cached.verdict.expiresAt && age >= 0 && age < VERDICT_TTL_MS) return cached.verdict;
    this.#forget(token);
    return undefined;
  }

  async #read(token: string): Promise<Verdict | null> {
    const { store, clock, revocations } = this.#services;
    const rowId = tokenId(token);
    let revoked = false;
    const stop = revocations.listen((id) => {
      revoked ||= id === rowId || id === grantId;
    });
    let grantId: string | undefined;
    try {
      const record = await store.get(accessTokens, rowId);
      if (record === null) return null;
      grantId = record.value.grantId;
      if (await store.get(grants, grantId) === null || revoked) return null;
      const verdict: Verdict = { tokenId: rowId, ...record.value };
      this.#remember(token, { verdict, readAt: clock.now() });
      return verdict;
    } finally {
      stop();
    }
  }

  #remember(token: string, cached: Cached): void {
    const [oldest] = this.#verdicts.keys();
    if (this.#verdicts.size >= MAX_VERDICTS && oldest !== undefined) this.#forget(oldest);
    this.#verdicts.set(token, cached);
    for (const id of idsOf(cached.verdict)) {
      const tokens = this.#tokensById.get(id) ?? new Set();
      this.#tokensById.set(id, tokens.add(token));
    }
  }

  #forget(token: string): void {
    const cached = this.#verdicts.get(token);
    if (cached === undefined) return;
    this.#verdicts.delete(token);
    for (const id of idsOf(cached.verdict)) {
      const tokens = this.#tokensById.get(id);
      tokens?.delete(token);
      if (tokens?.size === 0) this.#tokensById.delete(id);
    }
  }

  #drop(id: string): void {
    for (const token of [...this.#tokensById.get(id) ?? []]) this.#forget(token);
  }
}

function idsOf({ grantId, tokenId }: Verdict): readonly string[] {
  return [grantId, tokenId];
}
