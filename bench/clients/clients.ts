import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Owned } from "../stage.ts";

const SCRIPT = fileURLToPath(new URL("load.ts", import.meta.url));

/** What a process of clients says of itself. */
export type Said = {
  /** How many have come up, and how many of them were lost since. */
  readonly up: number;
  readonly lost: number;
  /** How many have heard of their deployments, and, where it was asked for, when. */
  readonly count: number;
  readonly heardUs: readonly number[];
};

/** A process that is many devices. */
export class Clients implements Owned {
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(authorityFile: string, first: number, count: number) {
    const args = ["--max-old-space-size=4096", SCRIPT, authorityFile, String(first), String(count)];
    this.#child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdin?.on("error", () => {});
    this.ended = once(this.#child, "close").then(() => {});
    const { stdout } = this.#child;
    if (stdout === null) throw new TypeError("a child with pipes has its output");
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** How it stands; `heard` also when each has heard, `forget` from now on anew. */
  async ask(what: "state" | "heard" | "forget"): Promise<Said> {
    this.#child.stdin?.write(`${what}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error("the clients have ended");
    return JSON.parse(value) as Said;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
