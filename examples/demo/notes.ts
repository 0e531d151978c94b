/** The demo's notes: kept in memory, bounded, gone when the process ends. */

/** One note. */
export interface Note {
  /** Short, and never used again within one process. */
  readonly id: string;
  readonly title: string;
  readonly text: string;
  /** ISO 8601, UTC. */
  readonly savedAt: string;
}

/** A demo must not become somebody's memory leak. */
const mostNotes = 100;

/** Thrown when {@linkcode NoteStore.save} is asked for one note too many; its message is meant for the model. */
export class TooManyNotesError extends Error {
  override readonly name = "TooManyNotesError";
  constructor() {
    super(`There are already ${mostNotes} notes. Delete one first.`);
  }
}

/** A small note store; one per account of a running demo server, shared by all its clients. */
export class NoteStore {
  readonly #notes = new Map<string, Note>();
  readonly #now: () => Date;
  #lastNumber = 0;

  /** `now` is the clock that stamps the notes. */
  constructor(now: () => Date = () => new Date()) {
    this.#now = now;
  }

  /** Saves a note and returns it. Throws {@linkcode TooManyNotesError}. */
  save(note: { readonly title: string; readonly text: string }): Note {
    if (this.#notes.size >= mostNotes) throw new TooManyNotesError();
    const saved = { ...note, id: String(++this.#lastNumber), savedAt: this.#now().toISOString() };
    this.#notes.set(saved.id, saved);
    return saved;
  }

  /** The note with this id, if there is one. */
  get(id: string): Note | undefined {
    return this.#notes.get(id);
  }

  /** Deletes a note; `false` if there was none with this id. */
  delete(id: string): boolean {
    return this.#notes.delete(id);
  }

  /** The notes whose title or text contains `words` (all notes if empty), oldest first. */
  find(words: string): readonly Note[] {
    const wanted = words.trim().toLowerCase();
    return [...this.#notes.values()].filter((note) =>
      `${note.title}\n${note.text}`.toLowerCase().includes(wanted)
    );
  }
}
