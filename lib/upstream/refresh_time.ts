/** When a token is renewed: before it expires, and not by everybody in the same instant. */
import { createHash } from "node:crypto";
import type { Random } from "../crypto/secret_token.ts";
import type { ConnectionRecord } from "../store/upstream_schema.ts";

/** A token is renewed this long before it expires at the earliest, in milliseconds, or in the last fifth of a shorter life. */
const EARLIEST_MS = 60_000;

/**
 * The moment to renew each token. It lies in the first half of the time before expiry that is kept for renewing, so that the other half is
 * left for another try. Within a process it is always the same for one owner, connection and expiry; another process, and another
 * owner whose token expires in the same second, has another moment.
 */
export class RefreshTime {
  readonly #connectionId: string;
  readonly #salt: Uint8Array;

  /** `random` is what makes this process differ from the others. */
  constructor(connectionId: string, random: Random) {
    this.#connectionId = connectionId;
    this.#salt = random(16);
  }

  /** Whether the owner's token should be renewed at `now`, in milliseconds since the epoch. One without an expiry never is. */
  hasCome(owner: string, { obtainedAt, accessTokenExpiresAt }: Lifetime, now: number): boolean {
    if (accessTokenExpiresAt === null) return false;
    const margin = Math.min(EARLIEST_MS, (accessTokenExpiresAt - obtainedAt) / 5);
    // The usual case comes first: only near the end it has to be known how near.
    if (now < accessTokenExpiresAt - margin) return false;
    return now >= accessTokenExpiresAt - margin * (1 - this.#fraction(owner, accessTokenExpiresAt) / 2);
  }

  /** Spread evenly over 0 to 1. */
  #fraction(owner: string, expiresAt: number): number {
    const text = JSON.stringify([this.#connectionId, owner, expiresAt]);
    return createHash("sha256").update(this.#salt).update(text).digest().readUInt32BE() / 2 ** 32;
  }
}

/** What the moment depends on. */
export type Lifetime = Pick<ConnectionRecord, "obtainedAt" | "accessTokenExpiresAt">;
