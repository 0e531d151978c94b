/** `env("NAME")`: names an environment variable in the configuration without reading it. */

/** Options of {@linkcode env}. */
export interface EnvOptions {
  /** Used when the variable is unset or empty. */
  readonly default?: string;
}

/** A lazy reference to an environment variable; it is resolved once, when the gateway starts. */
export class EnvReference {
  /** The variable's name. */
  readonly name: string;
  readonly #fallback: string | undefined;

  /** Use {@linkcode env}. */
  constructor(name: string, options: EnvOptions = {}) {
    this.name = name;
    this.#fallback = options.default;
    Object.freeze(this);
  }

  /** The variable's value, else the default, else `undefined`. An empty value counts as missing. */
  resolve(read: (name: string) => string | undefined): string | undefined {
    const value = read(this.name);
    return value === undefined || value === "" ? this.#fallback : value;
  }

  /** `env(NAME)`, never the value. */
  toString(): string {
    return `env(${this.name})`;
  }

  /** `env(NAME)`, never the value. */
  toJSON(): string {
    return this.toString();
  }

  /** `env(NAME)`, never the value. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  /** `env(NAME)`, never the value. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/**
 * Stands for the environment variable `name`, wherever a string option is accepted. Nothing is read until
 * the gateway starts, so a configuration can be imported, checked and tested without its environment.
 */
export function env(name: string, options: EnvOptions = {}): EnvReference {
  return new EnvReference(name, options);
}
