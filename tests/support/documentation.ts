/** Type-checks the code of pages under docs/, as a reader would paste it. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** How many blocks of code were checked; fails with the compiler's words when one does not compile. */
export async function typeCheckPages(pages: readonly URL[]): Promise<number> {
  // The checker says nothing of code that it has seen before, so it is shown copies at a place that is new.
  const directory = await Deno.makeTempDir();
  try {
    const copies = pages.map((page) => `${directory}/${basename(fileURLToPath(page))}`);
    for (const [index, page] of pages.entries()) await Deno.copyFile(page, copies[index] ?? "");
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--config", CONFIG, "--doc-only", ...copies],
      env: { NO_COLOR: "1" },
    }).output();
    const printed = new TextDecoder().decode(stderr);
    assert.ok(success, printed);
    return printed.match(/^Check .*\.md#/gm)?.length ?? 0;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
