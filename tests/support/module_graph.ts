/** The sources of the project as its rules see them: files, the imports between them, and their text without what only looks like code. */
import assert from "node:assert/strict";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root: string = dirname(fileURLToPath(import.meta.resolve("../../deno.json")));
const SOURCE_ROOTS = ["lib", "routes", "policies", "tasks"];
/** Sources beside the folders. */
export const SOURCE_FILES: readonly string[] = ["main.ts", "mod.ts", "gateway.config.ts"];

/** `import` of one module by another; both as paths from the root, or as the specifier of a package. */
export interface Import {
  readonly from: string;
  readonly to: string;
}

/** The graph of `deno info`, type-only imports included. */
export async function graphOf(entry: string): Promise<Import[]> {
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: root,
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const { modules }: { modules: readonly Module[] } = JSON.parse(new TextDecoder().decode(stdout));
  return modules.flatMap(({ specifier, dependencies = [] }) =>
    dependencies.map((dependency) => ({
      from: pathOf(specifier),
      to: pathOf(dependency.code?.specifier ?? dependency.type?.specifier ?? dependency.specifier),
    }))
  );
}

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier: string };
    readonly type?: { readonly specifier: string };
  }[];
}

function pathOf(specifier: string): string {
  return specifier.startsWith("file:") ? relative(root, fileURLToPath(specifier)) : specifier;
}

/** The imports of all sources. */
export async function wholeGraph(): Promise<Import[]> {
  const entries = [...SOURCE_FILES, ...(await sourceFiles()).filter((path) => path.startsWith("tasks/"))];
  const graphs = [];
  for (const entry of entries) graphs.push(await graphOf(entry));
  return [...new Map(graphs.flat().map((each) => [`${each.from} ${each.to}`, each])).values()]
    .filter(({ from }) => isSource(from));
}

/** Whether a path is one of the sources. */
export function isSource(path: string): boolean {
  return SOURCE_FILES.includes(path) || SOURCE_ROOTS.some((folder) => path.startsWith(`${folder}/`));
}

/** Paths of the sources in these folders, or of all. */
export async function sourceFiles(folders: readonly string[] = SOURCE_ROOTS): Promise<string[]> {
  const found = folders === SOURCE_ROOTS ? [...SOURCE_FILES] : [];
  for (const folder of folders) {
    for await (const { name, isDirectory } of Deno.readDir(`${root}/${folder}`)) {
      if (isDirectory) found.push(...await sourceFiles([`${folder}/${name}`]));
      else if (name.endsWith(".ts")) found.push(`${folder}/${name}`);
    }
  }
  return found.toSorted();
}

/** The text of a file. */
export const read = (path: string): Promise<string> => Deno.readTextFile(`${root}/${path}`);

const COMMENT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/;
const STRING = /`(?:\\.|\$\{(?:[^{}]|\{[^{}]*\})*\}|[^`\\])*`|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/;
const REGULAR_EXPRESSION =
  /(?<=[=>(,:!&|?;[{\n]\s*|return )\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/[a-z]*/;
const NO_CODE = new RegExp([COMMENT, STRING, REGULAR_EXPRESSION].map(({ source }) => source).join("|"), "g");

/** The text without what only looks like code: comments, strings, regular expressions. */
export function codeOf(text: string): string {
  return text.replace(NO_CODE, (match) => match.startsWith("/*") || match.startsWith("//") ? "" : '""');
}
