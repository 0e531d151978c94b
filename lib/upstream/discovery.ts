/**
 * Finding the upstream's authorization server (MCP authorization, RFC 9728, RFC 8414): the challenge, the protected resource metadata,
 * the authorization server metadata. All of it is hostile input: `resource` and `issuer` must be exactly what was asked for.
 */
import * as oauth from "@panva/oauth4webapi";
import { type Fetch, RedirectedError } from "../http/outbound_fetch.ts";
import type { Clock } from "../runtime/clock.ts";
import type { UpstreamServer } from "../store/upstream_schema.ts";
import type { ConnectionSettings } from "./connection_settings.ts";
import { probeChallenge } from "./challenge.ts";
import { readDocument } from "./document.ts";
import { type BrowserHosts, readServer } from "./server_metadata.ts";
import { UpstreamError } from "./upstream_error.ts";

const FRESH_MS = 10 * 60_000;

/** What a connection can be made with. */
export interface Discovered {
  readonly server: UpstreamServer;
  /** The exact `resource` of the metadata; `null` without metadata, or if it must not be sent. */
  readonly resource: string | null;
  /** Scopes that the upstream's challenge asks for; `null`: it does not say. */
  readonly challengeScope: readonly string[] | null;
  /** `scopes_supported` of the protected resource metadata. */
  readonly resourceScopes: readonly string[] | null;
}

/** Why there is no metadata: nothing is there; or a page, a redirect, or something else that is no JSON object. */
type NoDocument = "nothing" | "unusable";

/** Discovers and keeps what it found for ten minutes. One per connection and process. */
export class Discovery {
  readonly #settings: ConnectionSettings;
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  readonly #hosts: BrowserHosts;
  #known: { readonly value: Discovered; readonly readAt: number } | null = null;
  #running: Promise<Discovered> | null = null;

  /** `fetch` must judge the addresses of everything that is not at the upstream's own origin. */
  constructor(
    settings: ConnectionSettings,
    options: { readonly fetch: Fetch; readonly clock: Clock } & Omit<BrowserHosts, "home">,
  ) {
    const { allowLoopback, allowPrivateNetwork } = options;
    this.#hosts = { home: new URL(settings.upstream).origin, allowLoopback, allowPrivateNetwork };
    this.#settings = settings;
    this.#fetch = options.fetch;
    this.#clock = options.clock;
  }

  /** What was found at most `maxAgeMs` milliseconds ago, or is found now. @throws {UpstreamError} `unavailable` or `refused` */
  async get(maxAgeMs: number = FRESH_MS): Promise<Discovered> {
    const known = this.#known;
    if (known !== null && this.#clock.now() - known.readAt < maxAgeMs) return known.value;
    this.#running ??= this.#discover().finally(() => {
      this.#running = null;
    });
    return await this.#running;
  }

  /** Forgets what was found: something failed that a change at the upstream would explain. */
  forget(): void {
    this.#known = null;
  }

  async #discover(): Promise<Discovered> {
    const challenge = await probeChallenge(this.#settings.upstream, this.#fetch);
    const metadata = await this.#resourceMetadata(challenge.resourceMetadata);
    const described = typeof metadata === "object" ? metadata : null;
    const value: Discovered = {
      server: typeof metadata === "object"
        ? await this.#server(metadata)
        : await this.#serverWithoutMetadata(metadata),
      resource: this.#settings.overrides.omitResource ? null : described?.resource ?? null,
      challengeScope: challenge.scope,
      resourceScopes: described?.scopes_supported ?? null,
    };
    this.#known = { value, readAt: this.#clock.now() };
    return value;
  }

  /** By configuration, by the challenge, at the path's place, at the root. */
  async #resourceMetadata(fromChallenge: string | null): Promise<oauth.ResourceServer | NoDocument> {
    const named = this.#settings.protectedResourceMetadataUrl ?? fromChallenge;
    const { upstream, overrides } = this.#settings;
    const places = named !== null ? [{ url: named, resources: [upstream] }] : wellKnownResources(upstream);
    const found = await this.#search(places, "resource_metadata_status");
    if (typeof found === "object") {
      return readResource(
        found.document,
        overrides.resource === null ? found.place.resources : [overrides.resource],
      );
    }
    if (named === null) return found;
    throw new UpstreamError(
      "refused",
      found === "nothing" ? "resource_metadata_missing" : "resource_metadata_unusable",
    );
  }

  async #server(metadata: oauth.ResourceServer): Promise<UpstreamServer> {
    const identifier = metadata.authorization_servers?.[0] ?? "";
    const places = wellKnownServerUrls(identifier).map((url) => ({ url }));
    const found = await this.#search(places, "server_metadata_status");
    if (typeof found === "object") return this.#readServer(found.document, identifier);
    throw new UpstreamError(
      "refused",
      found === "nothing" ? "server_metadata_missing" : "server_metadata_unusable",
    );
  }

  /**
   * 2025-03-26: the upstream's origin is its own authorization server, maybe with metadata, else at default places. These are assumed only where
   * nothing is anywhere: behind a page for every address there is nothing, either.
   */
  async #serverWithoutMetadata(resourceMetadata: NoDocument): Promise<UpstreamServer> {
    const { origin } = new URL(this.#settings.upstream);
    const place = { url: `${origin}/.well-known/oauth-authorization-server` };
    const found = await this.#search([place], "server_metadata_status");
    if (typeof found === "object") return this.#readServer(found.document, origin);
    if (resourceMetadata === "unusable") throw new UpstreamError("refused", "resource_metadata_unusable");
    if (found === "unusable") throw new UpstreamError("refused", "server_metadata_unusable");
    return {
      issuer: origin,
      authorizationEndpoint: `${origin}/authorize`,
      tokenEndpoint: `${origin}/token`,
      registrationEndpoint: `${origin}/register`,
      revocationEndpoint: null,
      authMethods: ["none", "client_secret_post", "client_secret_basic"],
      sendsIss: false,
      takesMetadataDocuments: false,
      offersOfflineAccess: false,
    };
  }

  /** The first document at these places. @throws {UpstreamError} `unavailable` with this reason if it is open whether there is one */
  async #search<Place extends { readonly url: string }>(
    places: readonly Place[],
    reason: string,
  ): Promise<{ readonly place: Place; readonly document: object } | NoDocument> {
    let [unclear, unusable] = [false, false];
    for (const place of places) {
      const response = await this.#ask(place.url);
      const document = response?.status === 200 ? await readDocument(response) : null;
      if (typeof document === "object" && document !== null && !Array.isArray(document)) {
        return { place, document };
      }
      unusable ||= response === null || response.status < 400;
      unclear ||= response !== null && isUnclear(response, reason);
    }
    if (unclear) throw new UpstreamError("unavailable", reason);
    return unusable ? "unusable" : "nothing";
  }

  #readServer(document: object, identifier: string): UpstreamServer {
    return readServer(document, {
      issuer: this.#settings.overrides.issuer ?? identifier,
      assumePkce: this.#settings.overrides.assumePkce,
      hosts: this.#hosts,
    });
  }

  /** `null`: it redirected, which one way out tells by an error and another by the status. */
  async #ask(url: string): Promise<Response | null> {
    try {
      return await this.#fetch(url, { headers: { accept: "application/json" } });
    } catch (cause) {
      if (cause instanceof RedirectedError) return null;
      throw new UpstreamError("unavailable", "metadata_unreachable", { cause });
    }
  }
}

