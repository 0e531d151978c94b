/** The row of PingOne in the table of identity providers: an environment in a region, or a custom domain. */
import { z } from "zod";
import { printable } from "../lib/gateway/config_error.ts";
import { choice, type Text } from "../lib/gateway/options.ts";
import { bareHost, uuid } from "./identity_provider_fields.ts";
import { identityProvider, withRule, wrapperOptions } from "./identity_provider_wrapper.ts";

/** The top-level domain of each region of PingOne. */
const PING_REGIONS = {
  "north-america": "com",
  "canada": "ca",
  "europe": "eu",
  "singapore": "sg",
  "australia": "com.au",
  "asia-pacific": "asia",
} as const;

type PingRegion = keyof typeof PING_REGIONS;

// Object.keys forgets which strings they are.
const pingRegions: z.ZodType<PingRegion, PingRegion | Exclude<Text, string>> = choice(
  Object.keys(PING_REGIONS) as PingRegion[],
);

/** PingOne: an environment in a region, or a custom domain. */
export const ping = identityProvider({
  builder: "mcpPingOAuth",
  schema: withRule(
    z.strictObject({
      ...wrapperOptions,
      /** The environment's id: a UUID. */
      environmentId: uuid({
        expected: "the id of the PingOne environment, a UUID",
        example: "3c1b8f0e-7d6a-4b52-9a55-2f1f0c6f7a10",
        otherwise: "no UUID",
      }).optional(),
      /** The environment's region: North America. */
      region: pingRegions.optional(),
      /** The environment's custom domain, in place of its id and region. */
      customDomain: bareHost({
        expected: "the environment's custom domain, without https://",
        example: "login.example.com",
        check: (host) =>
          /^auth\.pingone\.(?:com|ca|eu|sg|com\.au|asia)$/.test(host)
            ? `${printable(host)} is the domain of all environments, and not a custom one`
            : undefined,
      }).optional(),
    }),
    (options) => {
      const { environmentId, region, customDomain } = options;
      const mend =
        "Name the environment by environmentId (and region, outside North America), or by customDomain";
      if (environmentId === undefined && customDomain === undefined) {
        const problem = "Neither environmentId nor customDomain is given";
        return { path: "customDomain" in options ? "customDomain" : "environmentId", problem, mend };
      }
      const other = environmentId !== undefined
        ? "environmentId"
        : region !== undefined
        ? "region"
        : undefined;
      return customDomain === undefined || other === undefined
        ? undefined
        : { path: other, problem: `customDomain is given too, which leaves no meaning for ${other}`, mend };
    },
  ),
  endpoints: ({ environmentId, region = "north-america", customDomain }) => {
    const issuer = customDomain === undefined
      ? `https://auth.pingone.${PING_REGIONS[region]}/${environmentId}/as`
      : `https://${customDomain}/as`;
    return {
      issuer,
      jwksUrl: `${issuer}/jwks`,
      authorizationUrl: `${issuer}/authorize`,
      tokenUrl: `${issuer}/token`,
    };
  },
});
