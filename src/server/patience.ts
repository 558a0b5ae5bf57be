import { OperatorError } from "../runtime/operator-error.ts";
import { isPassing } from "./database-errors.ts";

/** Told when the database goes away, and when it is back. */
export type Watch = {
  /** @param error - What it said last. */
  readonly onAway: (error: unknown) => void;
  readonly onBack: (awayMs: number) => void;
};

/** How long to wait between two attempts, in milliseconds: twice as long each time, to the limit. */
const WAIT_MS_MIN = 100;
const WAIT_MS_MAX = 5_000;

/**
 * Waits out what passes by itself: a database that restarts, fails over, or is out of reach.
 *
 * What is done must do no harm when it is done twice: nobody can know of a connection that broke
 * whether the last request had come through.
 */
export class Patience {
  readonly #watch: Watch | undefined;
  readonly #ended = new AbortController();
  #awaySinceMs: number | undefined;

  constructor(watch?: Watch) {
    this.#watch = watch;
  }

  /** Whether somebody waits now. */
  get isAway(): boolean {
    return this.#awaySinceMs !== undefined;
  }

  /** Does it until it succeeds, or fails with what does not pass. */
  async until<T>(act: () => Promise<T>): Promise<T> {
    for (let waitMs = WAIT_MS_MIN; ; waitMs = Math.min(2 * waitMs, WAIT_MS_MAX)) {
      try {
        const result = await act();
        this.#back();
        return result;
      } catch (error) {
        if (!isPassing(error)) throw error;
        if (this.#ended.signal.aborted) throw away(error);
        this.#away(error);
      }
      await this.#wait(waitMs);
    }
  }

  /** Nobody waits any more: whoever does gets `database-away`. */
  end(): void {
    this.#ended.abort();
  }

  #away(error: unknown): void {
    if (this.#awaySinceMs !== undefined) return;
    this.#awaySinceMs = performance.now();
    this.#watch?.onAway(error);
  }

  #back(): void {
    if (this.#awaySinceMs === undefined) return;
    const awayMs = Math.round(performance.now() - this.#awaySinceMs);
    this.#awaySinceMs = undefined;
    this.#watch?.onBack(awayMs);
  }

  #wait(waitMs: number): Promise<void> {
    const { signal } = this.#ended;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      signal.addEventListener("abort", done, { once: true });
    });
  }
}

function away(cause: unknown): OperatorError {
  const sentence =
    "The database has gone away, and the server ended before it was back: what it had not " +
    "confirmed yet is not kept. Bring the database up, and start the server.";
  return new OperatorError("database-away", sentence, { cause });
}
