/** Protected resource metadata: what a route says about itself to a client without a token (RFC 9728). */
import { WELL_KNOWN } from "./paths.ts";
import { SUPPORTED_SCOPES } from "./scope.ts";

/**
 * The MCP revision in `mcp_protocol_version`: the newest that every client and upstream behind the gateway can be
 * expected to speak. It is a hint for people and tools; a client negotiates the revision with its request, not here.
 */
export const MCP_PROTOCOL_VERSION = "2025-11-25";

/** What {@linkcode protectedResourceMetadata} is made from. */
export interface ProtectedResource {
  /** Canonical resource URI of the route, exactly the URL that clients are given. */
  resource: string;
  /** What people read. */
  name: string;
  /** Issuer of the one authorization server, ourselves. */
  issuer: string;
  /** MCP revision; by default {@linkcode MCP_PROTOCOL_VERSION}. */
  protocolVersion?: string;
}

/** The document of one route. It lists no `offline_access`, which is no scope of a resource. */
export function protectedResourceMetadata(of: ProtectedResource): Record<string, unknown> {
  return {
    resource: of.resource,
    resource_name: of.name,
    authorization_servers: [of.issuer],
    bearer_methods_supported: ["header"],
    scopes_supported: SUPPORTED_SCOPES,
    mcp_protocol_version: of.protocolVersion ?? MCP_PROTOCOL_VERSION,
  };
}

/** Where that document is: the well-known name goes between origin and path (RFC 9728 §3.1). */
export function protectedResourceMetadataUrl(origin: string, routePath: string): string {
  return origin + WELL_KNOWN.protectedResource + routePath;
}
