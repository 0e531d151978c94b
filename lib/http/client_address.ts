/** The address that quotas are counted for, and the check that a peer is on this machine. */
import { fromRight } from "./public_url.ts";

/** The peer's address, or what the trusted proxies say it was; a header is believed only from a trusted proxy. */
export function clientAddress(peer: string, forwardedFor: string | null, trustedProxies: number): string {
  // An empty entry says no more than none.
  return (trustedProxies > 0 ? fromRight(forwardedFor, trustedProxies) : undefined) || peer;
}

/** Whether an IP address (no brackets) is a loopback one. */
export function isLoopbackAddress(address: string): boolean {
  return address === "::1" || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address);
}
