/** The upstream's challenge to a request without a credential: where its metadata is, and which scopes it wants (RFC 9728 §5.1). */
import { type Fetch, RedirectedError } from "../http/outbound_fetch.ts";
import { UpstreamError } from "./upstream_error.ts";

/** What a `WWW-Authenticate` header says that matters here. */
export interface Challenge {
  readonly error: string | null;
  readonly resourceMetadata: string | null;
  readonly scope: readonly string[] | null;
}

const NOTHING: Challenge = { error: null, resourceMetadata: null, scope: null };
const MAX_HEADER_LENGTH = 8_192;
/** Nobody reads a longer list before consenting to it. */
export const MAX_SCOPES = 50;

/**
 * Asks the upstream without a credential and reads its challenge. Some let anybody initialize, and some do not know `initialize` any more,
 * so that a second question, in the manner of 2026-07-28, finds theirs. @throws {UpstreamError} `unavailable`
 */
export async function probeChallenge(upstream: string, fetch: Fetch): Promise<Challenge> {
  return await ask(upstream, fetch, LEGACY) ?? await ask(upstream, fetch, MODERN) ?? NOTHING;
}

interface Question {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly params: unknown;
}

const CLIENT = { name: "sallyport", version: "1" };

const LEGACY: Question = {
  method: "initialize",
  headers: { "mcp-protocol-version": "2025-11-25" },
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: CLIENT },
};

const MODERN: Question = {
  method: "tools/list",
  headers: { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list" },
  params: {
    _meta: {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": CLIENT,
      "io.modelcontextprotocol/clientCapabilities": {},
    },
  },
};

/** `null`: it answers anything but 401. */
async function ask(upstream: string, fetch: Fetch, question: Question): Promise<Challenge | null> {
  const { method, headers, params } = question;
  try {
    const response = await fetch(upstream, {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 0, method, params }),
    });
    await response.body?.cancel();
    return response.status === 401 ? readChallenge(response.headers) : null;
  } catch (cause) {
    // A route may follow it (`followRedirects`).
    if (cause instanceof RedirectedError) return null;
    throw new UpstreamError("unavailable", "upstream_unreachable", { cause });
  }
}

/**
 * Reads the Bearer challenge of an answer's headers: of several the first that names metadata, else the first. Read generously, since
 * servers leave out quotes; but what stands in quotes, or in another scheme's challenge, is no parameter (RFC 9110 §11.6.1).
 */
export function readChallenge(headers: Headers): Challenge {
  const header = headers.get("www-authenticate");
  if (header === null || header.length > MAX_HEADER_LENGTH) return NOTHING;
  const challenges = bearerChallenges(header);
  const parameters = challenges.find((each) => each.has("resource_metadata")) ?? challenges[0];
  if (parameters === undefined) return NOTHING;
  const scope = parameters.get("scope");
  return {
    error: parameters.get("error") ?? null,
    resourceMetadata: parameters.get("resource_metadata") ?? null,
    scope: scope === undefined
      ? null
      : scope.split(" ").filter((each) => SCOPE_TOKEN.test(each)).slice(0, MAX_SCOPES),
  };
}

/** A word is a scheme; a word with a value is a parameter of the scheme before it. */
const WORD = /([!#$%&'*+.^`|~\w-]+)(?:\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,"]+)))?/g;
/** RFC 6749 §3.3 */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

function bearerChallenges(header: string): ReadonlyMap<string, string>[] {
  const found: Map<string, string>[] = [];
  let current: Map<string, string> | null = null;
  for (const [, word = "", quoted, bare] of header.matchAll(WORD)) {
    const value = quoted?.replace(/\\(.)/g, "$1") ?? bare;
    if (value === undefined) {
      current = word.toLowerCase() === "bearer" ? new Map() : null;
      if (current !== null) found.push(current);
    } else if (current !== null && !current.has(word.toLowerCase())) {
      current.set(word.toLowerCase(), value);
    }
  }
  return found;
}
