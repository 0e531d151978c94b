/** The provider's discovery document: read for details, never trusted for endpoints, never waited for twice. */
import assert from "node:assert/strict";
import { type ProviderMetadata, ProviderMetadataSource } from "../../../lib/login/provider_metadata.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const ISSUER = "https://idp.test/tenant";
const DEFAULTS: ProviderMetadata = {
  authMethod: "client_secret_basic",
  sendsIss: false,
  endSessionEndpoint: null,
};

function source(first: () => Response | Promise<Response>, issuer = ISSUER) {
  const clock = new FakeClock();
  const state = { urls: [] as string[], answer: first };
  const metadata = new ProviderMetadataSource({
    issuer,
    clock,
    fetch: async (url) => {
      state.urls.push(url);
      return await state.answer();
    },
  });
  return { clock, state, metadata };
}

function says(more: Record<string, unknown>, status = 200): () => Response {
  return () => Response.json({ issuer: ISSUER, ...more }, { status });
}

Deno.test("`get()` takes the details from the document of the issuer", async () => {
  const { metadata, state } = source(says({
    token_endpoint_auth_methods_supported: ["client_secret_post", "none"],
    authorization_response_iss_parameter_supported: true,
    end_session_endpoint: "https://idp.test/end",
    token_endpoint: "https://evil.test/token",
  }));
  assert.deepEqual(await metadata.get(), {
    authMethod: "client_secret_post",
    sendsIss: true,
    endSessionEndpoint: "https://idp.test/end",
  });
  assert.deepEqual(state.urls, [`${ISSUER}/.well-known/openid-configuration`]);
});

Deno.test("an issuer with a slash at its end has the document below it, with one slash", async () => {
  const { metadata, state } = source(
    () => Response.json({ issuer: "https://tenant.test/" }),
    "https://tenant.test/",
  );
  await metadata.get();
  assert.deepEqual(state.urls, ["https://tenant.test/.well-known/openid-configuration"]);
});

Deno.test("Basic is used unless the provider takes the body only", async () => {
  for (
    const [methods, expected] of [
      [undefined, "client_secret_basic"],
      [["client_secret_basic", "client_secret_post"], "client_secret_basic"],
      [["client_secret_post"], "client_secret_post"],
      [["private_key_jwt"], "client_secret_basic"],
      [[], "client_secret_basic"],
      ["client_secret_post", "client_secret_basic"],
    ] as const
  ) {
    const { metadata } = source(says({ token_endpoint_auth_methods_supported: methods }));
    assert.equal((await metadata.get()).authMethod, expected, JSON.stringify(methods));
  }
});

Deno.test("a document of somebody else, with another status, or that is none changes nothing", async () => {
  const good = { authorization_response_iss_parameter_supported: true };
  for (
    const answer of [
      () => Response.json({ issuer: `${ISSUER}/`, ...good }),
      () => Response.json({ issuer: "https://evil.test", ...good }),
      says(good, 203),
      says(good, 404),
      says(good, 500),
      () => Response.json([good]),
      () => Response.json(null),
      () => new Response("<html>"),
      () => new Response(null, { status: 204 }),
      () => Promise.reject(new TypeError("connection refused")),
    ]
  ) {
    const { metadata } = source(answer);
    assert.deepEqual(await metadata.get(), DEFAULTS);
  }
});

Deno.test("one odd detail does not spoil the others", async () => {
  const { metadata } = source(says({
    token_endpoint_auth_methods_supported: "all",
    authorization_response_iss_parameter_supported: "yes",
    end_session_endpoint: "https://idp.test/end",
  }));
  assert.deepEqual(await metadata.get(), { ...DEFAULTS, endSessionEndpoint: "https://idp.test/end" });
  for (const odd of ["javascript:alert(1)", "/end", "data:text/html,x", "", 7]) {
    const other = source(says({ end_session_endpoint: odd })).metadata;
    assert.equal((await other.get()).endSessionEndpoint, null, String(odd));
  }
});

Deno.test("the document is read once for all who wait, and kept for an hour", async () => {
  const { metadata, state, clock } = source(says({ authorization_response_iss_parameter_supported: true }));
  const all = await Promise.all(Array.from({ length: 20 }, () => metadata.get()));
  assert.ok(all.every(({ sendsIss }) => sendsIss));
  clock.advance({ ms: 3_599_999 });
  await metadata.get();
  assert.equal(state.urls.length, 1);
  clock.advance({ ms: 1 });
  await metadata.get();
  assert.equal(state.urls.length, 2);
});

Deno.test("what was known stays known while the provider is gone, and it is asked again after a minute", async () => {
  const { metadata, state, clock } = source(says({ authorization_response_iss_parameter_supported: true }));
  await metadata.get();
  clock.advance({ seconds: 3_600 });
  state.answer = () => Promise.reject(new TypeError("connection refused"));
  assert.equal((await metadata.get()).sendsIss, true);
  clock.advance({ seconds: 59 });
  assert.equal((await metadata.get()).sendsIss, true);
  assert.equal(state.urls.length, 2);
  clock.advance({ seconds: 1 });
  state.answer = says({});
  assert.equal((await metadata.get()).sendsIss, false);
});
