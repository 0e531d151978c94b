/**
 * A user's connection to an upstream: kept sealed, used, refreshed silently. One refresh per owner and connection, across processes; new
 * tokens are stored before they are used; only the server's own word ends a credential, never an outage.
 */
import { takeLease } from "../store/lease.ts";
import type { Services } from "../services.ts";
import type { Entry } from "../store/store.ts";
import type { ConnectionRecord, ConnectRecord } from "../store/upstream_schema.ts";
import { ConnectionRecords } from "./connection_records.ts";
import type { ConnectionSettings } from "./connection_settings.ts";
import { RefreshTime } from "./refresh_time.ts";
import { currentClient, forgetRegistration } from "./registration.ts";
import {
  refreshTokens,
  revokeToken,
  type TokenEndpointParts,
  TokenRefusedError,
  type UpstreamTokens,
} from "./token_endpoint.ts";
import { UpstreamError } from "./upstream_error.ts";

const TTL_MS = 365 * 86_400_000;
/** Longer than the token endpoint may take, shorter than callers wait: a process that died in between fails no call. */
const REFRESH_LEASE_MS = 12_000;
const WAIT_MS = 50;
const LONGEST_WAIT_MS = 15_000;

/** What a call can be made with, or why not. */
export type Credential =
  | { readonly kind: "ready"; readonly accessToken: string }
  /** The user has never connected, or has disconnected. */
  | { readonly kind: "absent" }
  /** The user has to consent again. */
  | { readonly kind: "stale"; readonly missingScope: readonly string[] | null };

const STALE: Credential = { kind: "stale", missingScope: null };

type ConnectionServices = Pick<Services, "store" | "clock" | "random" | "revocations" | "events">;

/** The connections of all owners at one upstream. One per connection and process. */
export class Connections {
  readonly #services: ConnectionServices;
  readonly #settings: ConnectionSettings;
  readonly #tokenEndpoint: TokenEndpointParts;
  readonly #records: ConnectionRecords;
  readonly #refreshTime: RefreshTime;
  readonly #refreshing = new Map<string, Promise<Credential>>();

  constructor(services: ConnectionServices, settings: ConnectionSettings, tokenEndpoint: TokenEndpointParts) {
    this.#services = services;
    this.#settings = settings;
    this.#tokenEndpoint = tokenEndpoint;
    this.#records = new ConnectionRecords(services, settings.id);
    this.#refreshTime = new RefreshTime(settings.id, services.random);
  }

