/** A gateway that trusts a scripted issuer of ID-JAGs, with a confidential client, for corpus B11. */
import { FakeClock } from "../support/fake_clock.ts";
import { postForm, registerClient, type TestClient } from "../support/oauth_flow.ts";
import {
  type Changes,
  type ScriptedProvider,
  type SignatureScript,
  startScriptedProvider,
} from "../support/scripted_provider.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "./watched_gateway.ts";

/** RFC 7523 §2.1 */
export const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** Parameters of a token request; `null` leaves one out. */
export type Parameters = Readonly<Record<string, string | readonly string[] | null>>;

/** How an assertion differs from a right one; a claim that is `undefined` is left out. */
export interface IdJagChanges {
  readonly claims?: Changes;
  readonly header?: Changes;
  readonly signature?: SignatureScript;
  readonly issuer?: ScriptedProvider;
}

/** How the scene differs. */
export interface SceneOptions extends Omit<WatchedOptions, "clock"> {
  /** Members of the trusted issuer's entry. */
  readonly trusted?: {
    readonly expectedClientIds?: string[];
    readonly subjectMapping?: "issuer-subject" | "email";
  };
  /** A second trusted issuer. */
  readonly second?: ScriptedProvider;
}

/** The gateway, its issuer and a client. */
export interface IdJagScene extends AsyncDisposable {
  readonly gateway: WatchedGateway;
  readonly issuer: ScriptedProvider;
  readonly clock: FakeClock;
  /** Registered with a secret that it posts. */
  readonly client: TestClient;
  readonly assertion: (changes?: IdJagChanges) => string;
  /** Presents an assertion. */
  readonly present: (assertion: string, parameters?: Parameters) => Promise<Response>;
}

/** Registers a client for this grant, with a secret unless `metadata` says otherwise. */
export function registerBearer(
  gateway: WatchedGateway,
  metadata: Readonly<Record<string, unknown>> = {},
): Promise<TestClient> {
  return registerClient(gateway, {
    token_endpoint_auth_method: "client_secret_post",
    grant_types: ["authorization_code", JWT_BEARER],
    ...metadata,
  });
}

/** The claims of an assertion that is right at `clock`, issued for `clientId`. */
export function idJagClaims(
  { issuer, audience, clientId, clock }: {
    readonly issuer: string;
    readonly audience: string;
    readonly clientId: string;
    readonly clock: FakeClock;
  },
): Record<string, unknown> {
  const now = Math.floor(clock.now() / 1000);
  return {
    iss: issuer,
    sub: "alice",
    aud: audience,
    client_id: clientId,
    jti: crypto.randomUUID(),
    iat: now,
    exp: now + 300,
    resource: `${audience}/alpha`,
    scope: "mcp:tools",
  };
}

/** Starts the issuer and the gateway, and registers the client. */
export async function idJagScene(options: SceneOptions = {}): Promise<IdJagScene> {
  const clock = new FakeClock();
  const issuer = startScriptedProvider({ clock });
  const { trusted, second, ...rest } = options;
  const trustedIssuers = [
    { issuer: issuer.issuer, jwksUrl: issuer.jwksUrl, ...trusted },
    ...(second === undefined ? [] : [{ issuer: second.issuer, jwksUrl: second.jwksUrl }]),
  ];
  const gateway = await watchedGateway({ gatewayOptions: { idJag: { trustedIssuers } }, ...rest, clock });
  const client = await registerBearer(gateway);
  return {
    gateway,
    issuer,
    clock,
    client,
    assertion: ({ claims, header, signature, issuer: other = issuer } = {}) => {
      const right = idJagClaims({
        issuer: other.issuer,
        audience: gateway.origin,
        clientId: client.clientId,
        clock,
      });
      const how = {
        header: { typ: "oauth-id-jag+jwt", ...header },
        ...(signature === undefined ? {} : { signature }),
      };
      return gateway.canary(other.sign({ ...right, ...claims }, how));
    },
    present: (assertion, parameters = {}) =>
      postForm(gateway, "/oauth/token", {
        grant_type: JWT_BEARER,
        client_id: client.clientId,
        client_secret: client.clientSecret,
        assertion,
        ...parameters,
      }),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await issuer.close();
    },
  };
}
