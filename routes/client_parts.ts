/** How the gateway gets to know clients: which sources are on, and how their documents and keys are fetched. */
import { ClientKeys } from "../lib/authorization_server/client_assertion.ts";
import {
  ClientDocuments,
  MAX_DOCUMENT_BYTES,
} from "../lib/authorization_server/client_id_metadata_document.ts";
import type { Gateway } from "../lib/gateway/gateway.ts";
import { pacedFetch } from "../lib/http/paced_fetch.ts";
import { pinnedFetch, type PinnedFetchOptions } from "../lib/http/pinned_fetch.ts";
import { RateLimiter } from "../lib/observability/rate_limiter.ts";
import type { Services } from "../lib/services.ts";
import type { Deployment } from "./context.ts";
import { redirectUriPolicy } from "./targets.ts";

/** For the whole exchange, name resolution included, in milliseconds. */
const TIMEOUT_MS = 5_000;
const MAX_KEY_SET_BYTES = 65_536;
const KEY_FETCHES_PER_ORIGIN_AND_MINUTE = 30;

/** The parts of a deployment that concern clients. */
export function clientParts(
  services: Services,
  gateway: Gateway,
  strangers: Pick<PinnedFetchOptions, "resolve" | "ca"> = {},
): Pick<Deployment, "clientSources" | "clientKeys"> {
  const { allowLoopback } = gateway.outbound;
  const fetchUpTo = (maxBytes: number) =>
    pinnedFetch({ ...strangers, allowLoopback, timeoutMs: TIMEOUT_MS, maxBytes });
  const documents = gateway.oauth.cimdEnabled
    ? new ClientDocuments(services, {
      fetch: fetchUpTo(MAX_DOCUMENT_BYTES),
      policy: { ...redirectUriPolicy(gateway, null), loopbackKeys: allowLoopback },
      allowLoopback,
    })
    : null;
  const { clock } = services;
  const pacer = new RateLimiter({ clock, limit: KEY_FETCHES_PER_ORIGIN_AND_MINUTE, windowSeconds: 60 });
  return {
    clientSources: { configured: gateway.clients, documents },
    clientKeys: new ClientKeys(pacedFetch(fetchUpTo(MAX_KEY_SET_BYTES), pacer)),
  };
}
