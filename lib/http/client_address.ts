/** The address that quotas are counted for, and the check that a peer is on this machine. */
import { fromRight } from "./public_url.ts";

/** The peer's address, or what the trusted proxies say it was; a header is believed only from a trusted proxy. */
export function clientAddress(peer: string, forwardedFor: string | null, trustedProxies: number): string {
  // An empty entry says no more than none.
  return (trustedProxies > 0 ? fromRight(forwardedFor, trustedProxies) : undefined) || peer;
}

/** What a quota is counted for: an IPv4 address, or the /64 that an IPv6 host has for itself (RFC 6177). */
export function quotaKey(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined
    ? []
    : new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right].slice(0, 4).map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":");
}

/** Whether an IP address (no brackets) is a loopback one. */
export function isLoopbackAddress(address: string): boolean {
  return address === "::1" || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address);
}
