/**
 * What is known of users, for rules that look at them with every request. A login in this process is seen at once, one in another
 * process within a second.
 */
import type { Services } from "../services.ts";
import { type UserRecord, users } from "../store/schema.ts";

/** For how long a record is not read again, in milliseconds. */
const TTL_MS = 1_000;
const MAX_USERS = 10_000;

interface Cached {
  /** `null`: somebody who never signed in here, and whom a trusted issuer vouched for. */
  readonly user: UserRecord | null;
  readonly readAt: number;
}

/** One per process. Records are frozen, all the way down: configured rules get to see them. */
export class UserCache {
  readonly #services: Pick<Services, "store" | "clock">;
  readonly #users = new Map<string, Cached>();
  readonly #reading = new Map<string, Promise<UserRecord | null>>();

  constructor(services: Pick<Services, "store" | "clock">) {
    this.#services = services;
  }

  /** The user if it is known without waiting; `undefined`: ask {@linkcode find}. */
  peek(userId: string): UserRecord | null | undefined {
    const cached = this.#users.get(userId);
    if (cached === undefined) return undefined;
    const now = this.#services.clock.now();
    const age = now - cached.readAt;
    const lives = cached.user === null || now < cached.user.expiresAt;
    return lives && age >= 0 && age < TTL_MS ? cached.user : undefined;
  }

  /** The user, or `null` if nothing is known of one. */
  async find(userId: string): Promise<UserRecord | null> {
    const known = this.peek(userId);
    if (known !== undefined) return known;
    const reading = this.#reading.get(userId) ?? this.#read(userId);
    return await reading;
  }

  /** The user has just signed in: what was known, or is being read at this moment, is old. */
  forget(userId: string): void {
    this.#users.delete(userId);
    this.#reading.delete(userId);
  }

  #read(userId: string): Promise<UserRecord | null> {
    const { store, clock } = this.#services;
    const reading = store.get(users, userId).then((entry) => {
      const user = entry === null ? null : frozen(entry.value);
      // Unless it was forgotten meanwhile.
      if (this.#reading.get(userId) === reading) this.#remember(userId, { user, readAt: clock.now() });
      return user;
    }).finally(() => {
      if (this.#reading.get(userId) === reading) this.#reading.delete(userId);
    });
    this.#reading.set(userId, reading);
    return reading;
  }

  #remember(userId: string, cached: Cached): void {
    const [oldest] = this.#users.keys();
    if (this.#users.size >= MAX_USERS && oldest !== undefined) this.#users.delete(oldest);
    // Behind all others, so that the first is the one that was read longest ago.
    this.#users.delete(userId);
    this.#users.set(userId, cached);
  }
}

/** Claims nest as an identity provider likes: they are walked without recursion. */
function frozen(user: UserRecord): UserRecord {
  const waiting: object[] = [user];
  for (const value of waiting) {
    Object.freeze(value);
    for (const item of Object.values(value)) {
      if (typeof item === "object" && item !== null) waiting.push(item);
    }
  }
  return user;
}
