/** Reproducible chance for property tests: a failure names its seed. */

/** Draws from a seed. */
export interface RandomSource {
  readonly seed: number;
  /** From 0 to below 1. */
  readonly next: () => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <Item>(items: readonly Item[]) => Item;
}

/** mulberry32. */
export function randomSource(seed: number): RandomSource {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    seed,
    next,
    chance: (probability) => next() < probability,
    pick(items) {
      const item = items[Math.floor(next() * items.length)];
      if (item === undefined) throw new Error("nothing to pick from");
      return item;
    },
  };
}

/** JSON text of a value, spelled at random: escapes, white space, order of members; what it means stays the same. */
export function spelled(value: unknown, random: RandomSource): string {
  const space = () => random.chance(0.1) ? random.pick([" ", "\n", "\t", "\r\n "]) : "";
  if (typeof value === "string") {
    const letters = Array.from(
      JSON.stringify(value).slice(1, -1).matchAll(/\\u[0-9a-f]{4}|\\.|[\s\S]/g),
      String,
    );
    return `"${letters.map((letter) => escapedAtRandom(letter, random)).join("")}"`;
  }
  if (Array.isArray(value)) {
    return `[${space()}${value.map((item) => spelled(item, random)).join(`${space()},`)}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value);
  if (random.chance(0.5)) entries.reverse();
  const members = entries.map(([key, item]) =>
    `${spelled(key, random)}${space()}:${space()}${spelled(item, random)}`
  );
  return `{${space()}${members.join(`,${space()}`)}${space()}}`;
}

function escapedAtRandom(letter: string, random: RandomSource): string {
  if (letter.length > 1 || !random.chance(0.1)) return letter === "/" && random.chance(0.2) ? "\\/" : letter;
  const code = letter.charCodeAt(0).toString(16).padStart(4, "0");
  return `\\u${random.chance(0.5) ? code : code.toUpperCase()}`;
}
