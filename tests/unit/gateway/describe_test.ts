import assert from "node:assert/strict";
import { resolveGateway } from "../../../lib/gateway/compile.ts";
import { defineGateway } from "../../../lib/gateway/define_gateway.ts";
import { describeGateway } from "../../../lib/gateway/describe.ts";
import { env } from "../../../lib/gateway/env.ts";
import { mcpOAuth } from "../../../policies/mcp_oauth.ts";
import { setHeaders } from "../../../policies/set_headers.ts";
import { upstreamApiKey } from "../../../policies/upstream_api_key.ts";
import { type Loose, loosely, publicOptions, route } from "./configurations.ts";

function table(given: Loose, mode: "development" | "production" = "production"): string {
  const definition = loosely(defineGateway, given);
  return describeGateway(resolveGateway(definition, { mode, env: () => undefined, placeholders: true }));
}

Deno.test("`describeGateway()` shows settings, defaults and the variables behind them, section by section", () => {
  const text = table(publicOptions({
    admins: () => true,
    allowedHosts: ["a.internal", env("HOST")],
    routes: [route({ policies: [setHeaders({ "x-team": "a" })] }), route({ operationId: "two" }, "/mcp/two")],
  }));
  const sections = text.split("\n\n").map((section) => section.trim().split(/ +/)[0]);
  assert.deepEqual(sections, ["mode", "oauth", "routes[0]", "routes[1]"]);
  assert.match(text, /publicUrl +https:\/\/gw\.example\n/);
  assert.match(text, /allowedHosts +a\.internal, placeholder {2}\(from HOST\)\n/);
  assert.match(text, /admins +decided by a function\n/);
  assert.match(text, /limits\.bodyBytes +4194304\n/);
  assert.match(text, /routes\[0\]\.policies\[0\] +setHeaders\(…\)\n/);
  assert.match(text, /routes\[0\]\.policies\[0\]\["x-team"\] +\[secret\]\n/);
});

Deno.test("placeholders satisfy every option, whatever shape it asks for", () => {
  const all = publicOptions({
    publicUrl: env("PUBLIC_URL"),
    basePath: env("BASE_PATH"),
    allowedHosts: [env("HOST")],
    corsOrigins: [env("ORIGIN")],
    redirectSchemes: [env("SCHEME")],
    admins: { emails: [env("EMAIL")], subjects: [env("SUBJECT")] },
    registry: { path: env("REGISTRY_PATH") },
    clients: [{ clientId: env("CLIENT"), redirectUris: [env("REDIRECT")], clientSecret: env("SECRET") }],
    oauth: mcpOAuth({
      oidc: { issuer: env("ISSUER"), jwksUrl: env("JWKS"), audience: env("AUDIENCE") },
      browserLogin: {
        url: env("URL"),
        tokenUrl: env("TOKEN"),
        clientId: env("ID"),
        clientSecret: env("KEY"),
        scope: env("SCOPE"),
      },
    }),
    routes: [
      route({
        operationId: env("OPERATION"),
        upstream: env("UPSTREAM"),
        websiteUrl: env("WEBSITE"),
        icons: [{ src: env("ICON"), sizes: [env("SIZE")] }],
        clientCertificate: { cert: env("CERT"), key: env("CERT_KEY") },
        policies: [
          upstreamApiKey({ header: env("HEADER"), value: env("VALUE") }),
          setHeaders({ "x-a": env("XA") }),
        ],
      }),
    ],
  });
  for (const mode of ["development", "production"] as const) {
    const text = table(all, mode);
    for (const name of ["PUBLIC_URL", "SCOPE", "SIZE", "CERT_KEY", "XA", "EMAIL", "BASE_PATH"]) {
      assert.match(text, new RegExp(`\\(from ${name}\\)`), `${mode} ${name}`);
    }
  }
});

Deno.test("placeholders stand in for variables only, and do not excuse a fault", () => {
  assert.throws(
    () => table(publicOptions({ routes: [route({ upstream: "x", summary: env("S") })] })),
    /1 fault/,
  );
});
