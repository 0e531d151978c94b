/**
 * The types of the configuration, checked beside a running gateway: `deno run` never checks them, so a wrong option
 * would be noticed only in an editor. It tells, and stops nothing.
 */
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** Also for a configuration that lies elsewhere: it says what `@sallyport/gateway` means. */
const denoJson = fileURLToPath(import.meta.resolve("../deno.json"));

/** What to check, and when it may begin. */
export interface TypeCheckOptions {
  /** Absolute path of the configuration module. */
  readonly config: string;
  /** Where the gateway listens: the first check waits for it, so as not to slow its start. */
  readonly host: string;
  readonly port: number;
  readonly say: (line: string) => void;
}

/** Checks once the gateway is up, and again after every change of the file. */
export class TypeCheck {
  readonly #options: TypeCheckOptions;
  readonly #watcher: Deno.FsWatcher | undefined;
  #running: Deno.ChildProcess | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;
  #failed = false;

  /** Starts watching; `stop()` ends it. */
  constructor(options: TypeCheckOptions) {
    this.#options = options;
    this.#watcher = watchFolder(dirname(options.config));
    this.#watch();
    this.#checkOnceUp();
  }

  /** Ends the watching and a running check. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
    this.#cancel();
  }

  async #watch(): Promise<void> {
    const name = basename(this.#options.config);
    for await (const { kind, paths } of this.#watcher ?? []) {
      if (kind === "access" || !paths.some((path) => basename(path) === name)) continue;
      this.#cancel();
      this.#schedule(500);
    }
  }

  /** Looks for the gateway twice a second, for ten seconds: a broken configuration never comes up. */
  async #checkOnceUp(): Promise<void> {
    for (let attempt = 0; attempt < 20 && !this.#stopped; attempt++) {
      if (await this.#isUp()) break;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    if (!this.#stopped && this.#timer === undefined) this.#schedule(0);
  }

  async #isUp(): Promise<boolean> {
    try {
      (await Deno.connect({ hostname: this.#options.host, port: this.#options.port })).close();
      return true;
    } catch {
      return false;
    }
  }

  /** One save is several events to the file system. */
  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#check(), delayMs);
  }

  async #check(): Promise<void> {
    const check = new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--config", denoJson, this.#options.config],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#running = check;
    const { success, stderr } = await check.output();
    if (this.#stopped || this.#running !== check) return;
    this.#running = undefined;
    const name = basename(this.#options.config);
    const found = new TextDecoder().decode(stderr).trim();
    // What cannot be parsed, the gateway itself has already shown.
    if (!success && /\bTS\d+\b/.test(found)) {
      this.#options.say(`\nTypes of ${name} (the gateway keeps running):\n${found}`);
      this.#failed = true;
    }
    if (success && this.#failed) {
      this.#options.say(`Types of ${name}: all right now.`);
      this.#failed = false;
    }
  }

  #cancel(): void {
    const running = this.#running;
    this.#running = undefined;
    try {
      running?.kill("SIGKILL");
    } catch {
      // It had just ended.
    }
  }
}

/** The folder, since editors replace a file rather than write into it; undefined if there is none. */
function watchFolder(folder: string): Deno.FsWatcher | undefined {
  try {
    return Deno.watchFs(folder, { recursive: false });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
