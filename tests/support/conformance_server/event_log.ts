/** What a legacy session has sent, so that a stream can be taken up again where it was lost (`Last-Event-ID`). */
import type { EventId, EventStore, JSONRPCMessage, StreamId } from "@modelcontextprotocol/server";

/** All events of one session, in order; an event's id is its place. */
export class EventLog implements EventStore {
  readonly #events: { readonly streamId: StreamId; readonly message: JSONRPCMessage }[] = [];

  /** Keeps an event; resolves with its id. */
  storeEvent(streamId: StreamId, message: JSONRPCMessage): Promise<EventId> {
    return Promise.resolve(String(this.#events.push({ streamId, message })));
  }

  /** The stream that an event was sent on. */
  getStreamIdForEventId(eventId: EventId): Promise<StreamId | undefined> {
    return Promise.resolve(this.#events[Number(eventId) - 1]?.streamId);
  }

  /** Sends what came after an event on the same stream. Throws if there was no such event. */
  async replayEventsAfter(
    lastEventId: EventId,
    { send }: { readonly send: (eventId: EventId, message: JSONRPCMessage) => Promise<void> },
  ): Promise<StreamId> {
    const last = Number(lastEventId);
    const streamId = this.#events[last - 1]?.streamId;
    if (streamId === undefined) throw new Error(`There is no event ${lastEventId}.`);
    for (const [index, event] of this.#events.entries()) {
      // The transport stores the empty event that opens a stream as a message without content.
      const primes = !("jsonrpc" in event.message);
      if (index >= last && event.streamId === streamId && !primes) {
        await send(String(index + 1), event.message);
      }
    }
    return streamId;
  }
}
