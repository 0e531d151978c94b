/** What a kind of record is: its name in the key, its shape, and whether its bytes are sealed. */
import { z } from "zod";

/** Every record ends: `expiresAt` is milliseconds since the epoch and is checked on every read. */
export interface Expiring {
  readonly expiresAt: number;
}

/** One kind of record. */
export interface Collection<Record extends Expiring> {
  /** First part of the key. */
  readonly name: string;
  readonly schema: z.ZodType<Record>;
  /** Whether the value is encrypted. Secrets that are only looked up are hashed instead. */
  readonly sealed: boolean;
}

/** The parts of a record's key after the collection's name. */
export type RecordId = readonly [string, ...string[]];

/** Declares a kind of record; `expiresAt` is added to its shape. */
export function collection<Shape extends z.ZodRawShape>(
  name: string,
  shape: Shape,
  options: { sealed: boolean },
): Collection<z.output<z.ZodObject<Shape & { expiresAt: z.ZodNumber }>> & Expiring> {
  const schema = z.object({ ...shape, expiresAt: z.number() });
  // zod cannot express that spreading a generic shape keeps `expiresAt`; the line above shows that it does.
  return {
    name,
    schema: schema as unknown as z.ZodType<
      z.output<z.ZodObject<Shape & { expiresAt: z.ZodNumber }>> & Expiring
    >,
    ...options,
  };
}

/** The record type of a collection. */
export type RecordOf<C> = C extends Collection<infer Record> ? Record : never;
