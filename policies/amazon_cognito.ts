/** The row of Amazon Cognito in the table of identity providers: the region and the pool have to fit together. */
import { z } from "zod";
import { printable } from "../lib/gateway/config_error.ts";
import { bareHost, identifier } from "./identity_provider_fields.ts";
import { identityProvider, withRule, wrapperOptions } from "./identity_provider_wrapper.ts";

const AWS_REGION = /^[a-z]{2,}(?:-[a-z]+)+-\d{1,2}$/;
const USER_POOL_ID = /^[a-z0-9-]+_[A-Za-z0-9]+$/;

/** Amazon Cognito. */
export const cognito = identityProvider({
  builder: "mcpCognitoOAuth",
  schema: withRule(
    z.strictObject({
      ...wrapperOptions,
      /** The pool's AWS region, such as `eu-west-1`. */
      awsRegion: identifier({
        expected: "the user pool's AWS region",
        example: "us-east-1",
        pattern: AWS_REGION,
        otherwise: "no AWS region",
      }),
      /** The user pool's id, which begins with the region. */
      userPoolId: identifier({
        expected: "the user pool's id: the region, an underscore, and the pool's own part",
        example: "us-east-1_Ab1Cd2Ef3",
        pattern: USER_POOL_ID,
        otherwise: "no user pool id",
      }),
      /** The pool's domain for sign-in pages: Amazon's or a custom one. */
      userPoolDomain: bareHost({
        expected: "the user pool's domain, where its sign-in pages are, without https://",
        example: "acme.auth.us-east-1.amazoncognito.com",
        check: (host) =>
          host.startsWith("cognito-idp.")
            ? `${printable(host)} is the host of the issuer, and not the pool's own domain`
            : undefined,
      }),
    }),
    ({ awsRegion = "", userPoolId = "" }) => {
      // Malformed ones have been reported.
      if (!AWS_REGION.test(awsRegion) || !USER_POOL_ID.test(userPoolId)) return undefined;
      return userPoolId.startsWith(`${awsRegion}_`) ? undefined : {
        path: "userPoolId",
        problem: `${printable(userPoolId)} is the id of a pool in another region than ${
          printable(awsRegion)
        }`,
        mend: "Give the id and the region of one and the same user pool",
        example: `${awsRegion}_Ab1Cd2Ef3`,
      };
    },
  ),
  endpoints: ({ awsRegion, userPoolId, userPoolDomain }) => {
    const issuer = `https://cognito-idp.${awsRegion}.amazonaws.com/${userPoolId}`;
    return {
      issuer,
      jwksUrl: `${issuer}/.well-known/jwks.json`,
      authorizationUrl: `https://${userPoolDomain}/oauth2/authorize`,
      tokenUrl: `https://${userPoolDomain}/oauth2/token`,
    };
  },
});
