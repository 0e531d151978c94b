/** The bearer check: one verdict per access token, cached, and dropped the moment its grant is revoked. */
import { hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { accessTokens, grants } from "../store/schema.ts";

/** Backstop: a verdict is read anew after this long even if nothing was heard, in milliseconds. */
const VERDICT_TTL_MS = 30_000;
const MAX_VERDICTS = 50_000;
/** `at_` and 256 bits in base64url: anything else is refused without asking the store. */
const ACCESS_TOKEN = /^at_[A-Za-z0-9_-]{43}$/;

/** What a valid access token allows. Resource and operation are still to be compared with the route at hand. */
export interface Verdict {
  /** Hash of the token: its name in revocations. */
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

/** Judges access tokens. One per process. */
export class AccessTokenVerifier {
  readonly #services: Pick<Services, "store" | "clock" | "revocations">;
  readonly #verdicts = new Map<string, Cached>();
  readonly #hashesByGrant = new Map<string, Set<string>>();
  readonly #reading = new Map<string, Promise<Verdict | null>>();

  constructor(services: Pick<Services, "store" | "clock" | "revocations">) {
    this.#services = services;
    services.revocations.listen((id) => this.#drop(id));
  }

  /** The cached verdict, if what is known of revocations is fresh: then no request has to wait. `undefined`: ask {@linkcode verify}. */
  peek(token: string): Verdict | undefined {
    if (!this.#services.revocations.isFresh()) return undefined;
    return this.#cached(hashSecret(token));
  }

  /** The verdict, or `null` for a token that is unknown, expired, or whose grant has ended. */
  async verify(token: string): Promise<Verdict | null> {
    if (!ACCESS_TOKEN.test(token)) return null;
    const tokenHash = hashSecret(token);
    await this.#services.revocations.refresh();
    const cached = this.#cached(tokenHash);
    if (cached !== undefined) return cached;
    const reading = this.#reading.get(tokenHash) ??
      this.#read(tokenHash).finally(() => this.#reading.delete(tokenHash));
    this.#reading.set(tokenHash, reading);
    return await reading;
  }

  #cached(tokenHash: string): Verdict | undefined {
    const cached = this.#verdicts.get(tokenHash);
    if (cached === undefined) return undefined;
    const now = this.#services.clock.now();
    const age = now - cached.readAt;
    if (now < cached.verdict.expiresAt && age >= 0 && age < VERDICT_TTL_MS) return cached.verdict;
    this.#forget(tokenHash, cached.verdict.grantId);
    return undefined;
  }

  async #read(tokenHash: string): Promise<Verdict | null> {
    const { store, clock, revocations } = this.#services;
    let revoked = false;
    const stop = revocations.listen((id) => {
      revoked ||= id === tokenHash || id === grantId;
    });
    let grantId: string | undefined;
    try {
      const token = await store.get(accessTokens, tokenHash);
      if (token === null) return null;
      grantId = token.value.grantId;
      if (await store.get(grants, grantId) === null || revoked) return null;
      const verdict: Verdict = { tokenId: tokenHash, ...token.value };
      this.#remember(tokenHash, { verdict, readAt: clock.now() });
      return verdict;
    } finally {
      stop();
    }
  }

  #remember(tokenHash: string, cached: Cached): void {
    if (this.#verdicts.size >= MAX_VERDICTS) {
      const [oldest] = this.#verdicts;
      if (oldest !== undefined) this.#forget(oldest[0], oldest[1].verdict.grantId);
    }
    const { grantId } = cached.verdict;
    this.#verdicts.set(tokenHash, cached);
    const hashes = this.#hashesByGrant.get(grantId) ?? new Set();
    this.#hashesByGrant.set(grantId, hashes.add(tokenHash));
  }

  #forget(tokenHash: string, grantId: string): void {
    this.#verdicts.delete(tokenHash);
    const hashes = this.#hashesByGrant.get(grantId);
    hashes?.delete(tokenHash);
    if (hashes?.size === 0) this.#hashesByGrant.delete(grantId);
  }

  #drop(id: string): void {
    const cached = this.#verdicts.get(id);
    if (cached !== undefined) this.#forget(id, cached.verdict.grantId);
    for (const tokenHash of this.#hashesByGrant.get(id) ?? []) this.#forget(tokenHash, id);
  }
}