  /** The owner's credential, refreshed if it is about to expire. @throws {UpstreamError} `unavailable` if it has expired and cannot be refreshed now */
  async get(owner: string): Promise<Credential> {
    await this.#services.revocations.refresh();
    const entry = await this.#records.cached(owner);
    if (entry === null) return { kind: "absent" };
    const { value } = entry;
    if (value.dead) return STALE;
    const now = this.#services.clock.now();
    const { accessTokenExpiresAt: expiresAt } = value;
    if (expiresAt === null || !this.#refreshTime.hasCome(owner, value, now)) return ready(value);
    if (value.refreshToken === null) return now < expiresAt ? ready(value) : STALE;
    try {
      return await this.#refreshOnce(owner, value.accessToken);
    } catch (error) {
      if (error instanceof UpstreamError && now < expiresAt) return ready(value);
      throw error;
    }
  }

  /** The credential after the upstream refused `rejected` with 401, whatever the clock says. @throws {UpstreamError} */
  async renew(owner: string, rejected: string): Promise<Credential> {
    this.#records.forget(owner);
    const entry = await this.#records.cached(owner);
    if (entry === null) return { kind: "absent" };
    if (entry.value.dead) return STALE;
    if (entry.value.accessToken !== rejected) return ready(entry.value);
    if (entry.value.refreshToken === null) {
      await this.#records.change(entry, { ...entry.value, dead: true });
      return STALE;
    }
    return await this.#refreshOnce(owner, rejected);
  }

  /**
   * The upstream refused `rejected` for want of `scope`: the user has to consent to it. Other calls go on as before, since the user
   * may not want to. `null`: the user has consented to all of it, so asking once more would be a loop.
   */
  async needScope(owner: string, rejected: string, scope: readonly string[]): Promise<Credential | null> {
    this.#records.forget(owner);
    const entry = await this.#records.cached(owner);
    if (entry === null) return { kind: "absent" };
    const { value } = entry;
    if (value.dead) return STALE;
    if (value.accessToken !== rejected) return ready(value);
    if (scope.every((each) => value.scope?.includes(each))) return null;
    const missingScope = [...new Set([...value.missingScope ?? [], ...scope])];
    if (missingScope.length !== value.missingScope?.length) {
      await this.#records.change(entry, { ...value, missingScope });
    }
    return { kind: "stale", missingScope: scope };
  }

  /** What a new consent has to cover beside the usual: the former scopes with those that calls were found to need. */
  async neededScope(owner: string): Promise<readonly string[] | null> {
    const entry = await this.#records.current(owner);
    if (entry === null || entry.value.missingScope === null) return null;
    return [...entry.value.scope ?? [], ...entry.value.missingScope];
  }

  /**
   * Stores what a connect obtained, in place of what was there. `false`: while its code was exchanged, the owner disconnected or
   * finished another connect, and that counts; the tokens are given back.
   */
  async store(connect: Entry<ConnectRecord>, tokens: UpstreamTokens): Promise<boolean> {
    const now = this.#services.clock.now();
    const { server, client, resource, scope, owner } = connect.value;
    const record: ConnectionRecord = {
      server,
      client,
      resource,
      accessToken: tokens.accessToken,
      refreshToken: tokens.refreshToken,
      scope: [...tokens.scope ?? scope ?? []],
      obtainedAt: now,
      accessTokenExpiresAt: tokens.expiresIn === null ? null : now + tokens.expiresIn * 1000,
      missingScope: null,
      dead: false,
      connectedAt: now,
      expiresAt: now + TTL_MS,
    };
    if (await this.#records.put(owner, connect.id[0], record)) return true;
    // At some servers to revoke one token ends all: not while the owner has another one there.
    if (await this.#records.current(owner) === null) await this.#revoke(record);
    return false;
  }

  /** Since when the owner has a credential that works as far as is known, in milliseconds since the epoch; `null` without one. */
  async connectedAt(owner: string): Promise<number | null> {
    const entry = await this.#records.current(owner);
    if (entry === null || entry.value.dead || entry.value.missingScope !== null) return null;
    const { refreshToken, accessTokenExpiresAt: expiresAt, connectedAt } = entry.value;
    const works = refreshToken !== null || expiresAt === null || this.#services.clock.now() < expiresAt;
    return works ? connectedAt : null;
  }

  /** Forgets the owner's credential, and asks the upstream to do so, too. */
  async disconnect(owner: string): Promise<void> {
    const removed = await this.#records.remove(owner);
    if (removed !== null) await this.#revoke(removed.value);
  }

  #revoke(record: ConnectionRecord): Promise<boolean> {
    return revokeToken(this.#tokenEndpoint, record, record.refreshToken ?? record.accessToken);
  }

  #refreshOnce(owner: string, staleToken: string): Promise<Credential> {
    const running = this.#refreshing.get(owner);
    if (running !== undefined) return running;
    const refreshing = this.#refresh(owner, staleToken).finally(() => this.#refreshing.delete(owner));
    this.#refreshing.set(owner, refreshing);
    return refreshing;
  }

  /** Whoever gets the lease refreshes; the others wait until the token in the store is another one. */
  async #refresh(owner: string, staleToken: string): Promise<Credential> {
    const until = performance.now() + LONGEST_WAIT_MS;
    while (performance.now() < until) {
      const release = await takeLease(
        this.#services,
        `refresh:${owner}:${this.#settings.id}`,
        REFRESH_LEASE_MS,
      );
      try {
        const entry = await this.#records.current(owner);
        if (entry === null) return { kind: "absent" };
        if (entry.value.dead) return STALE;
        if (entry.value.accessToken !== staleToken) return this.#adopt(owner, entry);
        if (release !== null) return await this.#exchange(owner, entry);
      } finally {
        await release?.();
      }
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    }
    throw new UpstreamError("unavailable", "refresh_busy");
  }

  async #exchange(owner: string, entry: Entry<ConnectionRecord>): Promise<Credential> {
    const { value } = entry;
    const { refreshToken } = value;
    if (refreshToken === null) return STALE;
    let tokens: UpstreamTokens;
    try {
      tokens = await refreshTokens(this.#tokenEndpoint, {
        ...value,
        client: currentClient(this.#settings, value.client),
        refreshToken,
      });
    } catch (error) {
      if (!(error instanceof TokenRefusedError)) throw error;
      return await this.#refused(entry, error);
    }
    const now = this.#services.clock.now();
    const next: ConnectionRecord = {
      ...value,
      accessToken: tokens.accessToken,
      // A server that sends no new refresh token means the old one to be kept (RFC 6749 §6).
      refreshToken: tokens.refreshToken ?? refreshToken,
      scope: tokens.scope === null ? value.scope : [...tokens.scope],
      obtainedAt: now,
      accessTokenExpiresAt: tokens.expiresIn === null ? null : now + tokens.expiresIn * 1000,
      expiresAt: now + TTL_MS,
    };
    if (await this.#records.change(entry, next)) return ready(next);
    // The user disconnected or connected anew meanwhile: what is stored now counts, and not these tokens.
    const current = await this.#records.current(owner);
    if (current !== null) return this.#adopt(owner, current);
    await this.#revoke(next);
    return { kind: "absent" };
  }

  /** The server's word: the grant is over, or it has forgotten us. Everything else may pass. */
  async #refused(entry: Entry<ConnectionRecord>, error: TokenRefusedError): Promise<Credential> {
    const { value } = entry;
    // A client that was registered by hand is the operator's to mend; connecting anew would not help.
    const ending = this.#settings.clientRegistration.mode === "manual"
      ? ["invalid_grant"]
      : ["invalid_grant", "invalid_client", "unauthorized_client"];
    if (!ending.includes(error.code)) {
      throw new UpstreamError("unavailable", "refresh_refused", { cause: error });
    }
    if (error.code === "invalid_client") {
      await forgetRegistration(this.#services, this.#settings.id, value.client.clientId);
    }
    await this.#records.change(entry, { ...value, dead: true });
    this.#services.events.emit("warn", "mcp_auth_upstream_connection_lost", {
      upstreamServerId: this.#settings.id,
      subjectId: entry.id[0],
      reasonCode: error.code === "invalid_client" ? "upstream_forgot_client" : "upstream_ended_grant",
    });
    return STALE;
  }

  #adopt(owner: string, entry: Entry<ConnectionRecord>): Credential {
    this.#records.forget(owner);
    const { value } = entry;
    return value.dead ? STALE : ready(value);
  }
}

function ready({ accessToken }: ConnectionRecord): Credential {
  return { kind: "ready", accessToken };
}
