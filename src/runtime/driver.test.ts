import { afterEach, expect, test, vi } from "vitest";
import type { Due, Machine } from "../base/machine.ts";
import { NEVER } from "../base/machine.ts";
import { Driver, monotonicUs } from "./driver.ts";

type Input = string;
type Outbox = { say(word: string): void };

const drivers: Driver<Input, Outbox>[] = [];
afterEach(() => {
  for (const driver of drivers.splice(0)) driver.stop();
});

test("inputs that come while a step runs wait for its end, and are applied in their order", () => {
  const { machine, driver } = harness((input, outbox) => {
    if (input !== "start") return;
    outbox.say("first");
    outbox.say("second");
    machine.log.push("start ends");
  });

  driver.input("start");

  expect(machine.log).toEqual(["start", "start ends", "first", "second"]);
});

test("calls take their turn among the inputs, and are told the time", () => {
  const { machine, driver } = harness((input) => {
    if (input === "outer")
      driver.act((nowUs) => machine.log.push(`act ${Number.isInteger(nowUs)}`));
  });
  driver.input("outer");

  expect(machine.log).toEqual(["outer", "act true"]);
});

test("after each step, and once for each, what it left in the outbox is carried out", () => {
  let steps = 0;
  const { driver, machine } = harness(
    (input, outbox) => {
      if (input === "one") outbox.say("two");
    },
    () => {
      steps += 1;
    },
  );
  driver.input("one");

  expect(machine.log).toEqual(["one", "two"]);
  expect(steps).toBe(2);
});

test("a machine is woken as often as it asks, and again where the timer came too early", async () => {
  const { machine, driver } = harness((input) => {
    // Timers of the system may fire a little before their time: then the machine has nothing to do.
    if (input !== "timer" || monotonicUs() < machine.dueAt.atUs) return;
    wakes.push(monotonicUs());
    machine.dueAt = wakes.length < 4 ? { atUs: monotonicUs() + 3_000, reason: "test" } : NEVER;
  });
  const wakes: number[] = [];
  machine.dueAt = { atUs: monotonicUs(), reason: "test" };
  driver.start();

  await vi.waitUntil(() => wakes.length === 4);
  expect(machine.dueAt).toBe(NEVER);
});

test("a deadline that moves nearer wakes the machine at the nearer time", async () => {
  const { machine, driver } = harness((input) => {
    if (input === "far") machine.dueAt = { atUs: monotonicUs() + 3_600e6, reason: "far" };
    if (input === "near") machine.dueAt = { atUs: monotonicUs() + 1_000, reason: "near" };
    if (input === "timer") machine.dueAt = NEVER;
  });
  driver.input("far");
  driver.input("near");

  await vi.waitUntil(() => machine.log.includes("timer"));
  expect(machine.log).toEqual(["far", "near", "timer"]);
});

test("a deadline months away does not fire at once", async () => {
  const { machine, driver } = harness((input) => {
    if (input === "far") machine.dueAt = { atUs: monotonicUs() + 9e12, reason: "far" };
  });
  driver.input("far");
  await laterWake();

  expect(machine.log).toEqual(["far"]);
});

test("a machine that has been stopped gets nothing any more", async () => {
  const { machine, driver } = harness(() => {
    machine.dueAt = { atUs: monotonicUs() + 500, reason: "test" };
  });
  driver.input("one");
  driver.stop();
  driver.input("two");
  await laterWake();

  expect(machine.log).toEqual(["one"]);
});

class Recorder implements Machine<Input, Outbox> {
  readonly log: string[] = [];
  dueAt: Due = NEVER;
  readonly #react: (input: Input, outbox: Outbox) => void;

  constructor(react: (input: Input, outbox: Outbox) => void) {
    this.#react = react;
  }

  step(_nowUs: number, input: Input, outbox: Outbox): void {
    this.log.push(input);
    this.#react(input, outbox);
  }

  due(): Due {
    return this.dueAt;
  }
}

/** A machine whose outbox answers at once, with what was said as the next input. */
function harness(react: (input: Input, outbox: Outbox) => void, afterStep?: () => void) {
  const machine = new Recorder(react);
  const outbox: Outbox = { say: (word) => driver.input(word) };
  const driver: Driver<Input, Outbox> = new Driver(machine, outbox, { timer: "timer" }, afterStep);
  drivers.push(driver);
  return { machine, driver };
}

/** Waits until a machine that is due later than all the others has been woken. */
async function laterWake(): Promise<void> {
  const { machine, driver } = harness(() => {
    machine.dueAt = NEVER;
  });
  machine.dueAt = { atUs: monotonicUs() + 5_000, reason: "later" };
  driver.act(() => {});
  await vi.waitUntil(() => machine.log.length > 0);
}
