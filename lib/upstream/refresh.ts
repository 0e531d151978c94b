/**
 * Refreshing a connection (RFC 6749 §6): one refresh per owner and connection across processes, by a lease. New tokens are stored before
 * they are used; only the server's own word ends a credential; a server in trouble is left alone for a while.
 */
import { type Lease, takeLease } from "../store/lease.ts";
import type { Services } from "../services.ts";
import { type Entry, RecordTooLargeError } from "../store/store.ts";
import type { ConnectionRecord, UpstreamServer } from "../store/upstream_schema.ts";
import type { ConnectParts } from "./connect.ts";
import type { ConnectionRecords } from "./connection_records.ts";
import { type Credential, credentialOf, STALE } from "./credential.ts";
import { RefreshPauses } from "./refresh_pause.ts";
import { currentClient } from "./registration.ts";
import { askAsClient, isRegistered } from "./registration_check.ts";
import { refreshTokens, revokeToken, TokenRefusedError, type UpstreamTokens } from "./token_endpoint.ts";
import { UpstreamError } from "./upstream_error.ts";

/** How long a connection is kept from its last use, in milliseconds. */
export const CONNECTION_TTL_MS = 365 * 86_400_000;
/** Longer than the token endpoint may take, shorter than callers wait: a process that died in between fails no call. */
const LEASE_MS = 12_000;
const POLL_MS = 50;
const LONGEST_WAIT_MS = 15_000;
/** How old our knowledge of the server may be when it has failed us, and how long looking again may take. */
const LOOK_AGAIN_MS = 60_000;
const LONGEST_LOOK_MS = 3_000;
/** How long the store may be out of order while it should take new tokens. */
const STORE_PATIENCE_MS = 20_000;
const STORE_PAUSE_MS = 200;

type RefreshServices = Pick<Services, "store" | "clock" | "random" | "events">;

/** What refreshing is done with. */
export interface RefreshParts extends ConnectParts {
  readonly services: RefreshServices;
  readonly records: ConnectionRecords;
}

/** The refreshes of one connection in one process. */
export class Refreshes {
  readonly #parts: RefreshParts;
  readonly #running = new Map<string, Promise<Credential>>();
  readonly #pauses: RefreshPauses;

  constructor(parts: RefreshParts) {
    this.#parts = parts;
    this.#pauses = new RefreshPauses(parts.services, parts.settings.id);
  }

  /**
   * The owner's credential in place of `stale`; callers at the same time share one refresh of it and its outcome.
   * @throws {UpstreamError} `unavailable`: not now, but the credential is kept
   */
  once(owner: string, stale: ConnectionRecord): Promise<Credential> {
    // One that is about to end may have brought the very token that its caller now finds refused: that is another refresh.
    const key = JSON.stringify([owner, stale.accessToken, stale.refreshToken, stale.obtainedAt]);
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const paused = this.#pauses.known(owner, stale);
    if (paused !== null) return Promise.reject(paused);
    const refreshing = this.#refresh(owner, stale).finally(() => this.#running.delete(key));
    this.#running.set(key, refreshing);
    return refreshing;
  }

