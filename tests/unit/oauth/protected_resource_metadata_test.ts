import assert from "node:assert/strict";
import { discoverOAuthProtectedResourceMetadata as discoverV2 } from "@modelcontextprotocol/client";
import { discoverOAuthProtectedResourceMetadata as discoverV1 } from "@modelcontextprotocol/sdk/client/auth.js";
import { OAuthProtectedResourceMetadataSchema } from "@modelcontextprotocol/sdk/shared/auth.js";
import { processResourceDiscoveryResponse } from "@panva/oauth4webapi";
import {
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
} from "../../../lib/oauth/protected_resource_metadata.ts";

const RESOURCE = "https://gw.test/mcp/alpha";
const DOCUMENT = protectedResourceMetadata({ resource: RESOURCE, name: "Alpha", issuer: "https://gw.test" });

Deno.test("`protectedResourceMetadata()` has the contract's members and no others (contract 3, RS-01, RS-03)", () => {
  assert.deepEqual(DOCUMENT, {
    resource: RESOURCE,
    resource_name: "Alpha",
    authorization_servers: ["https://gw.test"],
    bearer_methods_supported: ["header"],
    scopes_supported: ["mcp:tools"],
    mcp_protocol_version: "2025-11-25",
  });
  const newer = {
    resource: RESOURCE,
    name: "Alpha",
    issuer: "https://gw.test",
    protocolVersion: "2026-07-28",
  };
  assert.equal(protectedResourceMetadata(newer).mcp_protocol_version, "2026-07-28");
});

Deno.test("`protectedResourceMetadata()` is what the SDKs' schemas and a strict client expect (RS-01)", async () => {
  assert.deepEqual(OAuthProtectedResourceMetadataSchema.parse(DOCUMENT), DOCUMENT);
  await processResourceDiscoveryResponse(new URL(RESOURCE), Response.json(DOCUMENT));
  await assert.rejects(
    processResourceDiscoveryResponse(new URL("https://gw.test/mcp/beta"), Response.json(DOCUMENT)),
  );
});

Deno.test("`protectedResourceMetadataUrl()` is where both SDKs look for it (RS-01, RFC 9728 3.1)", async () => {
  const place = protectedResourceMetadataUrl("https://gw.test", "/mcp/alpha");
  assert.equal(place, "https://gw.test/.well-known/oauth-protected-resource/mcp/alpha");
  const fetchFn = (url: string | URL) =>
    Promise.resolve(String(url) === place ? Response.json(DOCUMENT) : new Response(null, { status: 404 }));
  for (const discover of [discoverV1, discoverV2]) {
    assert.deepEqual(await discover(RESOURCE, {}, fetchFn), DOCUMENT);
  }
});
