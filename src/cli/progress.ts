import type { Io } from "./io.ts";
import { barText, sizeText } from "./text-table.ts";

/** Shows how far long work is, on standard error, where a person watches; else nothing. */
export class Progress {
  readonly #io: Io;
  #shownAtMs = Number.NEGATIVE_INFINITY;
  #shown = false;

  constructor(io: Io) {
    this.#io = io;
  }

  /** @param what - The kind of work, in a word or two. */
  show(what: string, doneBytes: number, totalBytes: number): void {
    this.showLine(() => progressLine(what, doneBytes, totalBytes), doneBytes >= totalBytes);
  }

  /** Shows any line, which is only written where it is time for one; the last one always is. */
  showLine(write: () => string, isLast: boolean): void {
    if (this.#io.stderr.isTTY !== true) return;
    const now = performance.now();
    if (now - this.#shownAtMs < REDRAW_MS && !isLast) return;
    this.#shownAtMs = now;
    this.#shown = true;
    this.#io.stderr.write(`\r\u001b[K${write()}`);
  }

  /** Clears the line. */
  end(): void {
    if (this.#shown) this.#io.stderr.write("\r\u001b[K");
    this.#shown = false;
  }
}

/** One line that says how far work is: `Copying ███░░ 60 %  72 MB of 120 MB`. */
export function progressLine(what: string, doneBytes: number, totalBytes: number): string {
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  return `${what} ${barText(share, 30)}${percent}  ${sizeText(doneBytes)} of ${sizeText(totalBytes)}`;
}

/** How often at most a line is drawn, in milliseconds. */
const REDRAW_MS = 100;
