import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pause } from "../../src/cli/interruption.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";
import type { Owned, Stage } from "../stage.ts";

const SCRIPT = fileURLToPath(new URL("load.ts", import.meta.url));

/** What a process of clients says of itself. */
export type Said = {
  /** How many have come up, and how many of them were lost since. */
  readonly up: number;
  readonly lost: number;
  /** How many have what they were told to have. */
  readonly complete: number;
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

/** In how many processes the devices are: this machine may have two processors. */
const PROCESSES = 2;

/** All devices of a bench. */
export class Crowd {
  readonly devices: number;
  readonly #clients: readonly Clients[];

  /** Has them begin to connect. */
  constructor(stage: Stage, authorityFile: string, devices: number) {
    this.devices = devices;
    const each = Math.ceil(devices / PROCESSES);
    this.#clients = Array.from({ length: PROCESSES }, (_, number) => {
      const first = number * each;
      return new Clients(authorityFile, first, Math.min(each, devices - first));
    });
    for (const one of this.#clients) stage.own(one);
  }

  /** How all of them stand. */
  async ask(what: "state" | "heard" | "forget"): Promise<Said> {
    const said = await Promise.all(this.#clients.map((one) => one.ask(what)));
    const sum = (of: (one: Said) => number): number => said.reduce((all, one) => all + of(one), 0);
    return {
      up: sum(({ up }) => up),
      lost: sum(({ lost }) => lost),
      complete: sum(({ complete }) => complete),
      count: sum(({ count }) => count),
      heardUs: said.flatMap(({ heardUs }) => heardUs),
    };
  }

  /** Waits until every device is connected; gives the seconds that it took. */
  async connected(stage: Stage, isRunning: () => boolean): Promise<number> {
    const beganMs = performance.now();
    for (let saidMs = beganMs; ; ) {
      const { up, lost } = await this.ask("state");
      const nowMs = performance.now();
      if (up - lost === this.devices) return (nowMs - beganMs) / 1_000;
      if (!isRunning()) {
        throw new OperatorError("bench-plan", "The server has ended: --keep keeps its log.");
      }
      if (nowMs - saidMs > 5_000) {
        stage.say(`${up - lost} of ${this.devices} devices are connected`);
        saidMs = nowMs;
      }
      await pause(500, stage.signal);
    }
  }
}
