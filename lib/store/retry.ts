/** Deno KV on a file throws `database is locked` under ordinary traffic from a second process. Nothing else is retried. */

const ATTEMPTS = 60;
const LONGEST_PAUSE_MS = 50;

/** Runs `attempt` again, after a random pause of at most 50 ms, as long as it fails with `database is locked` (60 times at most). */
export async function retryWhileLocked<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let count = 1;; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (count === ATTEMPTS || !(error instanceof Error && error.message.includes("database is locked"))) {
        throw error;
      }
      const pause = Math.random() * Math.min(LONGEST_PAUSE_MS, 2 * count);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