/**
 * Whether the answer leaves open if there is a document: a proxy whose server is down (502), or a limit. The next place may have one, but that
 * there is none does not follow. @throws {UpstreamError} `unavailable` for every other 5xx, which ends the search
 */
function isUnclear({ status }: Response, reason: string): boolean {
  if (status >= 500 && status !== 502) throw new UpstreamError("unavailable", reason);
  return status === 502 || status === 429;
}

/** @throws {UpstreamError} `refused` unless it describes one of the `expected` resources */
function readResource(document: object, expected: readonly string[]): oauth.ResourceServer {
  const resource = "resource" in document ? document.resource : null;
  if (
    typeof resource !== "string" ||
    !expected.some((each) => withoutSlash(each) === withoutSlash(resource))
  ) {
    // A hostile upstream names somebody else's resource to get a token for it (CVE-2026-130766).
    throw new UpstreamError("refused", "resource_differs");
  }
  const [issuer] = stringsOf(document, "authorization_servers") ?? [];
  if (issuer === undefined) throw new UpstreamError("refused", "resource_without_authorization_server");
  const scopes = stringsOf(document, "scopes_supported");
  return {
    resource,
    authorization_servers: [issuer],
    ...(scopes === null ? {} : { scopes_supported: scopes }),
  };
}

/** Where the metadata may be, and which resources it may describe there: at the root, RFC 9728 §3.3 has it describe the whole origin. */
function wellKnownResources(
  upstream: string,
): { readonly url: string; readonly resources: readonly string[] }[] {
  const { origin, pathname } = new URL(upstream);
  const root = { url: `${origin}/.well-known/oauth-protected-resource`, resources: [upstream, origin] };
  return pathname === "/"
    ? [root]
    : [{ url: root.url + pathname.replace(/\/$/, ""), resources: [upstream] }, root];
}

/** In the order of the MCP specification: a path is inserted behind the well-known name, or the name is appended. */
function wellKnownServerUrls(issuer: string): string[] {
  const url = URL.parse(issuer);
  if (url === null) throw new UpstreamError("refused", "issuer_malformed");
  const { origin } = url;
  const path = url.pathname.replace(/\/$/, "");
  const oauthServer = `${origin}/.well-known/oauth-authorization-server`;
  const openid = `${origin}/.well-known/openid-configuration`;
  return path === ""
    ? [oauthServer, openid]
    : [oauthServer + path, openid + path, `${origin}${path}/.well-known/openid-configuration`];
}

function stringsOf(document: object, member: string): string[] | null {
  const value: unknown = Reflect.get(document, member);
  return Array.isArray(value) && value.every((each) => typeof each === "string") ? value : null;
}

function withoutSlash(url: string): string {
  return url.endsWith("/") ? url.slice(0, -1) : url;
}
