/** Turns the issues that zod finds into sentences an operator can act on. */
import { z } from "zod";
import type { ConfigPath } from "./config_error.ts";
import { nearest, typeName } from "./options.ts";

/** A fault whose path is still relative to the options at hand. */
export interface RelativeFault {
  readonly path: ConfigPath;
  readonly problem: string;
  readonly mend: string;
  /** It is about an option that does not exist, and not about a value. */
  readonly unknown?: true;
}

/** What was parsed, to tell what was given and what could have been. */
export interface Parsed {
  readonly schema: z.ZodType;
  readonly input: unknown;
}

/** One fault per issue; an issue about several unknown options becomes one fault for each. */
export function faultsOf(issues: readonly z.core.$ZodIssue[], parsed: Parsed): RelativeFault[] {
  return flatten(issues, parsed.input).flatMap((issue) => {
    const path = pathOf(issue);
    if (issue.code === "unrecognized_keys") {
      const known = Object.keys(shapeAt(parsed.schema, path) ?? {});
      return issue.keys.map((key) => unknownOption(key, path, known));
    }
    if (issue.code === "custom") {
      return [{ path, problem: issue.message, mend: String(issue.params?.["mend"] ?? "Correct the value") }];
    }
    return [{ path, ...structural(issue, valueAt(parsed.input, path)) }];
  });
}

/** The issues with those of each union replaced by the issues of the alternative that was meant. */
export function flatten(issues: readonly z.core.$ZodIssue[], input: unknown): readonly z.core.$ZodIssue[] {
  return issues.flatMap((issue) => {
    if (issue.code !== "invalid_union") return [issue];
    const given = valueAt(input, pathOf(issue));
    // Ours pair something plain with an object: the object is meant when an object was given.
    const branch = typeof given === "object" && given !== null ? issue.errors.at(-1) : issue.errors[0];
    return (branch ?? []).map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
  });
}

/** The fault of an option that does not exist among the `known` ones of the object at `path`. */
export function unknownOption(key: string, path: ConfigPath, known: readonly string[]): RelativeFault {
  const near = nearest(key, known);
  const advice = near === undefined ? "Remove it" : `Did you mean "${near}"?`;
  return {
    path: [...path, key],
    unknown: true,
    problem: "There is no such option",
    mend: known.length === 0
      ? advice
      : `${advice.replace(/([^?])$/, "$1.")} The options here: ${known.join(", ")}`,
  };
}

function structural(issue: z.core.$ZodIssue, given: unknown): { problem: string; mend: string } {
  const was = typeName(given);
  if (issue.code === "invalid_type") {
    const expected =
      { object: "an object", record: "an object", array: "a list" }[issue.expected as string] ??
        `a ${issue.expected}`;
    return given === undefined
      ? { problem: "This option is required", mend: `Give ${expected}` }
      : { problem: `${capital(expected)} is expected, but ${was} was given`, mend: `Give ${expected}` };
  }
  if (issue.code === "too_small" && issue.origin === "array") {
    return { problem: "The list is empty", mend: `Give at least ${issue.minimum}` };
  }
  return { problem: `The value does not fit (${issue.code})`, mend: "Correct the value" };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The path of an issue, with nothing but strings and numbers in it. */
export function pathOf(issue: z.core.$ZodIssue): ConfigPath {
  return issue.path.map((part) => typeof part === "number" ? part : String(part));
}

/** What stands at a path below `value`, if anything. */
export function valueAt(value: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (parent, part) => typeof parent === "object" && parent !== null ? Reflect.get(parent, part) : undefined,
    value,
  );
}

function shapeAt(schema: unknown, path: ConfigPath): Record<string, unknown> | undefined {
  const plain = unwrap(schema);
  const bare = plain instanceof z.ZodUnion ? plain.options.at(-1) : plain;
  const [head, ...tail] = path;
  if (head === undefined) return bare instanceof z.ZodObject ? bare.shape : undefined;
  if (bare instanceof z.ZodObject) return shapeAt(bare.shape[head], tail);
  if (bare instanceof z.ZodArray) return shapeAt(bare.element, tail);
  return undefined;
}

function unwrap(schema: unknown): unknown {
  if (
    schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodReadonly
  ) return unwrap(schema.unwrap());
  return schema;
}
