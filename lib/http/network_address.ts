/** Which hosts are this machine or a private network, as far as their names alone can tell. */
import { isLoopbackHostname } from "./public_url.ts";

/** Whether a host of a parsed URL (IPv6 in brackets, as the parser writes it) is this machine. */
export function isLoopbackHost(hostname: string): boolean {
  const name = hostname.replace(/\.$/, "").toLowerCase();
  return isLoopbackHostname(name) || name.endsWith(".localhost") ||
    mappedIpv4(name)?.startsWith("127.") === true;
}

/** Whether a listen address (IPv6 with or without brackets) takes connections from this machine only. */
export function isLoopbackBind(hostname: string): boolean {
  return isLoopbackHost(hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname);
}

/**
 * Whether a host of a parsed URL is an address literal that the public internet does not route: private, shared,
 * link-local, multicast, reserved (RFC 6890), or an IPv6 form that carries such an IPv4 address. Loopback counts.
 */
export function isPrivateLiteral(hostname: string): boolean {
  if (isLoopbackHost(hostname)) return true;
  const ipv4 = /^\d+(?:\.\d+){3}$/.test(hostname) ? hostname : mappedIpv4(hostname);
  if (ipv4 !== undefined) return isPrivateIpv4(ipv4);
  if (!hostname.startsWith("[")) return false;
  const first = parseInt(hostname.slice(1), 16);
  // 2000::/3 is all that is routed; in it 2001:0::/23, 2001:db8::/32, 2002::/16 (RFC 6890) and 3fff::/20 (RFC 9637) are special.
  return !(first >= 0x2000 && first < 0x3fff) || first === 0x2002 ||
    (first === 0x2001 && /^\[2001:(?:[01]?[0-9a-f]{0,2}:|db8:)/.test(hostname));
}

function isPrivateIpv4(address: string): boolean {
  const [a = 0, b = 0, c = 0] = address.split(".").map(Number);
  return a === 0 || a === 10 || a === 127 || a >= 224 || (a === 100 && b >= 64 && b <= 127) ||
    (a === 169 && b === 254) || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168) ||
    (a === 192 && b === 0 && (c === 0 || c === 2)) || (a === 198 && (b === 18 || b === 19)) ||
    (a === 198 && b === 51 && c === 100) || (a === 203 && b === 0 && c === 113) ||
    // Routed nowhere but to the wire server of the cloud that the gateway may run in.
    address === "168.63.129.16";
}

/** The IPv4 address in `[::ffff:7f00:1]` or `[64:ff9b::7f00:1]`, dotted. */
function mappedIpv4(hostname: string): string | undefined {
  const [, high, low] = /^\[(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? [];
  if (high === undefined || low === undefined) return undefined;
  const bits = (parseInt(high, 16) << 16 | parseInt(low, 16)) >>> 0;
  return [bits >>> 24, bits >>> 16 & 255, bits >>> 8 & 255, bits & 255].join(".");
}

/**
 * Whether an IP address, as name resolution gives it, belongs to a network that somebody runs for themselves: RFC 1918, RFC 6598, RFC 4193.
 * Not this machine, not a link, and not where a cloud keeps the credentials of its machines.
 */
export function isOwnNetworkAddress(address: string): boolean {
  const hostname = URL.parse(address.includes(":") ? `http://[${address}]/` : `http://${address}/`)?.hostname;
  if (hostname === undefined) return false;
  const [a = 0, b = 0] = (mappedIpv4(hostname) ?? hostname).split(".").map(Number);
  return a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168) ||
    (a === 100 && b >= 64 && b <= 127 && hostname !== "100.100.100.200") ||
    (/^\[f[cd]/.test(hostname) && !CLOUD_METADATA_IPV6.test(hostname));
}

/** Of Amazon and of Google. */
const CLOUD_METADATA_IPV6 = /^\[fd(?:00:ec2|20:ce):/;

const INTERNAL_NAME = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home\.arpa)\.?$/;

/** Whether the host of a parsed URL has a name that means nothing on the public internet, whatever it resolves to. */
export function isInternalName(hostname: string): boolean {
  return INTERNAL_NAME.test(hostname);
}

/** Whether an IP address, as name resolution gives it (no brackets, maybe with a zone), is one that the public internet routes. */
export function isPublicAddress(address: string): boolean {
  const url = URL.parse(address.includes(":") ? `http://[${address.split("%")[0]}]/` : `http://${address}/`);
  return url !== null && !address.includes("%") && !isPrivateLiteral(url.hostname);
}
