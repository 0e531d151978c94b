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
  readonly why?: string;
}

/** What the verdict column says. */
export type Verdict = "aim reached" | "must reached" | "MISSED" | "reference" | "not measured";

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
  cpu64: { name: "CPU overhead per request, c=64", unit: "µs", must: 20, aim: 10, better: "lower" },
  p50c1: { name: "p50 overhead, c=1", unit: "µs", must: 40, aim: 20, better: "lower" },
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
  },
  connectedP50c1: {
    name: "p50 overhead with a user's connection, c=1",
    unit: "µs",
    must: 40,
    aim: 20,
    better: "lower",
  },
  filter: {
    name: "filter on 16 KB list / same without",
    unit: "ratio",
    must: 0.85,
    aim: 0.95,
    better: "higher",
  },
  idleStream: { name: "memory per idle event stream", unit: "KB", must: 64, aim: 56, better: "lower" },
  eventDelay: { name: "added delay per event, p50", unit: "µs", must: 100, aim: 70, better: "lower" },
  streamsClosed: { name: "3,000 streams: upstream closed after", unit: "ms", must: 1000, better: "lower" },
  refresh: { name: "token endpoint: refresh", unit: "/s", must: 1200, aim: 2000, better: "higher" },
  codeGrant: { name: "token endpoint: code grant", unit: "/s", must: 700, aim: 1200, better: "higher" },
  revocation: {
    name: "revocation seen by another process",
    unit: "ms",
    must: 250,
    aim: 100,
    better: "lower",
  },
  coldStart: { name: "cold start to first answer", unit: "ms", must: 500, aim: 200, better: "lower" },
  storedProxy: { name: "full path, c=64: many grants / few", unit: "ratio", must: 0.9, better: "higher" },
  storedRefresh: { name: "refresh: many grants / few", unit: "ratio", must: 0.9, better: "higher" },
  storedCode: { name: "code grant: many grants / few", unit: "ratio", must: 0.9, better: "higher" },
} as const satisfies Record<string, Omit<Figure, "measured">>;

/** How a figure stands against its targets. */
export function verdict({ measured, must, aim, better }: Figure): Verdict {
  if (measured === null || Number.isNaN(measured)) return "not measured";
  if (must === undefined) return "reference";
  const reaches = (target: number) => better === "higher" ? measured >= target : measured <= target;
  if (!reaches(must)) return "MISSED";
  return aim !== undefined && reaches(aim) ? "aim reached" : "must reached";
}

/** The aligned table, one line per figure. */
export function table(figures: readonly Figure[]): string {
  const rows = [
    ["figure", "measured", "must", "aim", "verdict"],
    ...figures.map((figure) => [
      figure.name,
      measuredColumn(figure),
      figure.must === undefined ? "" : format(figure.must, figure.unit),
      figure.aim === undefined ? "" : format(figure.aim, figure.unit),
      verdict(figure) + (figure.why === undefined ? "" : `: ${figure.why}`),
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 4 ? cell : column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
    ).join("  ").trimEnd()
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
