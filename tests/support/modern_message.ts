/** Requests of 2026-07-28 as the SDKs send them: what the body says of itself, and the headers that repeat it. */

/** The revision without sessions. */
export const MODERN_VERSION = "2026-07-28";

/** How a modern request differs from the usual one. */
export interface ModernOptions {
  /** JSON-RPC id; `null` for a notification. Default 5. */
  readonly id?: string | number | null;
  readonly version?: string;
  /** Client capabilities. */
  readonly capabilities?: Readonly<Record<string, unknown>>;
}

/** A message and its headers, as `callMcp()` takes them. */
export interface ModernMessage {
  readonly message: {
    readonly jsonrpc: "2.0";
    readonly id?: string | number;
    readonly method: string;
    readonly params: Readonly<Record<string, unknown>>;
  };
  readonly headers: Readonly<Record<string, string>>;
}

/** A request (or notification) of 2026-07-28. */
export function modernMessage(
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  { id = 5, version = MODERN_VERSION, capabilities = {} }: ModernOptions = {},
): ModernMessage {
  const name = params.name ?? params.uri ?? params.taskId;
  return {
    message: {
      jsonrpc: "2.0",
      ...(id === null ? {} : { id }),
      method,
      params: {
        ...params,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": version,
          "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
          "io.modelcontextprotocol/clientCapabilities": capabilities,
        },
      },
    },
    headers: {
      "mcp-protocol-version": version,
      "mcp-method": method,
      ...(typeof name === "string" ? { "mcp-name": name } : {}),
    },
  };
}
