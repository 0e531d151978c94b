/** What the demo's stateless tools compute: times between zones, units, text statistics. Pure. */

/** Input that no answer can be given for; its message is meant for the model. */
export class DemoInputError extends Error {
  override readonly name = "DemoInputError";
}

/**
 * A wall-clock time in one time zone, as the wall clock of another shows it (ISO 8601 with offset and zone).
 * A time that a change to summer time skips is moved forward, as calendars do. Throws {@linkcode DemoInputError}.
 */
export function convertTime(time: string, zones: { readonly from: string; readonly to: string }): string {
  const from = knownZone(zones.from);
  const to = knownZone(zones.to);
  try {
    const local = Temporal.PlainDateTime.from(time);
    return local.toZonedDateTime(from).withTimeZone(to).toString({ smallestUnit: "minute" });
  } catch {
    throw new DemoInputError(`"${time}" is not a date and time such as 2026-07-28T09:30.`);
  }
}

function knownZone(name: string): string {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    throw new DemoInputError(`"${name}" is not an IANA time zone such as Europe/Lisbon or UTC.`);
  }
}

/** Every unit as its quantity and its size in that quantity's first unit. */
const unitSizes = {
  mm: ["length", 0.001],
  cm: ["length", 0.01],
  m: ["length", 1],
  km: ["length", 1000],
  in: ["length", 0.0254],
  ft: ["length", 0.3048],
  yd: ["length", 0.9144],
  mi: ["length", 1609.344],
  nmi: ["length", 1852],
  g: ["mass", 0.001],
  kg: ["mass", 1],
  t: ["mass", 1000],
  oz: ["mass", 0.028349523125],
  lb: ["mass", 0.45359237],
  ml: ["volume", 0.001],
  l: ["volume", 1],
  "us-cup": ["volume", 0.2365882365],
  "us-gal": ["volume", 3.785411784],
  "uk-gal": ["volume", 4.54609],
} as const;

/** A unit that {@linkcode convertUnits} knows. */
export type Unit = keyof typeof unitSizes | "C" | "F" | "K";

/** All units, for schemas and messages. */
export const units: readonly Unit[] = [
  // Object.keys() forgets the key type, which is exactly this union.
  ...(Object.keys(unitSizes) as (keyof typeof unitSizes)[]),
  "C",
  "F",
  "K",
];

/** `value`, given in one unit, in another of the same quantity. Throws {@linkcode DemoInputError}. */
export function convertUnits(value: number, between: { readonly from: Unit; readonly to: Unit }): number {
  const { from, to } = between;
  if (isTemperature(from) && isTemperature(to)) return tidy(fromKelvin(toKelvin(value, from), to));
  if (isTemperature(from) || isTemperature(to) || unitSizes[from][0] !== unitSizes[to][0]) {
    throw new DemoInputError(`${from} and ${to} do not measure the same thing.`);
  }
  return tidy(value * unitSizes[from][1] / unitSizes[to][1]);
}

type Temperature = "C" | "F" | "K";

function isTemperature(unit: Unit): unit is Temperature {
  return unit === "C" || unit === "F" || unit === "K";
}

function toKelvin(value: number, unit: Temperature): number {
  if (unit === "C") return value + 273.15;
  return unit === "F" ? (value + 459.67) * 5 / 9 : value;
}

function fromKelvin(kelvin: number, unit: Temperature): number {
  if (unit === "C") return kelvin - 273.15;
  return unit === "F" ? kelvin * 9 / 5 - 459.67 : kelvin;
}

/** Twelve digits are more than any of these constants deserves, and hide the noise of binary fractions. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

/** Counts about a text, as people would count them (UAX #29). */
export interface TextStatistics {
  /** What a reader sees as one character. */
  readonly characters: number;
  readonly words: number;
  readonly distinctWords: number;
  readonly sentences: number;
  /** At 230 words a minute, rounded up. */
  readonly readingMinutes: number;
}

/** Counts characters, words and sentences. `language` is a BCP 47 tag. Throws {@linkcode DemoInputError}. */
export function textStatistics(text: string, language = "en"): TextStatistics {
  const words = segments(text, { language, granularity: "word" })
    .filter((segment) => segment.isWordLike)
    .map((segment) => segment.segment.toLocaleLowerCase(language));
  return {
    characters: segments(text, { language, granularity: "grapheme" }).length,
    words: words.length,
    distinctWords: new Set(words).size,
    sentences: segments(text, { language, granularity: "sentence" })
      .filter((segment) => segment.segment.trim() !== "").length,
    readingMinutes: Math.ceil(words.length / 230),
  };
}

function segments(
  text: string,
  by: { readonly language: string; readonly granularity: "word" | "grapheme" | "sentence" },
): Intl.SegmentData[] {
  try {
    return [...new Intl.Segmenter(by.language, { granularity: by.granularity }).segment(text)];
  } catch {
    throw new DemoInputError(`"${by.language}" is not a language tag such as en or pt-BR.`);
  }
}
