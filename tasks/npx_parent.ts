/**
 * `npx -y deno task dev` puts npm and a shell between the signal and us. A Ctrl-C reaches the whole process group, but a
 * SIGTERM for npx alone ends npm and the shell, and neither passes it on: then nobody would be left to stop us.
 */

const checkEveryMs = 500;

/** Calls `gone` once the npm that started this process has ended. Does nothing without npx, or without `/proc`. */
export function watchNpxParent(gone: () => void): { stop(): void } {
  const npm = Deno.env.get("npm_command") === "exec" ? findNpm(Deno.ppid) : undefined;
  if (npm === undefined) return { stop() {} };
  const timer = setInterval(() => {
    if (processInfo(npm) !== undefined) return;
    clearInterval(timer);
    gone();
  }, checkEveryMs);
  return { stop: () => clearInterval(timer) };
}

/** The nearest ancestor that is npm; between it and us are a shell and `deno task`. */
function findNpm(pid: number): number | undefined {
  for (let generation = 0; generation < 5 && pid > 1; generation++) {
    const info = processInfo(pid);
    if (info === undefined) return undefined;
    if (/^(?:npm exec|npx|\S*node\S* \S*npx)\b/.test(info.command)) return pid;
    pid = info.parent;
  }
  return undefined;
}

/** A process as Linux describes it; undefined if it has ended, is a zombie, or this is another system. */
function processInfo(pid: number): { readonly command: string; readonly parent: number } | undefined {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    if (/^State:\s+Z/m.test(status)) return undefined;
    const command = Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    return { command, parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0) };
  } catch {
    return undefined;
  }
}
