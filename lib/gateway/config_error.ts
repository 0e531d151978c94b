/** `ConfigError`: every fault of a configuration at once, each with its place and how to mend it. */

/** Where something stands in the configuration: `["routes", 0, "upstream"]`. */
export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong with a configuration. No text in it contains a secret. */
export interface ConfigFault {
  /** Such as `routes[0].policies[1].tools[2]`. */
  readonly path: string;
  /** The environment variable that the value came, or should have come, from. */
  readonly variable?: string;
  /** What is wrong: a sentence without its full stop. */
  readonly problem: string;
  /** What to do about it: a sentence without its full stop. */
  readonly mend: string;
}

/** Thrown when a configuration cannot be loaded or compiled; its message is the whole report. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** At least one. */
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(formatFaults(faults));
    this.faults = Object.freeze([...faults]);
    // Whoever has to read this wrote a configuration file: our call stack says nothing about it.
    this.stack = this.format();
  }

  /** The report as an operator reads it in a terminal: all faults, no stack trace, no secret. */
  format(): string {
    return formatFaults(this.faults);
  }

  [Symbol.for("Deno.customInspect")](): string {
    return this.format();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.format();
  }
}

/** Writes a path the way it would be typed in TypeScript: `routes[0].policies[1]["x-team"]`. */
export function formatPath(path: ConfigPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (!/^[A-Za-z_$][\w$]*$/.test(part)) text += `[${JSON.stringify(part)}]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text === "" ? "(the configuration)" : text;
}

/**
 * Quotes a value for a message. Credentials hide in the userinfo and the query of URLs, so those are
 * masked; control characters are escaped and long values cut.
 */
export function printable(value: string): string {
  return JSON.stringify(maskUrl(value).slice(0, 120)) + (value.length > 120 ? "…" : "");
}

/** Replaces what may be a credential in a URL: the userinfo and the query. Other text stays as it is. */
export function maskUrl(value: string): string {
  return value.replace(/:\/\/[^/?#]*@/g, "://***@").replace(/(:\/\/[^?#]*)\?[^#]*/g, "$1?***");
}

function formatFaults(faults: readonly ConfigFault[]): string {
  const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
  const blocks = faults.map(({ path, variable, problem, mend }) => {
    const origin = variable === undefined ? "" : `  (environment variable ${variable})`;
    return `  ${path}${origin}\n    ${indent(problem)}.\n    Mend: ${indent(mend)}.`;
  });
  return [`The configuration has ${count}:`, ...blocks].join("\n\n");
}

function indent(text: string): string {
  return text.replaceAll("\n", "\n    ");
}
