/** The upstream's authorization server metadata (RFC 8414), read with suspicion: its URLs will be shown to browsers and sent secrets. */
import { z } from "zod";
import { isLoopbackHost, isPrivateLiteral } from "../http/network_address.ts";
import type { UpstreamClient, UpstreamServer } from "../store/upstream_schema.ts";
import { UpstreamError } from "./upstream_error.ts";

const strings = z.array(z.string()).optional().catch(undefined);

/** Longest URL that is kept, in characters: every connection's row has five of them. */
const MAX_URL_LENGTH = 2_048;

const document = z.object({
  issuer: z.string().max(MAX_URL_LENGTH),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  registration_endpoint: z.string().optional().catch(undefined),
  revocation_endpoint: z.string().optional().catch(undefined),
  token_endpoint_auth_methods_supported: strings,
  code_challenge_methods_supported: strings,
  scopes_supported: strings,
  authorization_response_iss_parameter_supported: z.boolean().optional().catch(undefined),
  client_id_metadata_document_supported: z.boolean().optional().catch(undefined),
});

/** Which hosts a browser may be sent to, beside public ones. */
export interface BrowserHosts {
  /** Origin of the upstream, for which the operator stands. */
  readonly home: string;
  readonly allowLoopback: boolean;
  readonly allowPrivateNetwork: boolean;
}

/** What a metadata document has to agree with. */
export interface ExpectedServer {
  readonly issuer: string;
  readonly assumePkce: boolean;
  readonly hosts: BrowserHosts;
}

/** Checks a metadata document. @throws {UpstreamError} `refused` */
export function readServer(json: unknown, expected: ExpectedServer): UpstreamServer {
  const parsed = document.safeParse(json);
  if (!parsed.success) throw new UpstreamError("refused", "server_metadata_malformed");
  const { data } = parsed;
  if (data.issuer !== expected.issuer) throw new UpstreamError("refused", "issuer_differs");
  if (!data.code_challenge_methods_supported?.includes("S256") && !expected.assumePkce) {
    throw new UpstreamError("refused", "server_without_pkce");
  }
  return {
    issuer: data.issuer,
    authorizationEndpoint: browserEndpoint(data.authorization_endpoint, data.issuer, expected.hosts),
    tokenEndpoint: endpoint(data.token_endpoint, data.issuer),
    registrationEndpoint: optionalEndpoint(data.registration_endpoint, data.issuer),
    revocationEndpoint: optionalEndpoint(data.revocation_endpoint, data.issuer),
    // RFC 8414 §2: the default is Basic.
    authMethods: usableMethods(data.token_endpoint_auth_methods_supported ?? ["client_secret_basic"]),
    sendsIss: data.authorization_response_iss_parameter_supported ?? false,
    takesMetadataDocuments: data.client_id_metadata_document_supported ?? false,
    offersOfflineAccess: data.scopes_supported?.includes("offline_access") ?? false,
  };
}

const AUTH_METHODS: readonly UpstreamClient["authMethod"][] = [
  "client_secret_basic",
  "client_secret_post",
  "none",
  "private_key_jwt",
];

/** What else a server takes is nothing that a row has to carry. */
function usableMethods(methods: readonly string[]): string[] {
  return AUTH_METHODS.filter((method) => methods.includes(method));
}

/**
 * https like the issuer, without user information, and short enough for a row; plain http only for an issuer that is on plain http itself,
 * which is loopback.
 */
function endpoint(text: string, issuer: string): string {
  const url = URL.parse(text);
  const scheme = url?.protocol === "https:" || (url?.protocol === "http:" && issuer.startsWith("http:"));
  if (
    url === null || !scheme || url.href.length > MAX_URL_LENGTH || url.username !== "" ||
    url.password !== "" || url.hash !== "" || /[\s\p{Cc}]/u.test(text)
  ) {
    throw new UpstreamError("refused", "endpoint_refused");
  }
  return url.href;
}

/**
 * An address that a browser will be sent to. What we fetch ourselves is judged when it is resolved; a browser resolves by itself, in the
 * user's network, so that only what the address itself tells can be judged.
 */
function browserEndpoint(text: string, issuer: string, hosts: BrowserHosts): string {
  const href = endpoint(text, issuer);
  const { origin, hostname } = new URL(href);
  const allowed = origin === hosts.home || !isPrivateLiteral(hostname) ||
    (isLoopbackHost(hostname) ? hosts.allowLoopback : hosts.allowPrivateNetwork);
  if (!allowed) throw new UpstreamError("refused", "endpoint_refused");
  return href;
}

function optionalEndpoint(text: string | undefined, issuer: string): string | null {
  return text === undefined ? null : endpoint(text, issuer);
}
