/**
 * What an upstream has shown of its era. While a user has to connect, the gateway answers `server/discover` itself; from an upstream
 * that is known to refuse it, a client of both eras has to hear a refusal, or it would go on in the wrong era (checklist TR-07).
 */
import { MODERN_VERSION } from "./era.ts";
import type { McpMessage } from "./json_rpc.ts";

/** Refusals that say nothing of an era: a credential, time, or too much at once. */
const OTHER_REFUSALS: readonly number[] = [401, 403, 408, 425, 429];

/** The era of one upstream, as far as anybody has found out in this process. */
export class UpstreamEra {
  #refusesDiscovery = false;

  /** Whether its last answer to `server/discover` was that of a server of an older revision. */
  get isLegacy(): boolean {
    return this.#refusesDiscovery;
  }

  /** Takes the HTTP status of an answer into account, if it answers `server/discover`. */
  hear({ method, modern }: McpMessage, status: number): void {
    if (method !== "server/discover" || modern?.version !== MODERN_VERSION) return;
    if (status < 300) this.#refusesDiscovery = false;
    else if (status >= 400 && status < 500 && !OTHER_REFUSALS.includes(status)) this.#refusesDiscovery = true;
  }
}
