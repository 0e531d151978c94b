/** Names to addresses, as `fetch` itself resolves them: by the operating system, its hosts file included. */
import { lookup } from "node:dns/promises";

/** Resolves a name to all its addresses, IPv6 without brackets. Rejects if there are none. */
export type ResolveName = (hostname: string) => Promise<readonly string[]>;

/** The operating system's own resolution. */
export const resolveName: ResolveName = async (hostname) =>
  (await lookup(hostname, { all: true })).map((answer) => answer.address);
