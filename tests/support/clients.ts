/** The two official MCP client SDKs, connected (through OAuth where asked) and closed so that nothing leaks. */
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client";
// SDK v1 declares its subpaths' types where TypeScript looks only if the name has no extension.
// @ts-types="@modelcontextprotocol/sdk/client/auth"
import { UnauthorizedError as UnauthorizedErrorV1 } from "@modelcontextprotocol/sdk/client/auth.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
  UnauthorizedError as UnauthorizedErrorV2,
  type VersionNegotiationMode,
} from "@modelcontextprotocol/client";
import type { HeadlessOAuthProvider } from "./oauth_client_provider.ts";

/** How to connect. */
export interface ConnectOptions {
  /** Authorizes the client where the server asks for it; without it, a 401 is thrown. */
  readonly oauth?: HeadlessOAuthProvider;
  /** Declared client capabilities. */
  readonly capabilities?: NonNullable<ConstructorParameters<typeof ClientV2>[1]>["capabilities"];
}

/** A connected client of SDK v1. */
export interface ConnectionV1 {
  readonly client: ClientV1;
  readonly transport: TransportV1;
}

/** A connected client of SDK v2. */
export interface ConnectionV2 {
  readonly client: ClientV2;
  readonly transport: TransportV2;
}

/** Connects `@modelcontextprotocol/sdk` 1.x, which speaks up to 2025-11-25. */
export async function connectV1(url: URL, options: ConnectOptions = {}): Promise<ConnectionV1> {
  const attempt = async () => {
    const client = new ClientV1({ name: "sdk-v1", version: "1.0.0" }, {
      capabilities: options.capabilities ?? {},
    });
    const transport = new TransportV1(
      url,
      options.oauth === undefined ? {} : { authProvider: options.oauth },
    );
    try {
      // Its own Transport type does not allow for exactOptionalPropertyTypes.
      await client.connect(transport as Parameters<ClientV1["connect"]>[0]);
      return { client, transport };
    } catch (error) {
      if (error instanceof UnauthorizedErrorV1 && options.oauth !== undefined) {
        const code = options.oauth.takeCallback().searchParams.get("code");
        if (code !== null) await transport.finishAuth(code);
      }
      await close({ client, transport });
      throw error;
    }
  };
  return await twice(attempt, (error) => error instanceof UnauthorizedErrorV1 && authorized(options));
}

/** Connects `@modelcontextprotocol/client` 2.x: `"legacy"`, `"auto"`, or pinned with `{ pin: "2026-07-28" }`. */
export async function connectV2(
  url: URL,
  options: ConnectOptions & { readonly mode?: VersionNegotiationMode } = {},
): Promise<ConnectionV2> {
  const attempt = async () => {
    const client = new ClientV2({ name: "sdk-v2", version: "2.0.0" }, {
      capabilities: options.capabilities ?? {},
      versionNegotiation: { mode: options.mode ?? "legacy" },
    });
    const transport = new TransportV2(
      url,
      options.oauth === undefined ? {} : { authProvider: options.oauth },
    );
    try {
      await client.connect(transport);
      return { client, transport };
    } catch (error) {
      if (error instanceof UnauthorizedErrorV2 && options.oauth !== undefined) {
        await transport.finishAuth(options.oauth.takeCallback().searchParams);
      }
      await close({ client, transport });
      throw error;
    }
  };
  return await twice(attempt, (error) => error instanceof UnauthorizedErrorV2 && authorized(options));
}

/** Both SDKs want a new transport after the authorization that the first one asked for. */
async function twice<T>(attempt: () => Promise<T>, again: (error: unknown) => boolean): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (!again(error)) throw error;
    return await attempt();
  }
}

function authorized(options: ConnectOptions): boolean {
  return options.oauth?.tokens() !== undefined;
}

/** What a tool call with progress brought, and when: milliseconds since the call. */
export interface TimedCall {
  readonly text: string;
  readonly progressAt: readonly number[];
  readonly answeredAt: number;
}

/** Calls a tool that reports progress, and notes when each report arrived. */
export async function callWithProgress(
  { client }: ConnectionV1 | ConnectionV2,
  { name, input }: { readonly name: string; readonly input: Record<string, unknown> },
): Promise<TimedCall> {
  const started = performance.now();
  const progressAt: number[] = [];
  const onprogress = () => void progressAt.push(performance.now() - started);
  const params = { name, arguments: input };
  const { content } = client instanceof ClientV1
    ? await client.callTool(params, undefined, { onprogress })
    : await client.callTool(params, { onprogress });
  return { text: JSON.stringify(content), progressAt, answeredAt: performance.now() - started };
}

/** The protocol revision that the connection uses. */
export function negotiatedVersion({ client, transport }: ConnectionV1 | ConnectionV2): string | undefined {
  return client instanceof ClientV1 ? transport.protocolVersion : client.getNegotiatedProtocolVersion();
}

/** Ends the session and the client; without the last tick the SDKs' GET stream outlives the test. */
export async function close({ client, transport }: ConnectionV1 | ConnectionV2): Promise<void> {
  // A server without sessions, or one that is gone, has nothing to terminate.
  await transport.terminateSession().catch(() => {});
  await client.close();
  await new Promise((resolve) => setTimeout(resolve, 0));
}
