/** From starting the process to its first answer, with a store and key ring that exist, as at every restart. */
import { type Figure, TARGETS } from "./figures.ts";
import { newKeyRing } from "./gateway_process.ts";
import { type GatewayStage, ofRounds, stageGateway } from "./stage.ts";

/** Starts the gateway once per round; the first start, which fills caches, is not counted. */
export async function measureColdStart(stage: GatewayStage): Promise<readonly Figure[]> {
  const same = { kv: `${stage.workDir}/cold_start.kv`, keyRing: newKeyRing() };
  const starts: number[] = [];
  stage.progress(`cold start: ${stage.options.rounds} starts`);
  for (let round = -1; round < stage.options.rounds; round++) {
    await using gateway = await stageGateway(stage, same);
    if (round >= 0) starts.push(gateway.startedInMs);
  }
  return [ofRounds(TARGETS.coldStart, starts)];
}
