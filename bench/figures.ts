/** The figures that the benchmark reports, what each must reach and should reach, and the verdict. */

/** One line of the table. */
export interface Figure {
  readonly name: string;
  readonly unit: "ratio" | "µs" | "ms" | "KB" | "/s";
  /** `null` when it was not measured; `why` says why. */
  readonly measured: number | null;
  /** Lowest and highest of the rounds, where there were rounds. */
  readonly spread?: readonly [number, number];
  readonly must?: number;
  readonly aim?: number;
  readonly better: "higher" | "lower";
  /** Whether a machine that is twice as slow measures twice (or half) as much. */
  readonly scales?: boolean;
  readonly why?: string;
}

/**
 * What the verdict column says. `must reached, scaled`: not as measured, but at the speed of the machine that the limits were set on.
 */
export type Verdict =
  | "aim reached"
  | "must reached"
  | "must reached, scaled"
  | "MISSED"
  | "reference"
  | "not measured";

/** What the pass-through cost on the machine that the limits were set on, in microseconds of CPU per request at c=64. */
const PASS_THROUGH_CPU_US = 58;

/** The reference by which a machine's speed is told. */
export const PASS_THROUGH_CPU = "pass-through, CPU per request, c=64";

/** How many times as slow as that machine this one was while the figures were measured; `null` if the pass-through was not measured. */
export function slownessOf(figures: readonly Figure[]): number | null {
  const cpu = figures.find(({ name }) => name === PASS_THROUGH_CPU)?.measured ?? null;
  return cpu === null || !(cpu > 0) ? null : cpu / PASS_THROUGH_CPU_US;
}

/** Names, units and targets of the figures with targets; the source of the table's columns `must` and `aim`. */
export const TARGETS = {
  ratio64: {
    name: "full path / pass-through, req/s, c=64",
    unit: "ratio",
    must: 0.75,
    aim: 0.9,
    better: "higher",
  },
  ratio16: {
    name: "full path / pass-through, req/s, c=16",
    unit: "ratio",
    must: 0.7,
    aim: 0.9,
    better: "higher",
  },
  cpu64: {
    name: "CPU overhead per request, c=64",
    unit: "µs",
    must: 20,
    aim: 10,
    better: "lower",
    scales: true,
  },
  p50c1: { name: "p50 overhead, c=1", unit: "µs", must: 40, aim: 20, better: "lower", scales: true },
  connected64: {
    name: "the same with a user's connection, c=64",
    unit: "ratio",
    must: 0.75,
    aim: 0.9,
    better: "higher",
  },
  connected16: {
    name: "the same with a user's connection, c=16",
    unit: "ratio",
    must: 0.7,
    aim: 0.9,
    better: "higher",
  },
  connectedCpu64: {
    name: "CPU overhead with a user's connection, c=64",
    unit: "µs",
    must: 20,
    aim: 10,
    better: "lower",
    scales: true,
  },
  connectedP50c1: {
    name: "p50 overhead with a user's connection, c=1",
    unit: "µs",
    must: 40,
    aim: 20,
    better: "lower",
    scales: true,
  },
  filter64: {
    name: "filter on 16 KB list / same without, c=64",
    unit: "ratio",
    must: 0.85,
    aim: 0.95,
    better: "higher",
  },
  filter16: {
    name: "filter on 16 KB list / same without, c=16",
    unit: "ratio",
    must: 0.85,
    aim: 0.95,
    better: "higher",
  },
  idleStream: { name: "memory per idle event stream", unit: "KB", must: 64, aim: 56, better: "lower" },
  eventDelay: {
    name: "added delay per event, p50",
    unit: "µs",
    must: 100,
    aim: 70,
    better: "lower",
    scales: true,
  },
  streamsClosed: { name: "3,000 streams: upstream closed after", unit: "ms", must: 1000, better: "lower" },
  refresh: {
    name: "token endpoint: refresh",
    unit: "/s",
    must: 1200,
    aim: 2000,
    better: "higher",
    scales: true,
  },
  codeGrant: {
    name: "token endpoint: code grant",
    unit: "/s",
    must: 700,
    aim: 1200,
    better: "higher",
    scales: true,
  },
  revocation: {
    name: "revocation seen by another process",
    unit: "ms",
    must: 250,
    aim: 100,
    better: "lower",
  },
  coldStart: {
    name: "cold start to first answer",
    unit: "ms",
    must: 500,
    aim: 200,
    better: "lower",
    scales: true,
  },
  storedProxy: { name: "full path, c=64: many grants / few", unit: "ratio", must: 0.9, better: "higher" },
  storedRefresh: { name: "refresh: many grants / few", unit: "ratio", must: 0.9, better: "higher" },
  storedCode: { name: "code grant: many grants / few", unit: "ratio", must: 0.9, better: "higher" },
} as const satisfies Record<string, Omit<Figure, "measured">>;

/** How a figure stands against its targets on a machine that is so many times as slow as that of the limits (`null`: not known). */
export function verdict(figure: Figure, slowness: number | null): Verdict {
  const { measured, must, aim, better } = figure;
  if (measured === null || Number.isNaN(measured)) return "not measured";
  if (must === undefined) return "reference";
  const reaches = (value: number, target: number) => better === "higher" ? value >= target : value <= target;
  if (aim !== undefined && reaches(measured, aim)) return "aim reached";
  if (reaches(measured, must)) return "must reached";
  const there = scaled(figure, slowness);
  return there !== null && reaches(there, must) ? "must reached, scaled" : "MISSED";
}

/** What the figure would be at the speed of the machine of the limits; `null` if it does not depend on speed, or that is not known. */
export function scaled({ measured, better, scales }: Figure, slowness: number | null): number | null {
  if (measured === null || slowness === null || scales !== true) return null;
  return better === "higher" ? measured * slowness : measured / slowness;
}

/** The aligned table, one line per figure. */
export function table(figures: readonly Figure[], slowness: number | null): string {
  const rows = [
    ["figure", "measured", "scaled", "must", "aim", "verdict"],
    ...figures.map((figure) => {
      const there = scaled(figure, slowness);
      return [
        figure.name,
        measuredColumn(figure),
        there === null ? "" : format(there, figure.unit),
        figure.must === undefined ? "" : format(figure.must, figure.unit),
        figure.aim === undefined ? "" : format(figure.aim, figure.unit),
        verdict(figure, slowness) + (figure.why === undefined ? "" : `: ${figure.why}`),
      ];
    }),
  ];
  const last = 5;
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row.map((cell, column) => {
      if (column === last) return cell;
      return column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
    }).join("  ").trimEnd()
  ).join("\n");
}

function measuredColumn({ measured, spread, unit }: Figure): string {
  if (measured === null) return "–";
  const value = format(measured, unit);
  return spread === undefined ? value : `${value} (${number(spread[0], unit)}–${number(spread[1], unit)})`;
}

function format(value: number, unit: Figure["unit"]): string {
  return unit === "ratio"
    ? number(value, unit)
    : unit === "/s"
    ? `${number(value, unit)}/s`
    : `${number(value, unit)} ${unit}`;
}

function number(value: number, unit: Figure["unit"]): string {
  if (unit === "ratio") return value.toFixed(2);
  return Math.abs(value) < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}
