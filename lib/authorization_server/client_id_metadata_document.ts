/**
 * Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document): the client id is the URL of the client's metadata.
 * The URL is judged as the string it is, the document is fetched from a judged address, and both are hostile until proven otherwise.
 */
import { hashSecret } from "../crypto/secret_token.ts";
import type { Fetch } from "../http/outbound_fetch.ts";
import { parseStrictJson } from "../http/strict_json.ts";
import { RateLimiter } from "../observability/rate_limiter.ts";
import {
  type ClientMetadata,
  type ClientMetadataPolicy,
  parseClientMetadata,
} from "../oauth/client_metadata.ts";
import { parseHttpUri } from "../oauth/http_uri.ts";
import { isLoopbackHost } from "../oauth/redirect_uri.ts";
import type { Services } from "../services.ts";
import { clientDocuments } from "../store/schema.ts";
import { documentLifetime } from "./document_lifetime.ts";

/** Largest document, in bytes: the draft recommends 5 KB. */
export const MAX_DOCUMENT_BYTES = 5_120;

const MAX_JSON_DEPTH = 16;
const MAX_URL_LENGTH = 512;
const MAX_CACHED = 1_000;
const MAX_CONCURRENT = 32;
const FETCHES_PER_ORIGIN_AND_MINUTE = 30;
/** A client that is connected keeps working this long while its document cannot be had. */
const STALE_MS = 7 * 86_400_000;
const KEPT_MS = 90 * 86_400_000;
const METHODS = ["none", "private_key_jwt"] as const;

/** A client's metadata, and how it may authenticate. */
export interface ClientDocument {
  readonly clientId: string;
  readonly metadata: ClientMetadata;
  readonly authMethods: readonly (typeof METHODS)[number][];
}

/** The document cannot be used. `reason` is for the event log; strangers are told one text for all. */
export class ClientDocumentError extends Error {
  override readonly name = "ClientDocumentError";
  readonly reason: string;

  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(`The client metadata document is refused: ${reason}`, options);
    this.reason = reason;
  }
}

interface Cached {
  readonly document: ClientDocument;
  readonly text: string;
  /** Milliseconds since the epoch. */
  readonly freshUntil: number;
}

/** Fetches, checks and keeps documents. One per process. */
export class ClientDocuments {
  readonly #services: Pick<Services, "store" | "clock">;
  readonly #fetch: Fetch;
  readonly #policy: ClientMetadataPolicy;
  readonly #allowLoopback: boolean;
  readonly #pacer: RateLimiter;
  readonly #cache = new Map<string, Cached>();
  readonly #fetching = new Map<string, Promise<Cached>>();

  constructor(
    services: Pick<Services, "store" | "clock">,
    options: {
      readonly fetch: Fetch;
      readonly policy: ClientMetadataPolicy;
      readonly allowLoopback: boolean;
    },
  ) {
    this.#services = services;
    this.#fetch = options.fetch;
    this.#policy = options.policy;
    this.#allowLoopback = options.allowLoopback;
    this.#pacer = new RateLimiter({
      clock: services.clock,
      limit: FETCHES_PER_ORIGIN_AND_MINUTE,
      windowSeconds: 60,
    });
  }

  /** Whether a client id is meant as the URL of a document; other ids are looked up in the store. */
  isDocumentUrl(clientId: string): boolean {
    return /^https?:/i.test(clientId);
  }

  /** The current document. @throws {ClientDocumentError} */
  async get(clientId: string): Promise<ClientDocument> {
    const cached = this.#cache.get(clientId);
    if (cached !== undefined && this.#services.clock.now() < cached.freshUntil) return cached.document;
    return (await this.#refresh(clientId)).document;
  }

  /** The document of a client that is connected already: an outage of its host does not cut it off. @throws {ClientDocumentError} */
  async getConnected(clientId: string): Promise<ClientDocument> {
    const { store, clock } = this.#services;
    if (!this.#cache.has(clientId)) {
      const kept = await store.get(clientDocuments, hashSecret(clientId));
      if (kept !== null) {
        this.#remember(clientId, this.#understand(clientId, kept.value.text, kept.value.freshUntil));
      }
    }
    const cached = this.#cache.get(clientId);
    try {
      return await this.get(clientId);
    } catch (error) {
      if (cached !== undefined && clock.now() < cached.freshUntil + STALE_MS) return cached.document;
      throw error;
    }
  }

  /** Keeps the document that a user just approved, for {@linkcode getConnected}. */
  async keep(clientId: string): Promise<void> {
    const cached = this.#cache.get(clientId);
    if (cached === undefined) return;
    const { store, clock } = this.#services;
    const { text, freshUntil } = cached;
    const record = { clientId, text, freshUntil, expiresAt: clock.now() + KEPT_MS };
    await store.write().set(clientDocuments, [hashSecret(clientId)], record).commit();
  }

  #refresh(clientId: string): Promise<Cached> {
    const running = this.#fetching.get(clientId);
    if (running !== undefined) return running;
    const fetching = this.#fetchDocument(clientId).finally(() => this.#fetching.delete(clientId));
    this.#fetching.set(clientId, fetching);
    return fetching;
  }

  async #fetchDocument(clientId: string): Promise<Cached> {
    const origin = documentOrigin(clientId, this.#allowLoopback);
    const paced = this.#fetching.size >= MAX_CONCURRENT || this.#pacer.take(origin) > 0;
    if (paced && !await this.#hasOwnShare(clientId)) throw new ClientDocumentError("document_fetch_paced");
    let response: Response;
    try {
      response = await this.#fetch(clientId, { headers: { accept: "application/json" } });
    } catch (cause) {
      throw new ClientDocumentError("document_unreachable", { cause });
    }
    if (response.status !== 200) throw new ClientDocumentError("document_status");
    const type = response.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
    if (!/^application\/(?:[a-z0-9.!#$&^_-]+\+)?json$/.test(type)) {
      throw new ClientDocumentError("document_type");
    }
    const freshUntil = this.#services.clock.now() + documentLifetime(response.headers);
    const cached = this.#understand(clientId, decodeDocument(await response.bytes()), freshUntil);
    this.#remember(clientId, cached);
    return cached;
  }

  /** Anybody can use up the shares by naming made-up documents; a client that a user approved is fetched all the same. */
  async #hasOwnShare(clientId: string): Promise<boolean> {
    const approved = await this.#services.store.get(clientDocuments, hashSecret(clientId)) !== null;
    return approved && this.#pacer.take(`approved ${clientId}`) === 0;
  }

  #understand(clientId: string, text: string, freshUntil: number): Cached {
    return { document: readDocument(clientId, text, this.#policy), text, freshUntil };
  }

  #remember(clientId: string, cached: Cached): void {
    this.#cache.delete(clientId);
    this.#cache.set(clientId, cached);
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > MAX_CACHED && oldest !== undefined) this.#cache.delete(oldest);
  }
}

/** `Response.text()` would repair what is no UTF-8. @throws {ClientDocumentError} */
function decodeDocument(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new ClientDocumentError("document_not_json", { cause });
  }
}

