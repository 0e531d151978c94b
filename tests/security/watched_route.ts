/** A watched gateway, and somebody with a token for its route `/alpha`. */
import { callMcp, obtainTokens, registerClient } from "../support/oauth_flow.ts";
import { type WatchedGateway, watchedGateway, type WatchedOptions } from "./watched_gateway.ts";

/** What a test plays with. */
export interface WatchedRoute {
  readonly gateway: WatchedGateway;
  /** Calls the route with the token. */
  readonly call: (options: Parameters<typeof callMcp>[3]) => Promise<Response>;
}

/** Starts the gateway, plays `test`, and checks the general conditions. */
export async function withRoute(
  options: WatchedOptions,
  test: (route: WatchedRoute) => Promise<void>,
): Promise<void> {
  await using gateway = await watchedGateway(options);
  const { access_token } = await obtainTokens(gateway, await registerClient(gateway));
  await test({ gateway, call: (request) => callMcp(gateway, "/alpha", access_token, request) });
}
