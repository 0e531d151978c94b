/** Loads a configuration module, and says in one sentence why that failed. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ConfigError } from "./config_error.ts";
import { Definition } from "./definition.ts";
import { typeName } from "./options.ts";

/** What the `export default` should look like. */
const EXPORT = "export default defineGateway({ oauth: …, routes: [ … ] })";

/**
 * Imports the module at `path` (a path or a `file:` URL) and returns its default export, ready for
 * `compileGateway`. A relative path starts at `base`: a directory, or the `file:` URL of a module beside it.
 *
 * @throws {ConfigError} with one fault.
 */
export async function loadDefinition(path: string, base: URL | string): Promise<unknown> {
  const url = moduleUrl(path, base);
  const module = await importModule(url, path);
  const definition: unknown = Reflect.get(module, "default");
  if (definition === undefined) {
    throw fault(path, "The module has no default export", `Write: ${EXPORT}`);
  }
  if (!(definition instanceof Definition) || definition.kind !== "gateway") {
    const problem = `The default export is ${typeName(definition)}, not what defineGateway returns`;
    throw fault(path, problem, `Write: ${EXPORT}, with defineGateway from "@sallyport/gateway"`);
  }
  return definition;
}

function moduleUrl(path: string, base: URL | string): string {
  if (path.startsWith("file:")) return path;
  const isUrl = base instanceof URL || base.startsWith("file:");
  const directory = isUrl ? fileURLToPath(new URL(".", base)) : base;
  return pathToFileURL(resolve(directory, path)).href;
}

async function importModule(url: string, path: string): Promise<object> {
  try {
    // The specifier is known only at run time: that is what GATEWAY_CONFIG is for.
    const module: unknown = await import(url);
    return Object(module);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw explain(error instanceof Error ? error : new Error(String(error)), { url, path });
  }
}

function explain(error: Error, { url, path }: { url: string; path: string }): ConfigError {
  const message = stripVTControlCharacters(error.message);
  if (message.startsWith(`Module not found "${url}"`) || message.includes("ERR_UNSUPPORTED_DIR_IMPORT")) {
    return fault(path, "There is no such file", "Create it, or point GATEWAY_CONFIG at yours");
  }
  if (message.startsWith("Requires read access")) {
    return fault(path, "The file may not be read", "Allow it: deno run --allow-read=<its directory>");
  }
  // The first line only: the next ones may quote the source, and with it a secret that was written there.
  const [reason = ""] = message.replace(/ at file:\S+$/m, "").split("\n");
  const sentence = reason.replace(/\.$/, "");
  const place = placeOf(error, url, path);
  if (sentence.startsWith("SyntaxError:") || error instanceof SyntaxError) {
    return fault(
      place,
      `The file is not valid TypeScript: ${sentence.replace(/^SyntaxError: /, "")}`,
      "Correct it",
    );
  }
  if ("code" in error && error.code === "ERR_MODULE_NOT_FOUND") {
    return fault(place, `An import cannot be resolved: ${localised(sentence, url)}`, "Correct the import");
  }
  return fault(
    place,
    `The module failed while it was imported: ${error.name}: ${sentence}`,
    'Let it only describe; read the environment with env("NAME")',
  );
}

/** `path:line:column` of the first place in the configuration that the error names. */
function placeOf(error: Error, url: string, path: string): string {
  const text = stripVTControlCharacters(`${error.message}\n${error.stack ?? ""}`);
  const start = text.indexOf(`${url}:`);
  const position = start < 0 ? null : /^:\d+:\d+/.exec(text.slice(start + url.length));
  return path + (position?.[0] ?? "");
}

/** File URLs shortened to what stands beside the configuration. */
function localised(text: string, url: string): string {
  return text.replaceAll(new URL(".", url).href, "./");
}

function fault(path: string, problem: string, mend: string): ConfigError {
  return new ConfigError([{ path, problem, mend }]);
}
