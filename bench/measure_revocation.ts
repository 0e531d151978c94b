/** How long a token revoked at one process still works at another that shares the store file. */
import { pause } from "./child_process.ts";
import { type Figure, TARGETS } from "./figures.ts";
import { newKeyRing, ROUTES, type RunningGateway } from "./gateway_process.ts";
import { HttpConnection } from "./http_connection.ts";
import { CALL_BODY, clientHeaders, rawRequest } from "./requests.ts";
import { signIn } from "./sign_in.ts";
import { type GatewayStage, stageGateway } from "./stage.ts";

const GIVE_UP_MS = 5000;

/** The figure is the worst of all tries: a revocation is only as good as its slowest. */
export async function measureRevocation(stage: GatewayStage): Promise<readonly Figure[]> {
  const tries = stage.options.quick ? 5 : 25;
  const shared = { kv: `${stage.workDir}/revocation.kv`, keyRing: newKeyRing() };
  await using one = await stageGateway(stage, shared);
  await using other = await stageGateway(stage, { ...shared, publicUrl: one.publicUrl });
  stage.progress(`revocation: ${tries} tries`);
  const delays: number[] = [];
  for (let attempt = 0; attempt < tries; attempt++) {
    delays.push(await revokeAndWait(one, other));
    // Not in step with a poll that may run every so many milliseconds.
    await pause(Math.random() * 150);
  }
  return [{
    ...TARGETS.revocation,
    measured: Math.max(...delays),
    spread: [Math.min(...delays), Math.max(...delays)],
  }];
}

async function revokeAndWait(one: RunningGateway, other: RunningGateway): Promise<number> {
  const tokens = await signIn(one.publicUrl, ROUTES.call);
  using connection = await HttpConnection.open(other.origin);
  const call = rawRequest({ method: "POST", url: other.origin + ROUTES.call, body: CALL_BODY }, {
    ...clientHeaders(tokens.accessToken),
    host: new URL(one.publicUrl).host,
  });
  const before = await connection.exchange(call);
  if (before.status !== 200) throw new Error(`the other process answered ${before.status}: ${before.text()}`);
  const revoked = await fetch(`${one.publicUrl}/oauth/revoke`, {
    method: "POST",
    body: new URLSearchParams({ token: tokens.refreshToken, client_id: tokens.clientId }),
  });
  if (!revoked.ok) throw new Error(`revocation answered ${revoked.status}: ${await revoked.text()}`);
  await revoked.body?.cancel();
  const begin = performance.now();
  for (;;) {
    const { status } = await connection.exchange(call);
    const delay = performance.now() - begin;
    if (status === 401) return delay;
    if (status !== 200 || delay > GIVE_UP_MS) throw new Error(`${status} after ${Math.round(delay)} ms`);
    await pause(1);
  }
}
