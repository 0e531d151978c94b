/**
 * What an OpenID Connect provider says of itself (OpenID Connect Discovery): only for details that the configuration does not hold.
 * Endpoints and keys come from the configuration; without the document, logins go on with the standard's defaults.
 */
import { z } from "zod";
import type { Fetch } from "../http/outbound_fetch.ts";
import type { Clock } from "../runtime/clock.ts";

const FRESH_MS = 3_600_000;
const RETRY_MS = 60_000;

const document = z.object({
  issuer: z.string(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional().catch(undefined),
  authorization_response_iss_parameter_supported: z.boolean().optional().catch(undefined),
  end_session_endpoint: z.url({ protocol: /^https?$/ }).optional().catch(undefined),
});

/** The details that are used. */
export interface ProviderMetadata {
  readonly authMethod: "client_secret_basic" | "client_secret_post";
  /** Whether every authorization response carries `iss` (RFC 9207). */
  readonly sendsIss: boolean;
  readonly endSessionEndpoint: string | null;
}

const DEFAULTS: ProviderMetadata = {
  authMethod: "client_secret_basic",
  sendsIss: false,
  endSessionEndpoint: null,
};

/** Reads the provider's document and keeps it for an hour; a failure is not asked about again for a minute. */
export class ProviderMetadataSource {
  readonly #issuer: string;
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  #known: ProviderMetadata = DEFAULTS;
  #validUntil = Number.NEGATIVE_INFINITY;
  #reading: Promise<ProviderMetadata> | null = null;

  constructor(options: { issuer: string; fetch: Fetch; clock: Clock }) {
    this.#issuer = options.issuer;
    this.#fetch = options.fetch;
    this.#clock = options.clock;
  }

  /** The details; never throws. */
  async get(): Promise<ProviderMetadata> {
    if (this.#clock.now() < this.#validUntil) return this.#known;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return await this.#reading;
  }

  async #read(): Promise<ProviderMetadata> {
    try {
      const url = `${this.#issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
      const response = await this.#fetch(url, { headers: { Accept: "application/json" } });
      const parsed = document.parse(response.status === 200 ? await response.json() : null);
      // A document that names another issuer describes somebody else.
      if (parsed.issuer === this.#issuer) {
        this.#known = understand(parsed);
        this.#validUntil = this.#clock.now() + FRESH_MS;
        return this.#known;
      }
    } catch {
      // What was known before, or the defaults, will do.
    }
    this.#validUntil = this.#clock.now() + RETRY_MS;
    return this.#known;
  }
}

function understand(parsed: z.output<typeof document>): ProviderMetadata {
  const methods = parsed.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  const post = !methods.includes("client_secret_basic") && methods.includes("client_secret_post");
  return {
    authMethod: post ? "client_secret_post" : "client_secret_basic",
    sendsIss: parsed.authorization_response_iss_parameter_supported ?? false,
    endSessionEndpoint: parsed.end_session_endpoint ?? null,
  };
}
