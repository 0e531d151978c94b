/** Our own client id metadata document towards an upstream, and the keys that it names. */
import type { Context } from "@hono/hono";
import { connectCallbackPath, WELL_KNOWN } from "../lib/oauth/paths.ts";
import { authProfileId } from "../lib/upstream/connection_settings.ts";
import { signingKey } from "../lib/upstream/signing_key.ts";
import type { Deployment, Env } from "./context.ts";
import { metadataAnswer, metadataNotFound } from "./metadata.ts";
import { documentUrl } from "./upstream_connections.ts";

/** GET: public facts only; any other name or profile is not there. */
export function clientMetadata(deployment: Deployment): (c: Context<Env>) => Response {
  const { gateway, upstreams } = deployment;
  return (c) => {
    const upstream = upstreams.get(c.req.param("connection") ?? "");
    if (upstream === undefined || c.req.query("authProfileId") !== authProfileId(upstream.settings)) {
      return metadataNotFound();
    }
    const { origin } = c.env;
    return metadataAnswer(gateway, {
      client_id: documentUrl(origin, upstream.settings),
      client_name: "Sallyport",
      client_uri: origin,
      application_type: "web",
      redirect_uris: [origin + gateway.basePath + connectCallbackPath(upstream.settings.id)],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_methods_supported: ["private_key_jwt", "none"],
      token_endpoint_auth_signing_alg: "ES256",
      jwks_uri: origin + WELL_KNOWN.jwks,
    });
  };
}

/** GET: our public keys; there are none before an upstream needs one. */
export function jwks(deployment: Deployment): () => Promise<Response> {
  const { gateway, services, upstreams } = deployment;
  return async () => {
    const keys = upstreams.size === 0 ? [] : [(await signingKey(services)).publicJwk];
    return metadataAnswer(gateway, { keys });
  };
}
