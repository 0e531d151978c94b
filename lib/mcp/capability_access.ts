/** Which entries a user is allowed: all, those for the user's roles and groups, or those that a rule of the configuration leaves. */
import {
  Allowance,
  type AllowedEntries,
  type AllowedLists,
  CAPABILITY_KINDS,
  type CapabilityKind,
} from "./capabilities.ts";
import type { CapabilityEntry, CuratedLists } from "./capability_settings.ts";

/** Claims of the user's latest login. */
export type Claims = Readonly<Record<string, unknown>>;

/** What a rule returned is nothing that could be followed. */
export class AccessDecisionError extends Error {
  override readonly name = "AccessDecisionError";
}

/** Different answers to "what may this user see" that are kept, so that users who may see the same share one. */
const MAX_ALLOWANCES = 1_024;
/** Of one list, as a rule returns it. */
const MAX_NARROWED = 10_000;

/** The allowances of one route. */
export class AllowanceBook {
  readonly #lists: CuratedLists;
  readonly #allowances = new Map<string, Allowance>();
  /** For a route that shows everybody the same. */
  readonly everybody: Allowance;

  constructor(lists: CuratedLists) {
    this.#lists = lists;
    this.everybody = new Allowance(mapLists(lists, () => true), false);
  }

  /** What somebody with these claims may see. A user who is not known has no role and no group. */
  ofClaims(
    claims: Claims | null,
    names: { readonly roleClaim: string; readonly groupClaim: string },
  ): Allowance {
    const roles = valuesOf(claims, names.roleClaim);
    const groups = valuesOf(claims, names.groupClaim);
    const allowed = (entry: CapabilityEntry) =>
      entry.public || entry.roles.some((role) => roles.has(role)) ||
      entry.groups.some((group) => groups.has(group));
    const chosen = CAPABILITY_KINDS.map((kind) =>
      this.#lists[kind]?.filter(allowed).map(({ id }) => id) ?? null
    );
    return this.#shared(JSON.stringify(chosen), () => mapLists(this.#lists, allowed));
  }

  /** What a rule leaves. It can take away, and never adds. @throws {AccessDecisionError} for what is no decision. */
  narrowed(decision: unknown): Allowance {
    const narrowed = readDecision(decision);
    const key = JSON.stringify(CAPABILITY_KINDS.map((kind) => narrowed.get(kind) ?? null));
    return this.#shared(key, () => narrow(this.everybody.lists, narrowed));
  }

  #shared(key: string, make: () => AllowedLists): Allowance {
    const known = this.#allowances.get(key);
    if (known !== undefined) return known;
    const allowance = new Allowance(make(), true);
    const [oldest] = this.#allowances.keys();
    if (this.#allowances.size >= MAX_ALLOWANCES && oldest !== undefined) this.#allowances.delete(oldest);
    this.#allowances.set(key, allowance);
    return allowance;
  }
}

/** The values of a claim: a list of strings, or one string. Anything else is none; an own member only, whatever its name. */
export function valuesOf(claims: Claims | null, name: string): ReadonlySet<string> {
  const claim = claims !== null && Object.hasOwn(claims, name) ? claims[name] : undefined;
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  return new Set(values.filter((value) => typeof value === "string" && value !== "") as string[]); // just looked at
}

function mapLists(lists: CuratedLists, allowed: (entry: CapabilityEntry) => boolean): AllowedLists {
  const entries = (kind: CapabilityKind): AllowedEntries => {
    const list = lists[kind];
    return list === null
      ? null
      : new Map(list.filter(allowed).map(({ id, projection }) => [id, projection] as const));
  };
  return {
    tools: entries("tools"),
    prompts: entries("prompts"),
    resources: entries("resources"),
    resourceTemplates: entries("resourceTemplates"),
  };
}

function readDecision(decision: unknown): ReadonlyMap<CapabilityKind, readonly string[]> {
  if (!isRecord(decision)) throw new AccessDecisionError("no object");
  const narrowed = new Map<CapabilityKind, readonly string[]>();
  for (const [key, ids] of Object.entries(decision)) {
    const kind = CAPABILITY_KINDS.find((each) => each === key);
    // A misspelled list would otherwise not be narrowed at all.
    if (kind === undefined) throw new AccessDecisionError("an unknown list");
    if (!Array.isArray(ids) || ids.length > MAX_NARROWED || !ids.every((id) => typeof id === "string")) {
      throw new AccessDecisionError("no list of strings");
    }
    narrowed.set(kind, [...new Set(ids)].toSorted());
  }
  return narrowed;
}

/** A map or a set has no members of its own either, and yet says something. */
function isRecord(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function narrow(lists: AllowedLists, narrowed: ReadonlyMap<CapabilityKind, readonly string[]>): AllowedLists {
  const entries = (kind: CapabilityKind): AllowedEntries => {
    const all = lists[kind];
    const ids = narrowed.get(kind);
    if (ids === undefined) return all;
    return new Map(
      ids.filter((id) => all === null || all.has(id)).map((id) => [id, all?.get(id) ?? null] as const),
    );
  };
  return {
    tools: entries("tools"),
    prompts: entries("prompts"),
    resources: entries("resources"),
    resourceTemplates: entries("resourceTemplates"),
  };
}