/** Judges the URL as the raw string that it is, before any parser repairs it. @throws {ClientDocumentError} */
export function documentOrigin(clientId: string, allowLoopback: boolean): string {
  const uri = clientId.length > MAX_URL_LENGTH ? null : parseHttpUri(clientId);
  if (uri === null) throw new ClientDocumentError("document_url_malformed");
  if (uri.scheme !== "https" && !(allowLoopback && isLoopbackHost(uri.hostname))) {
    throw new ClientDocumentError("document_url_not_https");
  }
  const segments = uri.path.split("/").map((segment) => segment.replace(/%2e/gi, "."));
  const sound = uri.path !== "" && !clientId.includes("#") &&
    !segments.some((segment) => segment === "." || segment === "..");
  if (!sound) throw new ClientDocumentError("document_url_malformed");
  return uri.origin;
}

/** Checks the document. @throws {ClientDocumentError} */
export function readDocument(clientId: string, text: string, policy: ClientMetadataPolicy): ClientDocument {
  let document: unknown;
  try {
    document = parseStrictJson(new TextEncoder().encode(text), MAX_JSON_DEPTH);
  } catch (cause) {
    throw new ClientDocumentError("document_not_json", { cause });
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new ClientDocumentError("document_not_an_object");
  }
  const members = new Map<string, unknown>(Object.entries(document));
  // Byte by byte: whoever serves another URL's document is somebody else.
  if (members.get("client_id") !== clientId) throw new ClientDocumentError("document_client_id_differs");
  if (members.has("client_secret") || members.has("client_secret_expires_at")) {
    throw new ClientDocumentError("document_with_secret");
  }
  let metadata: ClientMetadata;
  try {
    metadata = parseClientMetadata({ ...document, token_endpoint_auth_method: "none" }, policy);
  } catch (cause) {
    throw new ClientDocumentError("document_metadata_refused", { cause });
  }
  if (metadata.clientName === null) throw new ClientDocumentError("document_without_name");
  return { clientId, metadata, authMethods: authMethodsOf(members, metadata) };
}

/** The plural says what the client can do; beside it the singular is only a preference. */
function authMethodsOf(
  members: ReadonlyMap<string, unknown>,
  metadata: ClientMetadata,
): readonly (typeof METHODS)[number][] {
  const plural = members.get("token_endpoint_auth_methods_supported");
  const singular = members.get("token_endpoint_auth_method");
  const stated: readonly unknown[] = Array.isArray(plural) ? plural : [singular ?? "none"];
  const hasKeys = metadata.jwks !== null || metadata.jwksUri !== null;
  const usable = METHODS.filter((method) => stated.includes(method) && (method === "none" || hasKeys));
  if (usable.length === 0) throw new ClientDocumentError("document_auth_method_unsupported");
  return usable;
}
