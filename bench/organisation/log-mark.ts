import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Stage } from "../stage.ts";
import type { Machine } from "./organisation.ts";

/** A place in what a program logs: tells what was logged behind it. */
export class LogMark {
  readonly #file: string;
  readonly #lines: number;

  /** The end of what the program on a machine has logged so far. */
  static at({ folder }: Stage, { name }: Machine): LogMark {
    const file = join(folder, `${name}.log`);
    return new LogMark(file, linesOf(file).length);
  }

  private constructor(file: string, lines: number) {
    this.#file = file;
    this.#lines = lines;
  }

  /** How many of these events were logged since. */
  count(events: readonly string[]): number {
    const since = linesOf(this.#file).slice(this.#lines);
    return since.filter((line) => events.some((event) => line.includes(`"msg":"${event}"`))).length;
  }
}

function linesOf(file: string): readonly string[] {
  return readFileSync(file, "utf8").split("\n");
}
