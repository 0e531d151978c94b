/**
 * A `fetch` for what an upstream in the operator's own network names beside itself. Its authorization server may stand there, too; this
 * machine, its links and a cloud's metadata service may not be it. Addresses are judged before the request and not pinned: only `fetch`
 * trusts the operator's own certificate authority (`DENO_CERT`), and that network is trusted not to change names in between.
 */
import { resolveName } from "./name_resolution.ts";
import { isLoopbackHost, isOwnNetworkAddress, isPublicAddress } from "./network_address.ts";
import { type Fetch, fetchConfigured, OutboundError, type OutboundLimits } from "./outbound_fetch.ts";
import type { PinnedFetchOptions } from "./pinned_fetch.ts";

/** As `pinnedFetch`, for an upstream that the operator has put into a private network. @throws {OutboundError} with one text for every reason */
export function ownNetworkFetch(
  options: OutboundLimits & Pick<PinnedFetchOptions, "allowLoopback" | "resolve">,
): Fetch {
  const { allowLoopback, resolve = resolveName } = options;
  const send = fetchConfigured(options);
  const allowed = (address: string) =>
    isPublicAddress(address) || isOwnNetworkAddress(address) ||
    (allowLoopback && isLoopbackHost(address.includes(":") ? `[${address}]` : address));
  return async (input, init) => {
    try {
      const { protocol, hostname, username, password } = new URL(input);
      const mayBePlain = allowLoopback && isLoopbackHost(hostname);
      if (protocol !== "https:" && !(protocol === "http:" && mayBePlain)) throw new TypeError("not https");
      if (username !== "" || password !== "") throw new TypeError("user information in the URL");
      const host = hostname.replace(/^\[|\]$/g, "");
      // As the URL parser writes it, whatever spelling it had.
      const literal = host.includes(":") || /^\d+(?:\.\d+){3}$/.test(host);
      const addresses = literal ? [host] : await resolve(host);
      if (addresses.length === 0 || !addresses.every(allowed)) {
        throw new TypeError("an address of nobody's network");
      }
      return await send(input, init);
    } catch (error) {
      throw new OutboundError("The address could not be fetched.", { cause: error });
    }
  };
}
