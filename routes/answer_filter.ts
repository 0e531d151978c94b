/** The filter on the way back: reads what has to be read of an answer, and takes out what the caller may not see. */
import type { Allowance } from "../lib/mcp/capabilities.ts";
import type { EventStream } from "../lib/mcp/event_stream.ts";
import { EventStreamFilter, UNREADABLE } from "../lib/mcp/event_stream_filter.ts";
import { AnswerTooLargeError, filteredStream, readAnswer } from "../lib/mcp/filtered_stream.ts";
import { JSON_RPC_CODES, JsonRpcError, type JsonRpcId } from "../lib/mcp/json_rpc.ts";
import type { ListCache } from "../lib/mcp/list_cache.ts";
import { UnreadableAnswerError } from "../lib/mcp/list_filter.ts";

/** What has to be held in memory, and parsed in one go, is not longer than this, in bytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/** What one answer is held against. */
export interface AnswerRule {
  readonly allowance: Allowance;
  readonly cache: ListCache;
  /** Of the request. */
  readonly id: JsonRpcId;
  /** What comes may hold lists: all of it is read, and what cannot be read does not pass. Else notifications in streams are all that counts. */
  readonly lists: boolean;
  /** Told why something was withheld that could not be read. */
  readonly report: (reason: string) => void;
}

/** The filter of one answer. */
export class AnswerFilter {
  readonly #rule: AnswerRule;

  constructor(rule: AnswerRule) {
    this.#rule = rule;
  }

  /** Whether an answer that is no event stream has to be read. */
  get readsAnswers(): boolean {
    return this.#rule.lists;
  }

  /** What `answerWith` makes of the filtered body; of `null`, if there is none. @throws {JsonRpcError} 502 for an answer that cannot be read. */
  apply(answer: Response, answerWith: (body: string | null) => Response): Promise<Response> {
    return readAnswer(answer, {
      maxBytes: MAX_BYTES,
      use: (read) => answerWith(this.#filtered(answer, read)),
      fault: (error) =>
        error instanceof AnswerTooLargeError
          ? this.#withheld("answer_too_large", error)
          : this.#cutShort(error),
    });
  }

  #filtered({ status }: Response, answer: string | Uint8Array): string | null {
    try {
      return answer.length === 0 ? null : this.#rule.cache.filter(answer, this.#rule.allowance);
    } catch (error) {
      if (!(error instanceof UnreadableAnswerError)) throw error;
      // An error that is told in another way than by JSON-RPC is told by its status (checklist TR-07).
      if (status < 400) throw this.#withheld("answer_unreadable", error);
      this.#rule.report("answer_unreadable");
      return null;
    }
  }

  /** The filtered stream. */
  stream(body: ReadableStream<Uint8Array<ArrayBuffer>>): EventStream {
    const { allowance, cache, lists, id, report } = this.#rule;
    const rule = { allowance, cache, lists, id, maxBytes: MAX_BYTES, onUnreadable: report };
    return filteredStream(body, new EventStreamFilter(rule));
  }

  #cutShort(cause: unknown): JsonRpcError {
    const { id } = this.#rule;
    const message = "The upstream MCP server stopped in the middle of its answer. Try again later.";
    const reason = "upstream_answer_cut_short";
    return new JsonRpcError(JSON_RPC_CODES.upstreamUnavailable, message, { status: 502, reason, id, cause });
  }

  #withheld(reason: string, cause: unknown): JsonRpcError {
    this.#rule.report(reason);
    const { id } = this.#rule;
    return new JsonRpcError(JSON_RPC_CODES.upstreamUnavailable, UNREADABLE, {
      status: 502,
      reason,
      id,
      cause,
    });
  }
}
