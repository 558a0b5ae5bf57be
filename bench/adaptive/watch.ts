import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { OperatorError } from "../../src/runtime/operator-error.ts";
import type { LinkEnd } from "../net/network.ts";
import type { Stage } from "../stage.ts";

/** What the line has done up to a moment. Bytes are those of Ethernet frames, as `tc` counts. */
export type Sample = {
  readonly atMs: number;
  /** What has left the queue. */
  readonly lineBytes: number;
  /** What stands in the queue. */
  readonly queuedBytes: number;
  /** What has come for the two receivers. */
  readonly oursBytes: number;
  readonly foregroundBytes: number;
};

/** What is looked at: where the queue is, and the ports of the receivers. */
export type Watched = {
  readonly queue: LinkEnd;
  readonly ours: LinkEnd;
  readonly foreground: LinkEnd;
};

/** How often is looked, in milliseconds. */
const LOOK_MS = 50;

/** Looks at a line all the time. */
export class Watch {
  readonly samples: Sample[] = [];
  readonly #timer: NodeJS.Timeout;
  #looking = false;
  #failure: unknown;

  constructor(stage: Stage, { queue, ours, foreground }: Watched) {
    const line = new Counters<Queue>(stage, "tc", queue);
    const ports = [ours, foreground].map((end) => new Counters<Port>(stage, "ip", end));
    const look = async (): Promise<void> => {
      const [{ bytes, backlog }, oursBytes = 0, foregroundBytes = 0] = await Promise.all([
        line.read().then((queues) => queueOf(queues)),
        ...ports.map(async (port) => (await port.read())[0]?.stats64.tx.bytes ?? 0),
      ]);
      const atMs = performance.now();
      const sample = { atMs, lineBytes: bytes, queuedBytes: backlog, oursBytes, foregroundBytes };
      this.samples.push(sample);
    };
    this.#timer = setInterval(() => {
      if (this.#looking) return;
      this.#looking = true;
      look()
        .catch((failure: unknown) => {
          this.#failure = failure;
        })
        .finally(() => {
          this.#looking = false;
        });
    }, LOOK_MS);
  }

  /** What is seen now. @throws OperatorError where nothing can be seen. */
  get newest(): Sample | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    return this.samples.at(-1);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

type Queue = { readonly kind: string; readonly bytes: number; readonly backlog: number };
type Port = { readonly stats64: { readonly tx: { readonly bytes: number } } };

function queueOf(queues: readonly Queue[]): Queue {
  const queue = queues.find(({ kind }) => kind === "tbf");
  if (queue !== undefined) return queue;
  throw new OperatorError("bench-command", "tc tells of no tbf on the line that is watched.");
}

/** One interface's counters, from a tool that stays: starting it each time would be felt. */
class Counters<T> {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #question: string;
  readonly #answers: AsyncIterator<string>;

  constructor(stage: Stage, tool: "tc" | "ip", { namespace, device }: LinkEnd) {
    // The tools keep their answers back where they do not write to a terminal.
    const command = ["-oL", tool, "-n", namespace, "-s", "-j", "-batch", "-"];
    this.#child = spawn("stdbuf", command, { stdio: ["pipe", "pipe", "ignore"] });
    this.#question = `${tool === "tc" ? "qdisc" : "link"} show dev ${device}\n`;
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
    this.#child.stdin.on("error", () => {});
    const ended = new Promise<void>((resolve) => {
      this.#child.on("close", () => resolve()).on("error", () => resolve());
    });
    stage.own({ kill: () => this.#child.kill("SIGKILL"), ended });
  }

  async read(): Promise<readonly T[]> {
    this.#child.stdin.write(this.#question);
    const { value, done } = await this.#answers.next();
    if (done !== true) return JSON.parse(value) as readonly T[];
    const why = `No answer to "${this.#question.trim()}"; stdbuf (coreutils) is needed too.`;
    throw new OperatorError("bench-command", why);
  }
}
