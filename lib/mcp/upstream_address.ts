/**
 * Whether an upstream's host may be asked: a name that leads into a private network, to this machine or to a cloud's metadata may not,
 * unless the operator has said so (contract section 2.3, corpus B13 197).
 *
 * The name is resolved at startup and then once a minute while requests come; no timer keeps an idle process awake. `fetch` resolves it
 * again and cannot be told to which address to connect, so that a name that changes within that minute is not noticed: SECURITY.md.
 */
import { isLoopbackHost, isPrivateLiteral, isPublicAddress } from "../http/network_address.ts";
import type { ResolveName } from "../http/name_resolution.ts";
import type { Clock } from "../runtime/clock.ts";

/** Why a host may not be asked, as the event log says it. */
export type AddressFault = "upstream_address_private" | "upstream_name_unresolved";

/** Where upstreams may be, and how that is found out. */
export interface AddressRules {
  /** Whether an upstream may be on this machine: the gateway itself is. */
  readonly allowLoopback: boolean;
  readonly resolve: ResolveName;
  readonly clock: Clock;
  /** Told when the upstream's name begins to be at fault. */
  readonly onFault: (fault: AddressFault) => void;
}

/** A good verdict is looked at anew after this long, without anybody waiting for it, */
const FRESH_MS = 60_000;
/** and is not good enough without a new look after this long. */
const STALE_MS = 120_000;
/** A bad verdict, and a resolution that failed, are tried again after this long. */
const RETRY_MS = 5_000;

/** The address of one upstream. */
export class UpstreamAddress {
  readonly #hostname: string;
  readonly #rules: AddressRules;
  /** Before the first look nothing is known, which is no better than a fault. */
  #fault: AddressFault | null = "upstream_name_unresolved";
  #lookedAt = -Infinity;
  /** Milliseconds after the last look: from when on there has to be another, and from when on it is waited for. */
  #due = 0;
  #overdue = 0;
  #looking: Promise<void> | null = null;
  #told: AddressFault | null = null;

  /** `url` is the upstream's own, which has been judged by its text when the configuration was compiled. */
  constructor(url: string, rules: AddressRules) {
    this.#hostname = new URL(url).hostname;
    this.#rules = rules;
    if (isAddress(this.#hostname)) {
      this.#fault = null;
      this.#lookedAt = Infinity;
    }
  }

  /** What is wrong with the upstream's name now; a promise only if that has to be found out first. */
  judge(): AddressFault | null | Promise<AddressFault | null> {
    // Literals never change: they were judged at startup, and are "looked at" in an infinite future.
    if (this.#lookedAt === Infinity) return this.#fault;
    const age = this.#rules.clock.now() - this.#lookedAt;
    if (age >= 0 && age < this.#due) return this.#fault;
    const looking = this.look();
    // A clock that was set back says nothing about the age.
    return age >= 0 && age < this.#overdue ? this.#fault : looking.then(() => this.#fault);
  }

  /** Resolves the name and judges it, once for everybody who waits. Never rejects. */
  look(): Promise<void> {
    if (this.#lookedAt === Infinity) return Promise.resolve();
    this.#looking ??= this.#look().finally(() => this.#looking = null);
    return this.#looking;
  }

  /** What is wrong with the host that a redirect leads to. */
  async judgeTarget(target: URL): Promise<AddressFault | null> {
    if (target.hostname === this.#hostname) return await this.judge();
    return await faultOf(target.hostname, this.#rules);
  }

  async #look(): Promise<void> {
    const before = this.#fault;
    const found = await faultOf(this.#hostname, this.#rules);
    this.#lookedAt = this.#rules.clock.now();
    if (found === "upstream_name_unresolved" && before === null) {
      // A name server that is down must not cut connections that work: the request will show whether there is one.
      this.#due = RETRY_MS;
      this.#overdue = STALE_MS;
      return;
    }
    this.#fault = found;
    this.#due = found === null ? FRESH_MS : RETRY_MS;
    this.#overdue = found === null ? STALE_MS : RETRY_MS;
    if (found !== null && found !== this.#told) this.#rules.onFault(found);
    this.#told = found;
  }
}

async function faultOf(hostname: string, rules: AddressRules): Promise<AddressFault | null> {
  const allowed = (address: string) =>
    isPublicAddress(address) || (rules.allowLoopback && isLoopbackHost(hostOf(address)));
  if (isAddress(hostname)) {
    const good = !isPrivateLiteral(hostname) || (rules.allowLoopback && isLoopbackHost(hostname));
    return good ? null : "upstream_address_private";
  }
  let addresses: readonly string[];
  try {
    addresses = await rules.resolve(hostname);
  } catch {
    return "upstream_name_unresolved";
  }
  if (addresses.length === 0) return "upstream_name_unresolved";
  // One bad answer among several is enough: `fetch` may take that one.
  return addresses.every(allowed) ? null : "upstream_address_private";
}

/** Whether the host of a parsed URL is an address and no name: the parser writes IPv4 dotted and IPv6 in brackets. */
function isAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+(?:\.\d+){3}$/.test(hostname);
}

/** An address as the host of a parsed URL; empty if it is none. */
function hostOf(address: string): string {
  return URL.parse(`http://${address.includes(":") ? `[${address}]` : address}/`)?.hostname ?? "";
}
