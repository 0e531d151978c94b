/**
 * Finding the upstream's authorization server (MCP authorization, RFC 9728, RFC 8414): the challenge, the protected resource metadata,
 * the authorization server metadata. All of it is hostile input: `resource` and `issuer` must be exactly what was asked for.
 */
import * as oauth from "@panva/oauth4webapi";
import type { Fetch } from "../http/outbound_fetch.ts";
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
    const value: Discovered = {
      server: metadata === null ? await this.#serverWithoutMetadata() : await this.#server(metadata),
      resource: this.#settings.overrides.omitResource ? null : metadata?.resource ?? null,
      challengeScope: challenge.scope,
      resourceScopes: metadata?.scopes_supported ?? null,
    };
    this.#known = { value, readAt: this.#clock.now() };
    return value;
  }

  /** By configuration, by the challenge, at the path's place, at the root; `null` if there is none (2025-03-26). */
  async #resourceMetadata(fromChallenge: string | null): Promise<oauth.ResourceServer | null> {
    const named = this.#settings.protectedResourceMetadataUrl ?? fromChallenge;
    const { upstream, overrides } = this.#settings;
    const candidates = named !== null
      ? [{ url: named, resources: [upstream] }]
      : wellKnownResources(upstream);
    let unclear = false;
    for (const { url, resources } of candidates) {
      const response = await this.#ask(url);
      const expected = overrides.resource === null ? resources : [overrides.resource];
      if (response.status === 200) return await readResource(response, expected);
      unclear ||= isUnclear(response, "resource_metadata_status");
    }
    if (unclear) throw new UpstreamError("unavailable", "resource_metadata_status");
    if (named !== null) throw new UpstreamError("refused", "resource_metadata_missing");
    return null;
  }

  async #server(metadata: oauth.ResourceServer): Promise<UpstreamServer> {
    const identifier = metadata.authorization_servers?.[0] ?? "";
    let unclear = false;
    for (const url of wellKnownServerUrls(identifier)) {
      const response = await this.#ask(url);
      if (response.status === 200) return await this.#readServer(response, identifier);
      unclear ||= isUnclear(response, "server_metadata_status");
    }
    if (unclear) throw new UpstreamError("unavailable", "server_metadata_status");
    throw new UpstreamError("refused", "server_metadata_missing");
  }

  /** 2025-03-26: the upstream's origin is its own authorization server, maybe with metadata, else at default places. */
  async #serverWithoutMetadata(): Promise<UpstreamServer> {
    const { origin } = new URL(this.#settings.upstream);
    const response = await this.#ask(`${origin}/.well-known/oauth-authorization-server`);
    if (response.status === 200) return await this.#readServer(response, origin);
    if (isUnclear(response, "server_metadata_status")) {
      throw new UpstreamError("unavailable", "server_metadata_status");
    }
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

  async #readServer(response: Response, identifier: string): Promise<UpstreamServer> {
    return readServer(await readDocument(response), {
      issuer: this.#settings.overrides.issuer ?? identifier,
      assumePkce: this.#settings.overrides.assumePkce,
      hosts: this.#hosts,
    });
  }

  async #ask(url: string): Promise<Response> {
    try {
      return await this.#fetch(url, { headers: { accept: "application/json" } });
    } catch (cause) {
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
async function readResource(
  response: Response,
  expected: readonly string[],
): Promise<oauth.ResourceServer> {
  const document = await readDocument(response);
  const resource = typeof document === "object" && document !== null && "resource" in document
    ? document.resource
    : null;
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

function stringsOf(document: unknown, member: string): string[] | null {
  if (typeof document !== "object" || document === null) return null;
  const value: unknown = Reflect.get(document, member);
  return Array.isArray(value) && value.every((each) => typeof each === "string") ? value : null;
}

function withoutSlash(url: string): string {
  return url.endsWith("/") ? url.slice(0, -1) : url;
}
