/** A login on its way: random, single-use, short-lived, bound to the browser that began it. */
import { createIdentifier, createSecretToken, hashSecret } from "../crypto/secret_token.ts";
import type { Services } from "../services.ts";
import { type LoginRecord, logins } from "../store/schema.ts";
import type { Entry } from "../store/store.ts";

/** What a login is begun with. */
export interface LoginStart {
  /** Value of the browser cookie. */
  readonly browser: string;
  /** A path of ours. */
  readonly returnTo: string;
  readonly origin: string;
  readonly loginHint: string | null;
  readonly ttlSeconds: number;
}

/** A login that was just begun. */
export interface BegunLogin {
  /** Also the `state` towards a provider. */
  readonly loginId: string;
  readonly record: LoginRecord;
}

/** Stores a login. */
export async function beginLogin(
  services: Pick<Services, "store" | "clock" | "random">,
  start: LoginStart,
): Promise<BegunLogin> {
  const { store, clock, random } = services;
  const loginId = createIdentifier(random);
  const record: LoginRecord = {
    loginId,
    browserHash: hashSecret(start.browser),
    csrfToken: createIdentifier(random),
    returnTo: start.returnTo,
    loginHint: start.loginHint,
    origin: start.origin,
    nonce: createIdentifier(random),
    codeVerifier: createSecretToken("", random),
    expiresAt: clock.now() + start.ttlSeconds * 1000,
  };
  await store.write().set(logins, [hashSecret(loginId)], record).commit();
  return { loginId, record };
}

/** Whether there is such a login, whoever began it. */
export async function hasLogin({ store }: Pick<Services, "store">, loginId: string): Promise<boolean> {
  return await store.get(logins, hashSecret(loginId)) !== null;
}

/** The login, if this browser began it; it stays usable. */
export async function findLogin(
  services: Pick<Services, "store">,
  loginId: string,
  browser: string | undefined,
): Promise<Entry<LoginRecord> | null> {
  const entry = await services.store.get(logins, hashSecret(loginId));
  return entry !== null && browser !== undefined && entry.value.browserHash === hashSecret(browser)
    ? entry
    : null;
}

/** Uses the login up. `false`: somebody else did, a moment ago. */
export async function finishLogin(
  services: Pick<Services, "store">,
  entry: Entry<LoginRecord>,
): Promise<boolean> {
  return await services.store.write().check(entry).delete(logins, ...entry.id).commit();
}
