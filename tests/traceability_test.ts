/**
 * Holds `traceability.md` and the tests to each other: no id that does not exist, no required row without a line, no line that names
 * a test that is gone. `deno run -A tests/traceability_test.ts --write` writes the table anew and keeps the lines with a reason.
 */
import assert from "node:assert/strict";

const root = new URL("./", import.meta.url);
const page = new URL("traceability.md", root);
const BEGIN = "<!-- deno-fmt-ignore-start -->";
const END = "<!-- deno-fmt-ignore-end -->";

/** First and last case of each group of the attack corpus. */
const CORPUS: Readonly<Record<string, readonly [number, number]>> = {
  B1: [1, 15],
  B2: [16, 32],
  B3: [33, 59],
  B4: [60, 77],
  B5: [78, 85],
  B6: [86, 104],
  B7: [105, 121],
  B8: [122, 138],
  B9: [139, 153],
  B10: [154, 161],
  B11: [162, 175],
  B12: [176, 187],
  B13: [188, 210],
  B14: [211, 242],
  B15: [243, 253],
  B16: [254, 257],
  B17: [258, 267],
};

/** How many rows each part of the checklist has; `F` are the faults of the corpus. */
const ROWS: Readonly<Record<string, number>> = {
  AS: 66,
  RS: 14,
  TR: 31,
  UP: 23,
  EL: 11,
  EM: 13,
  XT: 5,
  Q: 26,
  F: 32,
};

/** What has to have a line: a test, or the reason why there is none. */
const REQUIRED: readonly string[] = [
  ...Object.keys(CORPUS).filter((group) => group !== "B17").flatMap(casesOf),
  ...rowsOf("AS", 1, 66),
  ...rowsOf("EL", 1, 11),
  ...rowsOf("EM", 1, 13),
  ...rowsOf("Q", 1, 26),
  ...rowsOf("RS", 1, 14),
  ...rowsOf("UP", 1, 23),
  ...rowsOf("TR", 1, 31),
];

interface TitledTest {
  /** Path from `tests/`. */
  readonly file: string;
  readonly title: string;
  /** Whether the title is put together at run time, so that it cannot be named. */
  readonly varies: boolean;
}

interface Line {
  readonly id: string;
  /** `null` for a reason. */
  readonly file: string | null;
  readonly text: string;
}

Deno.test("every id in a test's title exists", async () => {
  for (const { file, title } of await titledTests()) {
    for (const id of idsIn(title)) assert.ok(exists(id), `${file}: "${title}" names ${id}`);
  }
});

Deno.test("every required row and case has a line, and every named test exists under that id", async () => {
  const lines = parseTable(await Deno.readTextFile(page));
  const named = new Set(lines.map(({ id }) => id));
  assert.deepEqual(REQUIRED.filter((id) => !named.has(id)), [], "without a line");
  const tests = new Set((await titledTests()).map(({ file, title }) => `${file}: ${title}`));
  for (const { id, file, text } of lines) {
    assert.ok(exists(id), `the table names ${id}`);
    if (file === null) {
      assert.match(text, /^(?:later|not applicable|decided): \S/, id);
      continue;
    }
    assert.ok(tests.has(`${file}: ${text}`), `${id}: there is no test "${text}" in ${file}`);
    assert.ok(idsIn(text).includes(id), `${id}: "${text}" does not name it`);
  }
});

async function titledTests(): Promise<TitledTest[]> {
  const tests: TitledTest[] = [];
  for (const file of await testFiles("")) {
    const source = await Deno.readTextFile(new URL(file, root));
    const titles = /\bDeno\.test(?:\.\w+)?\(\s*(?:\{\s*name:\s*)?(["'`])((?:\\[\s\S]|(?!\1)[^\\])*)\1/g;
    for (const [, , raw = ""] of source.matchAll(titles)) {
      tests.push({ file, title: raw.replace(/\\(.)/g, "$1"), varies: raw.includes("${") });
    }
  }
  return tests;
}

async function testFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) files.push(...await testFiles(`${folder}${name}/`));
    else if (name.endsWith("_test.ts")) files.push(folder + name);
  }
  return files.sort();
}

/** Ids as titles name them: `AS-18`, `B4 061`, `F09`. */
function idsIn(title: string): string[] {
  return title.match(/\b(?:B\d{1,2} \d{3}|(?:AS|RS|TR|UP|EL|EM|XT|Q)-\d{2}|F\d{2})\b/g) ?? [];
}

function exists(id: string): boolean {
  const [, group = "", number = ""] = /^([A-Z]+\d*)[ -](\d+)$/.exec(id) ?? /^(F)(\d+)$/.exec(id) ?? [];
  const [first, last] = CORPUS[group] ?? [1, ROWS[group] ?? 0];
  return Number(number) >= first && Number(number) <= last;
}

function casesOf(group: string): string[] {
  const [first = 1, last = 0] = CORPUS[group] ?? [];
  return Array.from({ length: last - first + 1 }, (_, index) => `${group} ${pad(first + index, 3)}`);
}

function rowsOf(part: string, first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => `${part}-${pad(first + index, 2)}`);
}

function pad(number: number, length: number): string {
  return String(number).padStart(length, "0");
}

function parseTable(markdown: string): Line[] {
  const table = markdown.slice(markdown.indexOf(BEGIN), markdown.indexOf(END));
  return [...table.matchAll(/^\| (\S+(?: \d{3})?) \| (?:`([^`]+)`: )?(.*) \|$/gm)].map((match) => ({
    id: match[1] ?? "",
    file: match[2] ?? null,
    text: (match[3] ?? "").replaceAll("\\|", "|"),
  })).filter(({ id }) => idsIn(id).length === 1);
}

/** The page with its table written anew: what the tests name, and the reasons that still have no test. */
async function rewritten(markdown: string): Promise<string> {
  const tested = (await titledTests()).filter(({ varies }) => !varies).flatMap(({ file, title }) =>
    [...new Set(idsIn(title))].map((id) => ({ id, file, text: title }))
  );
  const covered = new Set(tested.map(({ id }) => id));
  const reasons = parseTable(markdown).filter(({ id, file, text }) =>
    file === null && (!covered.has(id) || text.startsWith("decided:"))
  );
  const lines = [...tested, ...reasons].sort((a, b) => compare(a.id, b.id) || compare(a.text, b.text));
  const rows = lines.map(({ id, file, text }) =>
    `| ${id} | ${file === null ? "" : `\`${file}\`: `}${text.replaceAll("|", "\\|")} |`
  );
  const table = ["| Row or case | Test, or why there is none |", "|---|---|", ...rows].join("\n");
  return `${markdown.slice(0, markdown.indexOf(BEGIN) + BEGIN.length)}\n\n${table}\n\n${
    markdown.slice(markdown.indexOf(END))
  }`;
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

if (import.meta.main && Deno.args.includes("--write")) {
  await Deno.writeTextFile(page, await rewritten(await Deno.readTextFile(page)));
}
