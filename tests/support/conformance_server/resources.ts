/** The fixture's resources, one of which can be watched. */
import { type McpServer, ResourceTemplate } from "@modelcontextprotocol/server";
import { PNG_PIXEL } from "./samples.ts";

/** The resource that {@linkcode ResourceWatch} tells of. */
export const WATCHED_URI = "test://watched-resource";

/** Which resources the client of a legacy session has subscribed to. */
export class ResourceWatch {
  readonly #server: McpServer;
  readonly #uris = new Set<string>();

  /** Answers the server's `resources/subscribe` and `resources/unsubscribe`. */
  constructor(server: McpServer) {
    this.#server = server;
    server.server.setRequestHandler("resources/subscribe", ({ params }) => {
      this.#uris.add(params.uri);
      return {};
    });
    server.server.setRequestHandler("resources/unsubscribe", ({ params }) => {
      this.#uris.delete(params.uri);
      return {};
    });
  }

  /** Tells the client, if it wants to know, that the resource has changed. */
  async updated(uri: string): Promise<void> {
    if (this.#uris.has(uri)) await this.#server.server.sendResourceUpdated({ uri });
  }
}

/** Adds every resource that the suite asks for. */
export function addResources(server: McpServer): void {
  const text = (uri: URL, value: string) => ({
    contents: [{ uri: uri.href, mimeType: "text/plain", text: value }],
  });
  server.registerResource(
    "static-text",
    "test://static-text",
    { mimeType: "text/plain" },
    (uri) => text(uri, "The text of a resource."),
  );
  server.registerResource("static-binary", "test://static-binary", { mimeType: "image/png" }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: "image/png", blob: PNG_PIXEL }],
  }));
  server.registerResource(
    "watched-resource",
    WATCHED_URI,
    { mimeType: "text/plain" },
    (uri) => text(uri, "A resource that may change."),
  );
  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", {
      list: undefined,
      complete: { id: (start) => ["123", "124"].filter((id) => id.startsWith(start)) },
    }),
    { mimeType: "application/json" },
    (uri, { id }) => ({
      contents: [{ uri: uri.href, mimeType: "application/json", text: JSON.stringify({ id }) }],
    }),
  );
}
