/** Clients named in the configuration, and the redirect schemes that all clients may use. */
import { z } from "zod";
import { publicJwks } from "../oauth/public_jwks.ts";
import { redirectUriFault } from "../oauth/redirect_uri.ts";
import { printable } from "./config_error.ts";
import type { CompileContext } from "./definition.ts";
import type { PreregisteredClient } from "./gateway.ts";
import { list, option, secret, text } from "./options.ts";

/** The native schemes of today's MCP clients. */
export const DEFAULT_REDIRECT_SCHEMES: readonly string[] = Object.freeze([
  "cursor",
  "vscode",
  "vscode-insiders",
  "windsurf",
  "zed",
  "goose",
  "raycast",
  "warp",
]);

// They run or read what they are given, or have rules of their own (http and https need no listing).
const REFUSED_SCHEMES =
  /^(?:javascript|data|file|blob|vbscript|about|filesystem|view-source|wss?|ftp|https?|mailto|tel|sms)$/;

/** One entry of `redirectSchemes`. */
export const redirectScheme = text({
  expected: "a native scheme in lower case, without the colon",
  example: "com.example.app",
  check(value) {
    if (!/^[a-z][a-z0-9+.-]*$/.test(value)) return `${printable(value)} is no scheme`;
    return REFUSED_SCHEMES.test(value) ? `A code must never be sent to a "${value}:" address` : undefined;
  },
});

type Jwks = NonNullable<PreregisteredClient["jwks"]>;

/** One entry of `clients`. */
export const clientOptions = z.strictObject({
  /** What the client sends as `client_id`. */
  clientId: text({
    expected: "a name of your own choosing",
    example: "internal-assistant",
    check(value) {
      if (/^https?:/i.test(value)) {
        return "A client id that is a URL belongs to a client metadata document, which needs no entry here";
      }
      return /^[\x21-\x7e]{1,255}$/.test(value) ? undefined : `${printable(value)} is no client id`;
    },
  }),
  /** Shown on the consent page; the client id by default. */
  name: text({ expected: "what people call the client", example: "Internal assistant" }).optional(),
  /** Where codes may be sent. */
  redirectUris: list(text({
    expected: "https, http on loopback, or a scheme of `redirectSchemes`",
    example: "https://assistant.example.com/callback",
    // The other rules depend on `redirectSchemes` and the public URL, and are checked with them.
    check: (value) => /^[A-Za-z][A-Za-z0-9+.-]*:/.test(value) ? undefined : "A redirect URI is absolute",
  })),
  /** For `client_secret_basic` and `client_secret_post`. */
  clientSecret: secret({ expected: "the secret that the client was given" }).optional(),
  /** Public keys, for `private_key_jwt`. */
  jwks: option<{ readonly keys: readonly Readonly<Record<string, unknown>>[] }, Jwks>(
    { expected: 'a JSON Web Key Set with public keys, such as { keys: [{ kty: "EC", … }] }' },
    (value, refuse) => {
      const keys = publicJwks(value);
      if (typeof keys !== "string") return keys;
      refuse(
        keys.startsWith("public keys only")
          ? "A private or symmetric key stands in the key set: consider it lost, and make a new one"
          : `The key set cannot be used: expected is ${keys}`,
      );
      return { keys: [] };
    },
  ).optional(),
});

/** Checks the rules across clients and completes them; `at` is the path of the list. */
export function compileClients(
  clients: readonly z.output<typeof clientOptions>[],
  context: Pick<CompileContext, "fault" | "site"> & { readonly schemes: ReadonlySet<string> },
): PreregisteredClient[] {
  const { publicUrl } = context.site;
  const ownOrigins = publicUrl.kind === "origin" ? [publicUrl.origin] : [];
  return clients.map((client, index) => {
    const at = ["clients", index];
    const first = clients.findIndex((other) => other.clientId === client.clientId);
    if (first < index) {
      context.fault([...at, "clientId"], `clients[${first}] has this client id already`, "Give each its own");
    }
    if (client.redirectUris.length === 0) {
      context.fault([...at, "redirectUris"], "The list is empty", "Give at least one redirect URI");
    }
    client.redirectUris.forEach((uri, item) => {
      const problem = redirectUriFault(uri, { schemes: context.schemes, ownOrigins });
      if (problem === null) return;
      const mend = "Give https, http on loopback, or a scheme that stands in `redirectSchemes`";
      context.fault([...at, "redirectUris", item], problem.replace(/\.$/, ""), mend);
    });
    if (client.clientSecret !== undefined && client.jwks !== undefined) {
      context.fault(
        at,
        "The client has both a secret and keys",
        "Keep the keys: they cannot be stolen from here",
      );
    }
    return {
      clientId: client.clientId,
      name: client.name ?? client.clientId,
      redirectUris: client.redirectUris,
      clientSecret: client.clientSecret ?? null,
      jwks: client.jwks ?? null,
    };
  });
}
