/** `mcpDevOAuth()`: sign-in without an identity provider, for the developer's own machine only. */
import { z } from "zod";
import {
  type CompileContext,
  define,
  type DefinitionSpec,
  type OAuthPolicy,
} from "../lib/gateway/definition.ts";
import type { OAuthSettings } from "../lib/gateway/gateway.ts";
import { isLoopbackBind } from "../lib/http/network_address.ts";
import { loginTiming, oauthSettings, sharedOAuthOptions } from "../lib/gateway/oauth_options.ts";
import { text } from "../lib/gateway/options.ts";

const schema = z.strictObject({
  /** Who may sign in: one user signs in at once, several are offered in a list. */
  users: z.array(text({
    expected: "a user name",
    example: "alice",
    check: (value) => /^[^\p{Cc}]{1,128}$/u.test(value) ? undefined : "This is no user name",
  })).min(1).readonly().default(["dev-browser-user"]),
  ...sharedOAuthOptions,
  browserLoginOverrides: z.strictObject(loginTiming).prefault({}),
});

/** @internal */
type Input = z.input<typeof schema>;

/** Options of {@linkcode mcpDevOAuth}. */
export interface McpDevOAuthOptions extends Input {}

const spec: DefinitionSpec<typeof schema, OAuthSettings> = {
  builder: "mcpDevOAuth",
  schema,
  compile(options, context) {
    refuseBeyondLoopback(context);
    options.users.forEach((user, index) => {
      if (options.users.indexOf(user) < index) {
        context.fault(["users", index], "The user is in the list already", "Name each user once");
      }
    });
    return oauthSettings(options, {
      login: { kind: "local", users: options.users },
      ...options.browserLoginOverrides,
    }, context);
  },
};

/** Signs anyone in who can open a page on this machine. Refused everywhere else, and in production. */
export function mcpDevOAuth(options: McpDevOAuthOptions = {}): OAuthPolicy {
  return define("oauth", spec, options);
}

function refuseBeyondLoopback({ site, fault }: CompileContext): void {
  const mend = 'Use mcpOAuth({ … }) there; keep mcpDevOAuth() for ({ mode }) => mode === "development"';
  if (site.mode === "production") {
    fault([], "mcpDevOAuth lets anyone in without a password, and this is production", mend);
  }
  if (!site.loopback) {
    fault([], "mcpDevOAuth lets anyone in without a password, and the public URL is not on loopback", mend);
  }
  if (site.bindHostname !== null && !isLoopbackBind(site.bindHostname)) {
    const problem =
      `mcpDevOAuth lets anyone in without a password, and the gateway listens on ${site.bindHostname}`;
    fault([], problem, "Listen on 127.0.0.1 (GATEWAY_HOST)");
  }
}
