/** Turns the issues that zod finds into sentences an operator can act on. */
import { z } from "zod";
import type { ConfigPath } from "./config_error.ts";
import { nearest, typeName } from "./options.ts";

/** A fault whose path is still relative to the options at hand. */
export interface RelativeFault {
  readonly path: ConfigPath;
  readonly problem: string;
  readonly mend: string;
}

/** What was parsed, to tell what was given and what could have been. */
export interface Parsed {
  readonly schema: z.ZodType;
  readonly input: unknown;
}

/** One fault per issue; an issue about several unknown options becomes one fault for each. */
export function faultsOf(issues: readonly z.core.$ZodIssue[], parsed: Parsed): RelativeFault[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((part) => typeof part === "number" ? part : String(part));
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => unknownOption(key, path, parsed.schema));
    }
    if (issue.code === "custom") {
      return [{ path, problem: issue.message, mend: String(issue.params?.["mend"] ?? "Correct the value") }];
    }
    return [{ path, ...structural(issue, at(parsed.input, path)) }];
  });
}

function unknownOption(key: string, path: ConfigPath, schema: z.ZodType): RelativeFault {
  const known = Object.keys(shapeAt(schema, path) ?? {});
  const near = nearest(key, known);
  const advice = near === undefined ? "Remove it" : `Did you mean "${near}"?`;
  return {
    path: [...path, key],
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

function at(value: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (parent, part) => typeof parent === "object" && parent !== null ? Reflect.get(parent, part) : undefined,
    value,
  );
}

function shapeAt(schema: unknown, path: ConfigPath): Record<string, unknown> | undefined {
  const bare = unwrap(schema);
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
