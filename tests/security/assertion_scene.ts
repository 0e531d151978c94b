/** A gateway with a registered client that signs its assertions, for corpus B8 133. */
import {
  ASSERTION_TYPE,
  type AssertionChanges,
  assertionOf,
  type SigningKey,
  signingKey,
} from "../support/assertions.ts";
import { postForm, redemption, registerClient, type TestClient } from "../support/oauth_flow.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "./watched_gateway.ts";

/** The client is registered with one key. */
export interface Scene extends AsyncDisposable {
  readonly gateway: WatchedGateway;
  readonly client: TestClient;
  readonly key: SigningKey;
  /** Redeems a code with an assertion, or with what is given instead of one. */
  readonly redeem: (
    code: string,
    given?: AssertionChanges & {
      readonly assertion?: string;
      readonly parameters?: Record<string, string | null>;
    },
  ) => Promise<Response>;
}

/** Starts the gateway and registers the client. */
export async function assertionScene(options: WatchedOptions = {}): Promise<Scene> {
  const gateway = await watchedGateway(options);
  const key = await signingKey("1");
  const client = await registerClient(gateway, {
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [key.publicJwk] },
  });
  return {
    gateway,
    client,
    key,
    async redeem(code, { assertion, parameters, ...changes } = {}) {
      const who = { clientId: client.clientId, audience: gateway.origin, clock: gateway.clock };
      return await postForm(
        gateway,
        "/oauth/token",
        redemption(client, code, {
          client_id: null,
          client_assertion_type: ASSERTION_TYPE,
          client_assertion: assertion ?? await assertionOf(key, who, changes),
          ...parameters,
        }),
      );
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}
