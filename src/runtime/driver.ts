import type { Machine } from "../base/machine.ts";
import { MS, SECOND } from "../base/units.ts";

/** The machine's monotonic clock, in whole microseconds. */
export function monotonicUs(): number {
  return Math.floor(performance.now() * 1_000);
}

/** A timer that fires this much later than it was set for shows that the computer slept. */
const SLEPT_US = 5 * SECOND;

/** How a machine is told that time has passed. */
export type TimeInputs<Input> = {
  readonly timer: Input;
  /** After a suspend or a jump of the clock; absent where the machine does not care. */
  readonly woke?: Input;
};

/**
 * Runs a machine on the real clock: hands it inputs one at a time, and wakes it when it is due.
 *
 * Inputs that come while a step runs (an outbox may answer at once) wait for its end.
 */
export class Driver<Input, Outbox> {
  readonly #machine: Machine<Input, Outbox>;
  readonly #time: TimeInputs<Input>;
  readonly #outbox: Outbox;
  readonly #afterStep: () => void;
  readonly #waiting: ((nowUs: number, outbox: Outbox) => void)[] = [];
  #stepping = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #armedForUs = Number.POSITIVE_INFINITY;

  /** @param afterStep - Called after each step, with everything of it in the outbox. */
  constructor(
    machine: Machine<Input, Outbox>,
    outbox: Outbox,
    time: TimeInputs<Input>,
    afterStep: () => void = () => {},
  ) {
    this.#machine = machine;
    this.#outbox = outbox;
    this.#time = time;
    this.#afterStep = afterStep;
  }

  /** Begins: the machine gets its first timer input. */
  start(): void {
    this.input(this.#time.timer);
  }

  /** Hands the machine an input. */
  input(input: Input): void {
    this.act((nowUs, outbox) => this.#machine.step(nowUs, input, outbox));
  }

  /** Calls a method of the machine as if it were an input: in its turn, with the time. */
  act(call: (nowUs: number, outbox: Outbox) => void): void {
    if (this.#stopped) return;
    this.#waiting.push(call);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        next(monotonicUs(), this.#outbox);
        this.#afterStep();
      }
    } finally {
      this.#stepping = false;
    }
    this.#arm();
  }

  /** Ends: no step follows. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
  }

  #arm(): void {
    const { atUs } = this.#machine.due();
    // A deadline that moved back is looked at when the old one comes: most of them move all the time.
    if (atUs >= this.#armedForUs || this.#stopped) return;
    clearTimeout(this.#timer);
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#armedForUs = atUs;
    if (!Number.isFinite(atUs)) return;
    const waitUs = atUs - monotonicUs();
    // A wait of less than a millisecond becomes one: turning in the event loop until it is over
    // would cost a core, and machines that pace allow for it.
    if (waitUs <= 0) {
      this.#immediate = setImmediate(() => this.#fire(atUs));
    } else {
      this.#timer = setTimeout(() => this.#fire(atUs), Math.min(Math.ceil(waitUs / MS), 2 ** 30));
    }
  }

  #fire(dueUs: number): void {
    this.#armedForUs = Number.POSITIVE_INFINITY;
    this.#immediate = undefined;
    const { woke } = this.#time;
    const nowUs = monotonicUs();
    if (woke !== undefined && nowUs - dueUs > SLEPT_US) this.input(woke);
    if (this.#machine.due().atUs <= nowUs) this.input(this.#time.timer);
    else this.#arm();
  }
}

/** How machines that hold associations are told. */
export const ENDPOINT_TIME = {
  timer: { kind: "timer-fired" },
  woke: { kind: "woke" },
} as const;
