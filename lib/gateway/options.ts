/** The building blocks of option schemas: each says in its own words what it expects. */
import { z } from "zod";
import { type ConfigPath, printable } from "./config_error.ts";
import { Definition, isPlainObject } from "./definition.ts";
import { EnvReference } from "./env.ts";
import { Secret } from "../runtime/secret.ts";

/** A string option as a configuration may write it. */
export type Text = string | EnvReference;

/** What a message says about an option. */
export interface OptionRule {
  /** Completes the sentence "Give …". */
  readonly expected: string;
  /** Code for one good value, such as `"https://gateway.example.com"` without the quotes for strings. */
  readonly example?: string;
}

/** Reports what is wrong: `problem` without a full stop; `path` is relative to the option. */
export type Refuse = (problem: string, details?: { path?: (string | number)[]; mend?: string }) => void;

/** The details that our own schema issues carry through zod. */
export interface OptionIssue {
  readonly mend: string;
  readonly example: string | null;
}

/**
 * An option with its own reader. `read` returns the value to use, or calls `refuse` and returns anything.
 * The schema's input type is what a configuration may write, so the option types derive from it.
 */
export function option<Input, Output>(
  rule: OptionRule,
  read: (value: unknown, refuse: Refuse) => Output,
): z.ZodType<Output, Input> {
  const advice = rule.example === undefined ? "" : `, for example ${JSON.stringify(rule.example)}`;
  return z.custom<Input>().transform((value, context) => {
    const refuse: Refuse = (problem, { path = [], mend } = {}) => {
      const params: OptionIssue = {
        mend: mend ?? `Give ${rule.expected}${advice}`,
        example: rule.example ?? null,
      };
      context.issues.push({
        code: "custom",
        message: problem,
        path,
        params: { ...params },
        input: undefined,
      });
    };
    if (value === undefined) {
      refuse("This option is required");
      return z.NEVER;
    }
    return read(value, refuse);
  });
}

/** Options of {@linkcode text}. */
export interface TextRule extends OptionRule {
  /** Returns what is wrong with a non-empty value, or nothing. */
  readonly check?: (value: string) => string | undefined;
  /** PEM: its line breaks may be written as `\n`, as environment files often have them, and it may end with one. */
  readonly pem?: boolean;
}

/** A non-empty string, or `env("NAME")`. */
export function text(rule: TextRule): z.ZodType<string, Text> {
  return option<Text, string>(rule, (given, refuse) => readText(given, rule, refuse));
}

/** A string that no message, log or inspection may show, or `env("NAME")`. */
export function secret(rule: TextRule): z.ZodType<Secret, Text> {
  return option<Text, Secret>(rule, (given, refuse) => new Secret(readText(given, rule, refuse)));
}

function readText(given: unknown, rule: TextRule, refuse: Refuse): string {
  const value = rule.pem === true && typeof given === "string" ? given.replaceAll("\\n", "\n").trim() : given;
  const problem = textProblem(value) ?? rule.check?.(String(value));
  if (problem !== undefined) refuse(problem);
  return String(value);
}

/** What is wrong with a value as the text of any option; never repeats the value. */
export function textProblem(value: unknown): string | undefined {
  if (typeof value !== "string") return `A string is expected, but ${typeName(value)} was given`;
  if (value === "") return "The value is empty";
  if (/env\([A-Za-z_]\w*\)/.test(value)) {
    return "env() was put inside another string; it stands for a whole value, because it is read only at startup";
  }
  if (value.trim() !== value) return "The value begins or ends with white space";
  return undefined;
}

/** Options of {@linkcode integer}. */
export interface IntegerRule {
  readonly min: number;
  readonly max: number;
  /** Such as `seconds`. */
  readonly unit: string;
}

/** A whole number within bounds, both inclusive. */
export function integer({ min, max, unit }: IntegerRule): z.ZodType<number, number> {
  return option({ expected: `a whole number of ${unit} from ${min} to ${max}` }, (value, refuse) => {
    if (typeof value !== "number") {
      refuse(`A number is expected, but ${typeName(value)} was given`);
      return 0;
    }
    if (!Number.isInteger(value) || value < min || value > max) refuse(`${value} is out of bounds`);
    return value;
  });
}

