import type { Output } from "../io.ts";
import { type LiveView, renderLine, renderView } from "./view.ts";

/** How often the view is redrawn where it can be, and a line is written where not. */
const LINE_MS = 2_000;

/** Shows the live view: redraws a block on a terminal, else writes a line every two seconds. */
export class Screen {
  readonly #output: Output;
  #drawnLines = 0;
  #writtenAtMs = Number.NEGATIVE_INFINITY;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows where things stand. */
  show(view: LiveView): void {
    if (this.#output.isTTY === true) {
      this.#redraw(renderView(view));
      return;
    }
    const now = performance.now();
    if (now - this.#writtenAtMs < LINE_MS) return;
    this.#writtenAtMs = now;
    this.#output.write(`${renderLine(view)}\n`);
  }

  /** Writes a line below what has been drawn. */
  say(text: string): void {
    this.#drawnLines = 0;
    this.#output.write(`${text}\n`);
  }

  #redraw(lines: readonly string[]): void {
    // A line that the terminal wraps would be two, and the block would climb up the screen.
    const width = Math.max(20, (this.#output.columns ?? 80) - 1);
    const up = this.#drawnLines === 0 ? "" : `\u001b[${this.#drawnLines}A`;
    const block = lines.map((line) => `\u001b[2K${[...line].slice(0, width).join("")}\n`).join("");
    this.#output.write(`${up}\r${block}\u001b[0J`);
    this.#drawnLines = lines.length;
  }
}
