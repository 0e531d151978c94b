/** A JSON document of an upstream or its authorization server, read with suspicion: whoever reads it must see the same (corpus B14 232). */
import { parseStrictJson, StrictJsonError } from "../http/strict_json.ts";

const MAX_DEPTH = 16;

/** The document; `null` for what is no JSON, nests deeper than 16 levels, names a key twice, or says that it is a web page. */
export async function readDocument(response: Response): Promise<unknown> {
  const type = response.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  // Some servers send plain text or no type at all; a page is what a server says that has no such document.
  if (type === "text/html" || type === "application/xhtml+xml") return null;
  try {
    return parseStrictJson(await response.bytes(), MAX_DEPTH);
  } catch (error) {
    if (error instanceof StrictJsonError) return null;
    throw error;
  }
}
