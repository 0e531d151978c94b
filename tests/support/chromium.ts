/** A real Chromium for browser tests: found, never downloaded; its absence ignores the tests, or fails them in CI. */
import { type Browser, chromium } from "playwright-core";

/** Where Debian, Fedora, Google's own package, macOS and Windows put it. */
const usualPlaces = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
] as const;

/** The executable that browser tests run, `CHROMIUM_PATH` first; undefined if this machine has none. */
export const chromiumPath: string | undefined = [Deno.env.get("CHROMIUM_PATH"), ...usualPlaces]
  .find((path) => path !== undefined && path !== "" && exists(path));

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * A `Deno.test` with a headless Chromium of its own. Without Chromium on the machine it is ignored;
 * with `SALLYPORT_REQUIRE_BROWSER=1` it fails instead.
 */
export function browserTest(name: string, run: (browser: Browser) => Promise<void>): void {
  const required = Deno.env.get("SALLYPORT_REQUIRE_BROWSER") === "1";
  Deno.test({
    name,
    ignore: chromiumPath === undefined && !required,
    fn: async () => {
      const browser = await launchChromium();
      try {
        await run(browser);
      } finally {
        await browser.close();
      }
    },
  });
}

/** Starts a headless Chromium with an empty profile; the caller closes it. Throws if there is none. */
export async function launchChromium(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error("No Chromium on this machine; set CHROMIUM_PATH.");
  return await chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    args: [
      // Chromium's own sandbox does not start for root, which is what containers run as.
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
