/**
 * A user's connection to an upstream: kept sealed, used, refreshed silently. One refresh per owner and connection, across processes; new
 * tokens are stored before they are used; only the server's own word ends a credential, never an outage.
 */
import type { Services } from "../services.ts";
import type { Entry } from "../store/store.ts";
import type { ConnectionRecord, ConnectRecord } from "../store/upstream_schema.ts";
import type { ConnectParts } from "./connect.ts";
import { ConnectionRecords } from "./connection_records.ts";
import { MAX_SCOPES } from "./challenge.ts";
import type { ConnectionSettings } from "./connection_settings.ts";
import { type Credential, credentialOf, STALE } from "./credential.ts";
import { CONNECTION_TTL_MS, Refreshes } from "./refresh.ts";
import { RefreshTime } from "./refresh_time.ts";
import { currentClient } from "./registration.ts";
import { boundedScopes } from "./scope_list.ts";
import { revokeToken, type TokenEndpointParts, type UpstreamTokens } from "./token_endpoint.ts";
import { UpstreamError } from "./upstream_error.ts";

/** A token that is about to expire is used rather than waited for longer than this, in milliseconds. */
const PATIENCE_MS = 2_000;
/** Who has connected more recently than this, in milliseconds, is not asked to do so again for a credential that is refused. */
const LOOP_MS = 60_000;

type ConnectionServices = Pick<Services, "store" | "clock" | "random" | "revocations" | "events">;

/** How an owner stands to an upstream. */
export interface Standing {
  /** `limited`: a call was found to need more than was consented to, the others go on. `ended`: the owner has to consent again. */
  readonly state: "works" | "limited" | "ended";
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  /** What was consented to, as far as is known. */
  readonly scope: readonly string[];
  /** What calls were found to need in addition. */
  readonly missingScope: readonly string[];
}

/** The connections of all owners at one upstream. One per connection and process. */
export class Connections {
  readonly #services: ConnectionServices;
  readonly #settings: ConnectionSettings;
  readonly #tokenEndpoint: TokenEndpointParts;
  readonly #records: ConnectionRecords;
  readonly #refreshTime: RefreshTime;
  readonly #refreshes: Refreshes;

  constructor(services: ConnectionServices, parts: ConnectParts) {
    const { settings, tokenEndpoint } = parts;
    this.#services = services;
    this.#settings = settings;
    this.#tokenEndpoint = tokenEndpoint;
    this.#records = new ConnectionRecords(services, settings);
    this.#refreshTime = new RefreshTime(settings.id, services.random);
    this.#refreshes = new Refreshes({ ...parts, services, records: this.#records });
  }

