/** What a call can be made with at an upstream. */
import type { ConnectionRecord } from "../store/upstream_schema.ts";

/** What a call can be made with, or why not. */
export type Credential =
  | {
    readonly kind: "ready";
    readonly accessToken: string;
    /** Whether the server has just given it out for whoever asked; otherwise it was known already, and may be refused as others were. */
    readonly refreshed: boolean;
  }
  /** The user has never connected, or has disconnected. */
  | { readonly kind: "absent" }
  /** The user has to consent again. */
  | { readonly kind: "stale"; readonly missingScope: readonly string[] | null };

/** The upstream does not honour what is stored. */
export const STALE: Credential = { kind: "stale", missingScope: null };

/** What a record is worth, whatever the clock says. */
export function credentialOf(
  { dead, accessToken }: ConnectionRecord,
  { refreshed }: { readonly refreshed: boolean } = { refreshed: false },
): Credential {
  return dead ? STALE : { kind: "ready", accessToken, refreshed };
}