  /** Waits for what is under way: a process that ends in between loses what a server with one-time refresh tokens has given out. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }

  /** Whoever gets the lease refreshes; the others wait until another credential is in the store, or nobody may ask. */
  async #refresh(owner: string, stale: ConnectionRecord): Promise<Credential> {
    const { services, settings, records } = this.#parts;
    const until = performance.now() + LONGEST_WAIT_MS;
    while (performance.now() < until) {
      const lease = await takeLease(services, `refresh:${owner}:${settings.id}`, LEASE_MS);
      try {
        const entry = await records.current(owner);
        if (entry === null) return { kind: "absent" };
        const { value } = entry;
        if (value.dead || !isSame(value, stale)) return this.#adopt(entry);
        const failures = await this.#pauses.failures(owner, value);
        if (lease !== null) return await this.#attempt(entry, lease, failures);
      } finally {
        await lease?.release();
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new UpstreamError("unavailable", "refresh_busy");
  }

  /** Asks the server; if it does not help, everybody leaves it alone for a while, before the lease is given back. */
  async #attempt(
    entry: Entry<ConnectionRecord>,
    lease: Lease,
    failures: number,
  ): Promise<Credential> {
    try {
      const server = failures === 0 ? entry.value.server : await this.#serverNow(entry.value, lease);
      if (server === null) return await this.#end(entry, "upstream_issuer_changed");
      return await this.#exchange(entry, server, lease);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const [owner] = entry.id;
      const paused = await this.#pauses.begin(owner, entry.value, { cause: error, failures });
      this.#parts.services.events.emit("warn", "mcp_auth_upstream_refresh_failed", {
        upstreamServerId: this.#parts.settings.id,
        subjectId: owner,
        reasonCode: error.reason,
      });
      throw paused;
    }
  }

  /**
   * The server as its metadata describes it by now, if that can be had soon; else as it was. `null`: the upstream names another issuer, to which
   * nothing of the old may be sent. A client that was registered by hand stays with its issuer: that is the operator's to mend.
   */
  async #serverNow({ server, resource }: ConnectionRecord, lease: Lease): Promise<UpstreamServer | null> {
    const { discovery, settings } = this.#parts;
    const late = Promise.withResolvers<null>();
    const timer = setTimeout(() => late.resolve(null), LONGEST_LOOK_MS);
    const looking = discovery.get(LOOK_AGAIN_MS).catch(() => null);
    const found = await Promise.race([looking, late.promise]);
    clearTimeout(timer);
    if (!await lease.extend(LEASE_MS)) throw new UpstreamError("unavailable", "refresh_lease_lost");
    // An upstream in trouble may have no metadata for a while, and then seems to be its own issuer.
    if (found === null || found.resource === null || found.resource !== resource) return server;
    if (found.server.issuer === server.issuer) return found.server;
    return settings.clientRegistration.mode === "manual" ? server : null;
  }

  async #exchange(
    entry: Entry<ConnectionRecord>,
    server: UpstreamServer,
    lease: Lease,
  ): Promise<Credential> {
    const { services, settings, tokenEndpoint } = this.#parts;
    const { value } = entry;
    const { refreshToken } = value;
    if (refreshToken === null) return STALE;
    const client = currentClient(settings, value.client);
    let asked = 0;
    let tokens: UpstreamTokens;
    try {
      tokens = await askAsClient(
        services,
        tokenEndpoint,
        { settings, server, client },
        async () => {
          // Asking more than once may take longer than one lease.
          if (asked++ > 0 && !await lease.extend(LEASE_MS)) {
            throw new UpstreamError("unavailable", "refresh_lease_lost");
          }
          return await refreshTokens(tokenEndpoint, { ...value, server, client, refreshToken });
        },
      );
    } catch (error) {
      if (!(error instanceof TokenRefusedError)) throw error;
      return await this.#refused(entry, error);
    }
    const now = services.clock.now();
    const fresh = {
      server,
      accessToken: tokens.accessToken,
      // A server that sends no new refresh token means the old one to be kept (RFC 6749 §6).
      refreshToken: tokens.refreshToken ?? refreshToken,
      ...(tokens.scope === null ? {} : { scope: [...tokens.scope] }),
      obtainedAt: now,
      accessTokenExpiresAt: tokens.expiresIn === null ? null : now + tokens.expiresIn * 1000,
      expiresAt: now + CONNECTION_TTL_MS,
    };
    const stored = await this.#change(entry, fresh);
    // The user disconnected or connected anew meanwhile: what is stored now counts, and not these tokens.
    if (stored === null) {
      await revokeToken(tokenEndpoint, { server, client }, fresh.refreshToken);
      return { kind: "absent" };
    }
    const refreshed = isSame(stored.value, { ...value, ...fresh });
    if (refreshed) {
      services.events.emit("info", "mcp_auth_upstream_token_refreshed", {
        upstreamServerId: settings.id,
        subjectId: entry.id[0],
      });
    }
    return this.#adopt(stored, { refreshed });
  }

  /**
   * Changes the credential that was read, also if something else of its row has changed since: a scope that is missing, or the key
   * that seals it. Returns what is stored then: the change, another credential that came between, or nothing.
   */
  async #change(
    entry: Entry<ConnectionRecord>,
    change: Partial<ConnectionRecord>,
  ): Promise<Entry<ConnectionRecord> | null> {
    const { records } = this.#parts;
    let last: Entry<ConnectionRecord> | null = entry;
    while (last !== null && isSame(last.value, entry.value)) {
      const value: ConnectionRecord = { ...last.value, ...change };
      const read = last;
      if (await untilStored(() => records.change(read, value))) return { ...read, value };
      last = await untilStored(() => records.current(entry.id[0]));
    }
    return last;
  }

  /** The server's word: the grant is over, or it has forgotten us. Everything else may pass. */
  async #refused(entry: Entry<ConnectionRecord>, error: TokenRefusedError): Promise<Credential> {
    const { settings } = this.#parts;
    const { value } = entry;
    // A client that nobody can forget is the operator's to mend, or the server cannot read our document; connecting anew would not help.
    const ending = isRegistered(settings, value.client)
      ? ["invalid_grant", "invalid_client", "unauthorized_client"]
      : ["invalid_grant"];
    if (!ending.includes(error.code)) {
      throw new UpstreamError("unavailable", "refresh_refused", { cause: error });
    }
    return await this.#end(
      entry,
      error.code === "invalid_client" ? "upstream_forgot_client" : "upstream_ended_grant",
    );
  }

  /** From now on the user has to consent again, unless they have connected anew meanwhile. */
  async #end(entry: Entry<ConnectionRecord>, reasonCode: string): Promise<Credential> {
    const { services, settings } = this.#parts;
    const stored = await this.#change(entry, { dead: true });
    if (stored === null) return { kind: "absent" };
    if (!stored.value.dead) return this.#adopt(stored);
    services.events.emit("warn", "mcp_auth_upstream_connection_lost", {
      upstreamServerId: settings.id,
      subjectId: entry.id[0],
      reasonCode,
    });
    return STALE;
  }

  #adopt(
    { id, value }: Entry<ConnectionRecord>,
    how: { readonly refreshed: boolean } = { refreshed: false },
  ): Credential {
    this.#parts.records.forget(id[0]);
    return credentialOf(value, how);
  }
}

/** Whether two records hold one and the same credential. A server may answer a refresh with the tokens that it gave out before. */
function isSame(one: ConnectionRecord, other: ConnectionRecord): boolean {
  return one.accessToken === other.accessToken && one.refreshToken === other.refreshToken &&
    one.obtainedAt === other.obtainedAt;
}

/**
 * What a server with one-time refresh tokens has given out exists only here until it is stored: a store that is busy is waited for.
 * @throws {UpstreamError} `refused` at once for what no row can hold
 */
async function untilStored<Result>(attempt: () => Promise<Result>): Promise<Result> {
  const until = performance.now() + STORE_PATIENCE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      // No patience makes room for it.
      if (error instanceof RecordTooLargeError) {
        throw new UpstreamError("refused", "upstream_answer_too_large", { cause: error });
      }
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, STORE_PAUSE_MS));
    }
  }
}
