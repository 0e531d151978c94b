import assert from "node:assert/strict";
import { extractWWWAuthenticateParams as extractV2 } from "@modelcontextprotocol/client";
import { extractWWWAuthenticateParams as extractV1 } from "@modelcontextprotocol/sdk/client/auth.js";
import { customFetch, protectedResourceRequest, WWWAuthenticateChallengeError } from "@panva/oauth4webapi";
import { bearerChallenge } from "../../../lib/oauth/www_authenticate.ts";

const METADATA = "https://gw.test/.well-known/oauth-protected-resource/alpha";

function answer(challenge: string): Response {
  return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
}

/** The challenges as a strict RFC 9110 parser sees them. */
async function strictly(challenge: string) {
  const error = await protectedResourceRequest(
    "t",
    "GET",
    new URL("https://gw.test/alpha"),
    undefined,
    null,
    {
      [customFetch]: () => Promise.resolve(answer(challenge)),
    },
  ).then(() => null, (error: unknown) => error);
  assert.ok(error instanceof WWWAuthenticateChallengeError);
  return error.cause;
}

Deno.test("`bearerChallenge()` without a token names metadata and scope, and no error (RS-04, B12 176)", () => {
  assert.equal(
    bearerChallenge({ resourceMetadata: METADATA, scope: "mcp:tools" }),
    `Bearer resource_metadata="${METADATA}", scope="mcp:tools"`,
  );
  assert.equal(bearerChallenge({ resourceMetadata: METADATA }), `Bearer resource_metadata="${METADATA}"`);
});

Deno.test("`bearerChallenge()` is read alike by both official SDKs and a strict parser (RS-04, RS-06, RS-07)", async () => {
  for (const error of ["invalid_token", "insufficient_scope", "invalid_request"] as const) {
    const challenge = bearerChallenge({
      resourceMetadata: METADATA,
      scope: "mcp:tools",
      error,
      description: "The access token has expired.",
    });
    for (const extract of [extractV1, extractV2]) {
      const { resourceMetadataUrl, scope, error: found } = extract(answer(challenge));
      assert.equal(resourceMetadataUrl?.href, METADATA);
      assert.equal(scope, "mcp:tools");
      assert.equal(found, error);
    }
    assert.deepEqual(await strictly(challenge), [{
      scheme: "bearer",
      parameters: {
        resource_metadata: METADATA,
        scope: "mcp:tools",
        error,
        error_description: "The access token has expired.",
      },
    }]);
  }
});

Deno.test("`bearerChallenge()` stays one well-formed challenge whatever is in it (RS-06, B1 006)", async (t) => {
  const attacks = [
    'a", error="insufficient_scope", scope="admin',
    'a\\", scope="admin',
    "a\\",
    '"',
    "a\r\nSet-Cookie: x=1",
    "a\nWWW-Authenticate: Basic",
    "a\0b\x7f",
    "x, Basic realm=evil",
    "scope=admin error=invalid_token resource_metadata=https://evil.test/",
    "für „Zoë“ 🙂",
    "a\u2028b",
    "",
  ];
  for (const attack of attacks) {
    await t.step(JSON.stringify(attack), async () => {
      const inDescription = bearerChallenge({ resourceMetadata: METADATA, description: attack });
      assert.match(inDescription, /^Bearer (?:[a-z_]+="[\x20-\x21\x23-\x5b\x5d-\x7e]*"(?:, |$))+$/);
      const [challenge, ...others] = await strictly(inDescription);
      assert.equal(others.length, 0);
      assert.deepEqual(Object.keys(challenge?.parameters ?? {}), ["resource_metadata", "error_description"]);
      for (const extract of [extractV1, extractV2]) {
        const { resourceMetadataUrl, scope, error } = extract(answer(inDescription));
        assert.deepEqual([resourceMetadataUrl?.href, scope, error], [METADATA, undefined, undefined]);
      }
      const everywhere = bearerChallenge({
        resourceMetadata: METADATA + attack,
        scope: attack,
        description: attack,
      });
      const [one, ...more] = await strictly(everywhere);
      assert.equal(more.length, 0);
      assert.deepEqual(Object.keys(one?.parameters ?? {}), [
        "resource_metadata",
        "scope",
        "error_description",
      ]);
    });
  }
});