/** `true` or `false`. */
export function flag(): z.ZodType<boolean, boolean> {
  return option({ expected: "true or false" }, (value, refuse) => {
    if (typeof value !== "boolean") refuse(`true or false is expected, but ${typeName(value)} was given`);
    return value === true;
  });
}

/** One of a few words. */
export function choice<const Word extends string>(words: readonly Word[]): z.ZodType<Word, Word> {
  const listed = words.map((word) => `"${word}"`).join(", ");
  const mend = `Give one of ${listed}`;
  // The example is a placeholder for a variable that is not set.
  const rule = { expected: `one of ${listed}`, ...(words[0] === undefined ? {} : { example: words[0] }) };
  return option(rule, (value, refuse) => {
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    const near = typeof value === "string" ? nearest(value, words) : undefined;
    refuse(
      typeof value === "string"
        ? `${printable(value)} is not a choice here`
        : `A string is expected, but ${typeName(value)} was given`,
      { mend: near === undefined ? mend : `Did you mean "${near}"? The choices are ${listed}` },
    );
    return z.NEVER;
  });
}

/** A list; frozen once read. */
export function list<Schema extends z.ZodType>(item: Schema): z.ZodReadonly<z.ZodArray<Schema>> {
  return z.array(item).readonly();
}

/** A rule across options that is broken. */
export interface BrokenRule {
  /** The option to blame, or the way to it. */
  readonly path: string | ConfigPath;
  /** A sentence without its full stop. */
  readonly problem: string;
  /** A sentence without its full stop. */
  readonly mend: string;
  /** A value of that option with which the rule would hold. */
  readonly example?: string;
}

/**
 * Adds rules across the options of an object. They are checked even if single options are at fault (they may then be
 * absent), so that an operator reads everything at once.
 */
export function withRules<Schema extends z.ZodObject>(
  schema: Schema,
  rules: (options: Partial<z.output<Schema>>) => readonly BrokenRule[],
): Schema {
  return schema.superRefine((value, context) => {
    for (const { path, problem, mend, example } of rules(value)) {
      const params: OptionIssue = { mend, example: example ?? null };
      context.addIssue({ code: "custom", message: problem, path: [path].flat(), params: { ...params } });
    }
  }, { when: ({ value }) => isPlainObject(value) });
}

/** A value made by a builder of one of `kinds`; it is compiled on its own, at its own path. */
export function definition<Kind extends string, Compiled>(
  kinds: readonly Kind[],
  rule: OptionRule,
): z.ZodType<Definition<Kind, Compiled>, Definition<Kind, Compiled>> {
  return option(rule, (value, refuse) => {
    if (value instanceof Definition) {
      // `kind` decides what a definition compiles to: only our own builders construct the class, and
      // they pair the two; the type parameter cannot be checked at run time in any other way.
      if (kinds.some((kind) => kind === value.kind)) return value as Definition<Kind, Compiled>;
      refuse(`${value.builder}(…) does not belong here`);
    } else if (Array.isArray(value)) {
      refuse("One value is expected, but a list was given");
    } else {
      refuse(`The result of a builder is expected, but ${typeName(value)} was given`);
    }
    return z.NEVER;
  });
}

/** What a value is, in words, without showing it. */
export function typeName(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (value instanceof EnvReference) return "an env() reference";
  if (value instanceof Definition) return `${value.builder}(…)`;
  return { object: "an object", string: "a string", number: "a number", boolean: "a boolean" }[
    String(typeof value)
  ] ?? `a ${typeof value}`;
}

/** The word that was probably meant: at most a third of its letters differ. */
export function nearest(given: string, words: readonly string[]): string | undefined {
  const ranked = words
    .map((word) => ({ word, distance: editDistance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ word, distance }) => distance <= Math.max(1, Math.floor(word.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.word;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
