/** Claims about memory, in a process that other tests share. */
import assert from "node:assert/strict";

/** A mebibyte. */
export const MIB = 1_048_576;

/**
 * Asserts that resident memory grows by less than `bytes` while `act` runs. Tests in parallel are threads of one process, and what they
 * allocate counts as well: hence three attempts, of which one has to do. What really keeps its input fails them all.
 */
export async function growsLess(bytes: number, act: () => Promise<void>): Promise<void> {
  const grown: number[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const before = Deno.memoryUsage().rss;
    await act();
    grown.push(Deno.memoryUsage().rss - before);
    if (grown.at(-1)! < bytes) return;
  }
  assert.fail(`memory grew by ${grown.map((each) => Math.round(each / MIB)).join(", ")} MiB`);
}

/** So many mebibytes of zeros, packed into a thousandth: whoever unpacks them, even once, fails any claim about memory. */
export async function gzipBomb(mebibytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const mebibyte = new Uint8Array(MIB);
  const zeros = ReadableStream.from(Array.from({ length: mebibytes }, () => mebibyte));
  const bomb = await new Response(zeros.pipeThrough(new CompressionStream("gzip"))).bytes();
  assert.ok(bomb.length < mebibytes * 1_500);
  return bomb;
}
