/** A value that cannot be printed by accident: not by a log, an error, `JSON.stringify` or `Deno.inspect`. */

const REDACTED = "[secret]";

/** Wraps a secret string. The value leaves only through {@linkcode Secret.reveal}. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself. Call it where the value is sent or compared, and nowhere earlier. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.for("Deno.customInspect")](): string {
    return REDACTED;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return REDACTED;
  }
}
