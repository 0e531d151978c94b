/** Where the gateway stands: its public URL from the environment or the configuration, and who can reach it. */
import { isLoopbackHostname, type PublicUrlSetting } from "../http/public_url.ts";
import type { Compilation } from "./compilation.ts";
import type { Site } from "./definition.ts";
import { EnvReference } from "./env.ts";
import type { Mode } from "./gateway.ts";
import { publicUrl as publicUrlOption } from "./url_options.ts";

/** What {@linkcode readSite} needs of the compiler's options. */
export interface SiteOptions {
  readonly mode: Mode;
  readonly env: (name: string) => string | undefined;
  readonly publicUrl?: string | undefined;
  readonly bindHostname?: string | undefined;
  readonly placeholders?: boolean | undefined;
}

const VARIABLE = "GATEWAY_PUBLIC_URL";
const PLACEHOLDER = {
  development: "http://127.0.0.1:9000",
  production: "https://gateway.example.com",
} as const;

/** Reads the `publicUrl` option; faults go to `compilation`. */
export function readSite(
  raw: unknown,
  compilation: Compilation,
  options: SiteOptions,
): Omit<Site, "allowLoopback"> {
  const { mode } = options;
  const { input, variable } = chooseInput(raw, options);
  const read = compilation.read(publicUrlOption().optional(), input, ["publicUrl"], variable);
  const publicUrl: PublicUrlSetting = read?.options ?? { kind: "loopback" };
  if (read !== null && publicUrl.kind === "loopback" && mode === "production") {
    compilation.faults.push({
      path: "publicUrl",
      variable: VARIABLE,
      problem: "In production the gateway has to know the origin that clients see",
      mend: `Set ${VARIABLE}, or the option publicUrl, for example "${PLACEHOLDER.production}"`,
    });
  }
  return {
    mode,
    publicUrl,
    // A faulty URL is one fault: it does not also make a loopback gateway a public one.
    loopback: publicUrl.kind === "loopback" ||
      (publicUrl.kind === "origin" && isLoopbackHostname(new URL(publicUrl.origin).hostname)),
    bindHostname: options.bindHostname ?? null,
  };
}

function chooseInput(raw: unknown, options: SiteOptions): { input: unknown; variable?: string } {
  if (options.publicUrl !== undefined && options.publicUrl !== "") {
    return { input: options.publicUrl, variable: VARIABLE };
  }
  if (options.placeholders !== true) return { input: raw };
  // A made-up public URL has to fit the mode, or the local login would be refused for it.
  if (raw instanceof EnvReference && raw.resolve(options.env) === undefined) {
    return { input: PLACEHOLDER[options.mode], variable: raw.name };
  }
  return raw === undefined && options.mode === "production"
    ? { input: PLACEHOLDER.production, variable: VARIABLE }
    : { input: raw };
}