  /** The owner's access token, if it is known to be good without asking anybody. `null`: ask {@linkcode get}. */
  peek(owner: string): string | null {
    const { revocations, clock } = this.#services;
    const value = revocations.isFresh() ? this.#records.peek(owner)?.value : undefined;
    if (value === undefined || value.dead || this.#refreshTime.hasCome(owner, value, clock.now())) {
      return null;
    }
    return value.accessToken;
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
    if (expiresAt === null || !this.#refreshTime.hasCome(owner, value, now)) return credentialOf(value);
    if (value.refreshToken === null) return now < expiresAt ? credentialOf(value) : STALE;
    const refreshing = this.#refreshes.once(owner, value);
    return now < expiresAt ? await this.#meanwhile(refreshing, value) : await refreshing;
  }

  /**
   * The credential after the upstream refused `rejected` with 401, whatever the clock says: what somebody else has put in its place, else a
   * refreshed one. @throws {UpstreamError}
   */
  async renew(owner: string, rejected: string): Promise<Credential> {
    this.#records.forget(owner);
    const entry = await this.#records.cached(owner);
    if (entry === null) return { kind: "absent" };
    if (entry.value.dead) return STALE;
    if (entry.value.accessToken !== rejected) return credentialOf(entry.value);
    if (entry.value.refreshToken === null) {
      if (await this.#records.change(entry, { ...entry.value, dead: true })) {
        this.#services.events.emit("warn", "mcp_auth_upstream_connection_lost", {
          upstreamServerId: this.#settings.id,
          subjectId: owner,
          reasonCode: "upstream_refused_token",
        });
      }
      return STALE;
    }
    return await this.#refreshes.once(owner, entry.value);
  }

  /**
   * The upstream refused also the token that was refreshed after a first refusal, so that only the user can mend it. Nothing is forgotten: it may
   * be the upstream's own fault. `null`: the user has connected a moment ago, so asking once more would be a loop.
   */
  async refusedAgain(owner: string): Promise<Credential | null> {
    const entry = await this.#records.current(owner);
    if (entry === null) return { kind: "absent" };
    return this.#services.clock.now() - entry.value.connectedAt < LOOP_MS ? null : STALE;
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
    if (value.accessToken !== rejected) return credentialOf(value);
    if (scope.every((each) => value.scope?.includes(each))) return null;
    // Where there are too many, the latest are kept.
    const latest = [...new Set([...value.missingScope ?? [], ...scope])].slice(-MAX_SCOPES).reverse();
    const missingScope = boundedScopes(latest).reverse();
    if (missingScope.join(" ") !== value.missingScope?.join(" ")) {
      await this.#records.change(entry, { ...value, missingScope });
    }
    return { kind: "stale", missingScope: scope };
  }

  /** How the owner stands to the upstream as far as is known; `null`: not connected. */
  async standing(owner: string): Promise<Standing | null> {
    const entry = await this.#records.current(owner);
    if (entry === null) return null;
    const { value } = entry;
    const { refreshToken, accessTokenExpiresAt: expiresAt } = value;
    const ended = value.dead ||
      (refreshToken === null && expiresAt !== null && this.#services.clock.now() >= expiresAt);
    return {
      state: ended ? "ended" : value.missingScope === null ? "works" : "limited",
      connectedAt: value.connectedAt,
      scope: value.scope ?? [],
      missingScope: value.missingScope ?? [],
    };
  }

  /**
   * Stores what a connect obtained, in place of what was there. `false`: while its code was exchanged, the owner disconnected or
   * finished another connect, and that counts; the tokens are given back.
   */
  async store(connect: Entry<ConnectRecord>, tokens: UpstreamTokens): Promise<boolean> {
    const now = this.#services.clock.now();
    const { upstreamOrigin, server, client, resource, scope, owner } = connect.value;
    const record: ConnectionRecord = {
      upstreamOrigin,
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
      expiresAt: now + CONNECTION_TTL_MS,
    };
    if (await this.#records.put(owner, connect.id[0], record)) return true;
    // At some servers to revoke one token ends all: not while the owner has another one there.
    if (await this.#records.current(owner) === null) await this.#revoke(record);
    return false;
  }

  /** Forgets the owner's credential, and asks the upstream to do so, too. */
  async disconnect(owner: string): Promise<void> {
    const removed = await this.#records.remove(owner);
    if (removed !== null) await this.#revoke(removed.value);
  }

  #revoke(record: ConnectionRecord): Promise<boolean> {
    const { server, refreshToken, accessToken } = record;
    const client = currentClient(this.#settings, record.client);
    return revokeToken(this.#tokenEndpoint, { server, client }, refreshToken ?? accessToken);
  }

  /** Waits until no refresh is under way in this process. */
  settled(): Promise<void> {
    return this.#refreshes.settled();
  }

  /** A refresh ahead of time: what is there still works, so neither a slow server nor a failing one holds up a call. */
  async #meanwhile(refreshing: Promise<Credential>, value: ConnectionRecord): Promise<Credential> {
    const patience = Promise.withResolvers<null>();
    const timer = setTimeout(() => patience.resolve(null), PATIENCE_MS);
    try {
      const refreshed = await Promise.race([refreshing, patience.promise]);
      if (refreshed !== null) return refreshed;
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
    } finally {
      clearTimeout(timer);
    }
    const { accessTokenExpiresAt } = value;
    if (accessTokenExpiresAt !== null && this.#services.clock.now() >= accessTokenExpiresAt) {
      return await refreshing;
    }
    // Its failure is told by its event, and to those who cannot do without it.
    refreshing.catch(() => {});
    return credentialOf(value);
  }
}
