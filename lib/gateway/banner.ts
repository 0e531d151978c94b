/** What `deno task dev` prints once the gateway listens: where it is, what to paste into a client, what is for development only. */
import type { Gateway } from "./gateway.ts";

/** The banner's text; `origin` is where the gateway listens. */
export function banner(gateway: Gateway, origin: string): string {
  const width = Math.max(...gateway.routes.map((route) => route.title.length));
  const routes = gateway.routes.map((route) => `    ${route.title.padEnd(width)}   ${origin}${route.path}`);
  const [first] = gateway.routes;
  const example = first === undefined ? [] : [
    "",
    "  Add one to a client, for example:",
    `    claude mcp add --transport http ${first.operationId} ${origin}${first.path}`,
    `  or open ${origin}${gateway.basePath}/ for Cursor, VS Code and others.`,
  ];
  const local = gateway.oauth.login.kind === "local";
  return [
    "",
    `  Sallyport listens on ${origin} (${gateway.mode})`,
    "",
    ...routes,
    ...example,
    "",
    ...(local
      ? [
        "  For development only: everybody on this machine may sign in, without a password.",
        "  The data and a generated key ring are in .data/; delete the folder to start afresh.",
        "",
      ]
      : []),
  ].join("\n") + "\n";
}
