/** Waiting for a condition instead of for a time. */

/** Resolves as soon as `reached` says so; after `seconds` (30) throws, with what `explain` has to say. */
export async function until(
  what: string,
  reached: () => boolean | Promise<boolean>,
  options: { readonly seconds?: number; readonly explain?: () => string } = {},
): Promise<void> {
  const { seconds = 30, explain = () => "" } = options;
  const deadline = performance.now() + seconds * 1000;
  while (!await reached()) {
    if (performance.now() > deadline) {
      throw new Error(`Never in ${seconds} s: ${what}\n${explain()}`.trimEnd());
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
