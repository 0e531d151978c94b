/** From a configuration module and an environment to a compiled gateway, and from whatever stopped that to words. */
import { StoreUnavailableError } from "../store/open_kv.ts";
import { compileGateway } from "./compile.ts";
import { ConfigError, type ConfigFault } from "./config_error.ts";
import type { Environment } from "./environment.ts";
import type { Gateway } from "./gateway.ts";
import { loadDefinition } from "./load.ts";

/** What {@linkcode configure} needs beside the environment. */
export interface ConfigureOptions {
  /** Faults of the environment, which are reported together with those of the configuration. */
  readonly faults: readonly ConfigFault[];
  /** Reads one environment variable. */
  readonly env: (name: string) => string | undefined;
  /** The directory that a relative configuration path starts at. */
  readonly directory: string;
}

/** The compiled configuration. @throws {ConfigError} with all faults */
export async function configure(environment: Environment, options: ConfigureOptions): Promise<Gateway> {
  const { faults, env, directory } = options;
  const mode = environment.development ? "development" : "production";
  const { publicUrl, hostname: bindHostname } = environment;
  try {
    const definition = await loadDefinition(environment.configPath, directory);
    const gateway = compileGateway(definition, { mode, env, publicUrl, bindHostname });
    if (faults.length === 0) return gateway;
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError([...faults, ...error.faults]) : error;
  }
  throw new ConfigError(faults);
}

/** What stopped the start, without a stack trace; `null`: a fault of ours, which keeps its trace. */
export function explainStartup(error: unknown): string | null {
  if (error instanceof ConfigError) return error.format();
  if (error instanceof StoreUnavailableError) return `sallyport: ${error.message}`;
  if (error instanceof Deno.errors.AddrInUse) {
    return "sallyport: the port is taken; stop what uses it or set GATEWAY_PORT.";
  }
  return null;
}
