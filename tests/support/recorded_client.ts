/** Both SDKs' clients with a fetch that writes down each exchange, so that two ways to one server can be compared. */
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client";
// SDK v1 declares its subpaths' types where TypeScript looks only if the name has no extension.
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
  type VersionNegotiationMode,
} from "@modelcontextprotocol/client";
import type { ConnectionV1, ConnectionV2 } from "./clients.ts";

/** Where a client connects, and with what. */
export interface Way {
  readonly url: URL;
  /** Access token, where one is needed. */
  readonly token?: string;
}

/** Which SDK, and how it negotiates; `v1` knows sessions only. */
export type ClientKind = "v1" | { readonly v2: VersionNegotiationMode };

type Capabilities = NonNullable<NonNullable<ConstructorParameters<typeof ClientV2>[1]>["capabilities"]>;

/** A client that has not connected yet. */
export interface RecordedClient {
  readonly connection: ConnectionV1 | ConnectionV2;
  /** Both SDKs agree on the calls that are made here; a union of their overloads cannot be called. */
  readonly client: ClientV2;
  connect(): Promise<void>;
  /** What was sent and how it was answered: `POST tools/call 200`, `POST initialize 400 -32022`. */
  readonly exchanges: readonly string[];
}

/** A client of the given kind, on a way. */
export function recordedClient(
  kind: ClientKind,
  { url, token }: Way,
  { capabilities = {} }: { readonly capabilities?: Capabilities } = {},
): RecordedClient {
  const exchanges: string[] = [];
  const options = {
    fetch: recording(exchanges),
    // SDK v1 forgets all but one of its timers for coming back, and they would outlive the test.
    reconnectionOptions: {
      initialReconnectionDelay: 1000,
      maxReconnectionDelay: 30_000,
      reconnectionDelayGrowFactor: 1.5,
      maxRetries: 0,
    },
    requestInit: { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } },
  };
  const info = { name: "recorded", version: "1.0.0" };
  if (kind === "v1") {
    const client = new ClientV1(info, { capabilities: capabilities as ConstructorCapabilities });
    const transport = new TransportV1(url, options);
    return {
      connection: { client, transport },
      client: client as unknown as ClientV2, // see the member's comment
      // Its own Transport type does not allow for exactOptionalPropertyTypes.
      connect: () => client.connect(transport as Parameters<ClientV1["connect"]>[0]),
      exchanges,
    };
  }
  const client = new ClientV2(info, { capabilities, versionNegotiation: { mode: kind.v2 } });
  const transport = new TransportV2(url, options);
  return { connection: { client, transport }, client, connect: () => client.connect(transport), exchanges };
}

/** What a caller of a tool wants to know, or to stop. */
export interface CallOptions {
  readonly onprogress: (report: { readonly progress: number }) => void;
  readonly signal?: AbortSignal;
}

/** Calls a tool with options, which the two SDKs want to be told in different places. */
export function callReporting(
  { connection, client }: Pick<RecordedClient, "connection" | "client">,
  params: { readonly name: string; readonly arguments: Record<string, unknown> },
  options: CallOptions,
) {
  return connection.client instanceof ClientV1
    ? connection.client.callTool(params, undefined, options)
    : client.callTool(params, options);
}

/** SDK v1 declares the same capabilities with other optional members. */
type ConstructorCapabilities = NonNullable<
  NonNullable<ConstructorParameters<typeof ClientV1>[1]>["capabilities"]
>;

function recording(exchanges: string[]): typeof fetch {
  return async (input, init) => {
    const what = typeof init?.body === "string" ? ` ${methodOf(init.body)}` : "";
    const asked = `${init?.method ?? "GET"}${what}`;
    // In the order of asking: answers may overtake each other.
    const at = exchanges.push(asked) - 1;
    const response = await fetch(input, init);
    const code = response.headers.get("content-type")?.startsWith("application/json")
      ? codeOf(await response.clone().text())
      : "";
    exchanges[at] = `${asked} ${response.status}${code}`;
    return response;
  };
}

function methodOf(body: string): string {
  return JSON.parse(body).method ?? "(answer)";
}

function codeOf(body: string): string {
  const code = JSON.parse(body).error?.code;
  return code === undefined ? "" : ` ${code}`;
}
