/**
 * Whether an authorization server has forgotten a registration of ours (RFC 6749 §5.2 `invalid_client`; RFC 7592). Every user whose grant it
 * minted has to consent again then, so one answer is not enough: a server that errs for a moment must not cost that.
 */
import { createSecretToken } from "../crypto/secret_token.ts";
import { WELL_KNOWN } from "../oauth/paths.ts";
import type { Services } from "../services.ts";
import type { Entry } from "../store/store.ts";
import type { UpstreamClient, UpstreamClientRecord, UpstreamServer } from "../store/upstream_schema.ts";
import type { ConnectionSettings } from "./connection_settings.ts";
import { findRegistration, forgetRegistration } from "./registration_records.ts";
import { refreshTokens, type TokenEndpointParts, TokenRefusedError } from "./token_endpoint.ts";
import { UpstreamError } from "./upstream_error.ts";

/** How long to wait before asking again, in milliseconds: long enough for a replica to catch up or an instance to come back. */
const AGAIN_AFTER_MS = [500, 2_500];

type CheckServices = Pick<Services, "store" | "random" | "events">;

/** A client of ours, and where. */
export interface ClientAtServer {
  readonly settings: ConnectionSettings;
  readonly server: UpstreamServer;
  readonly client: UpstreamClient;
}

/**
 * Asks as a client. When the server does not know it, it is asked twice more within three seconds, and where it offers to read the
 * registration, that is read, too; if nothing speaks for it the registration is forgotten, so that the next connect makes a new one.
 * @throws {TokenRefusedError} `invalid_client`: for certain
 * @throws {UpstreamError} `unavailable`: the token endpoint says so, the registration says otherwise
 */
export async function askAsClient<Answer>(
  services: CheckServices,
  parts: TokenEndpointParts,
  { settings, client }: ClientAtServer,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  const attempt = async (): Promise<{ readonly answer: Answer } | TokenRefusedError> => {
    try {
      return { answer: await ask() };
    } catch (error) {
      if (error instanceof TokenRefusedError && error.code === "invalid_client") return error;
      // Whatever else it says, it says it to a client that it knows.
      if (error instanceof TokenRefusedError) parts.knownClients.note(client.clientId);
      throw error;
    }
  };
  let outcome = await attempt();
  let registration: Entry<UpstreamClientRecord> | null = null;
  for (const pause of isRegistered(settings, client) ? AGAIN_AFTER_MS : []) {
    if ("answer" in outcome) break;
    registration = await findRegistration(services, settings.id, client.clientId);
    // Others have made sure, and it is gone.
    if (registration === null) throw outcome;
    await new Promise((resolve) => setTimeout(resolve, pause));
    outcome = await attempt();
  }
  if ("answer" in outcome) {
    parts.knownClients.note(client.clientId);
    return outcome.answer;
  }
  if (registration !== null) {
    if (await isStillThere(parts, registration.value)) {
      throw new UpstreamError("unavailable", "client_refused_but_registered", { cause: outcome });
    }
    if (await forgetRegistration(services, registration)) {
      services.events.emit("warn", "mcp_auth_upstream_registration_lost", {
        upstreamServerId: settings.id,
        reasonCode: "upstream_forgot_client",
      });
    }
  }
  throw outcome;
}

/**
 * Whether users may be sent to the server with this client id: it shows them a dead end if it has forgotten it, and tells us nothing.
 * Asked with a refresh token that nobody gave out: a server that knows the client says `invalid_grant`.
 */
export async function isKnown(
  services: CheckServices,
  parts: TokenEndpointParts,
  about: ClientAtServer,
): Promise<boolean> {
  return await parts.knownClients.knows(about.client.clientId, async () => {
    const probe = { ...about, resource: null, scope: null };
    const ask = () =>
      refreshTokens(parts, { ...probe, refreshToken: createSecretToken("", services.random) });
    try {
      await askAsClient(services, parts, about, ask);
    } catch (error) {
      return !(error instanceof TokenRefusedError && error.code === "invalid_client");
    }
    return true;
  });
}

/** Whether a client can be forgotten: one from the configuration, or that the server reads from our document, cannot be. */
export function isRegistered(settings: ConnectionSettings, client: UpstreamClient): boolean {
  if (settings.clientRegistration.mode === "manual") return false;
  return !URL.parse(client.clientId)?.pathname.startsWith(`${WELL_KNOWN.oauthClient}/`);
}

/** RFC 7592 §2.1; a registration that cannot be read proves nothing. */
async function isStillThere(
  parts: TokenEndpointParts,
  { management, client }: UpstreamClientRecord,
): Promise<boolean> {
  if (management === null) return false;
  try {
    const response = await parts.fetch(management.uri, {
      headers: { accept: "application/json", authorization: `Bearer ${management.token}` },
    });
    const body: unknown = response.status === 200 ? await response.json() : null;
    return typeof body === "object" && body !== null && "client_id" in body &&
      body.client_id === client.clientId;
  } catch {
    return false;
  }
}
