/** A registration that pushes out another one at the very moment of its first use. */
import assert from "node:assert/strict";
import { findClient, renewClient } from "../../../lib/authorization_server/client.ts";
import { registerClient } from "../../../lib/authorization_server/client_registration.ts";
import { systemRandom } from "../../../lib/crypto/secret_token.ts";
import { testServices } from "../../support/services.ts";
import { POLICY, REDIRECT_URI, someClient } from "./stage.ts";

const sources = { configured: [], documents: null };

Deno.test("a registration that is used for the first time while another one takes its place stays (B2 030, B17 260)", async () => {
  const kv = await Deno.openKv(":memory:");
  let onRead: ((key: Deno.KvKey) => Promise<void>) | null = null;
  const watched = new Proxy(kv, {
    get(target, name) {
      if (name === "get") {
        return async (key: Deno.KvKey) => {
          const row = await target.get(key);
          await onRead?.(key);
          return row;
        };
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  let places = 0;
  // The first two registrations draw the same place.
  const random = (length: number) => length === 4 && places++ < 2 ? new Uint8Array(4) : systemRandom(length);
  using services = await testServices({ kv: watched, random });
  const first = await someClient(services);
  onRead = async (key) => {
    if (key[0] !== "client" || key[1] !== first.clientId) return;
    onRead = null;
    await renewClient(services, first);
  };
  await registerClient(services, { redirect_uris: [REDIRECT_URI], client_name: "Other" }, POLICY);
  assert.equal(onRead, null, "the second registration did not look at the first");
  assert.ok(await findClient(services, sources, first.clientId), "a client in use is gone");
  kv.close();
});
