import { describe, expect, test } from "vitest";
import { LawTrial } from "../../../test/simulation/fixtures/law-trial.ts";
import { MS } from "../../base/units.ts";
import { background } from "./background.ts";
import { controllerContract } from "./controller.contract.ts";

describe("background", () => {
  controllerContract(() => background(3));
});

/** Ours, and somebody else's transfer. */
const OURS = 1;
const THEIRS = 9;
const ENDLESS = 1e12;

const LINES = [
  { mbit: 10, queue: "fifo", queueMs: 100 },
  { mbit: 10, queue: "fifo", queueMs: 250 },
  { mbit: 10, queue: "fq-codel", queueMs: 1_000 },
  { mbit: 50, queue: "fifo", queueMs: 100 },
  { mbit: 50, queue: "fq-codel", queueMs: 1_000 },
  { mbit: 1, queue: "fifo", queueMs: 250 },
  { mbit: 200, queue: "fifo", queueMs: 50 },
] as const;

test.each(LINES)(
  "alone on $mbit Mbit/s, $queue of $queueMs ms, it fills the line with next to no queue",
  (line) => {
    const trial = alone(line, 10);

    expect(trial.share(OURS, 3, 10)).toBeGreaterThan(0.95);
    // On a slow line one packet is more than that.
    expect(trial.queue(0.5, 3, 10)).toBeLessThanOrEqual(2);
    expect(trial.queue(0.95, 3, 10)).toBeLessThanOrEqual(Math.max(5, 15 / line.mbit));
    expect(trial.when(OURS, 0, 0.25, (share) => share > 0.8)).toBeLessThan(1);
  },
);

test.each(LINES)(
  "others on $mbit Mbit/s, $queue of $queueMs ms, keep their rate, and it takes the line again once they are gone",
  (line) => {
    const trial = alone(line, 6);
    const theirs = trial.cubic(THEIRS);
    theirs.start(ENDLESS);
    trial.run(15);
    theirs.stop();
    trial.run(8);
    const kept = trial.share(THEIRS, 6, 21) / solo(line, 0, 15);
    const steady = trial.share(THEIRS, 11, 21) / solo(line, 5, 15);

    expect(kept).toBeGreaterThan(line.mbit < 10 ? 0.95 : 0.98);
    expect(steady).toBeGreaterThan(line.mbit < 10 ? 0.97 : 0.98);
    expect(trial.when(OURS, 6, 0.2, (share) => share <= 0.1)).toBeLessThanOrEqual(
      line.mbit < 10 ? 0.8 : 0.35,
    );
    const recovered = trial.when(OURS, 21, 0.5, (share) => share >= 0.8);
    expect(recovered).toBeLessThanOrEqual(line.queue === "fifo" ? 1 : 4.5);
  },
);

test.each(["fifo", "fq-codel"] as const)(
  "short requests of others over a %s take little longer, and most of what they leave is used",
  (queue) => {
    const line = { mbit: 10, queue, queueMs: 250 };
    const [without] = requests(new LawTrial(3, line));
    const [times, trial] = requests(alone(line, 10));
    const left = 1 - trial.share(THEIRS, 11, 40);

    expect(at(times, 0.5) / at(without, 0.5)).toBeLessThanOrEqual(1.05);
    expect(at(times, 0.95) / at(without, 0.95)).toBeLessThanOrEqual(1.15);
    expect(trial.share(OURS, 11, 40) / left).toBeGreaterThan(0.5);
  },
);

test("who comes late to a full line does not take its queue for the empty path", () => {
  const line = { mbit: 10, queue: "fifo", queueMs: 250 } as const;
  const trial = new LawTrial(4, line);
  const theirs = trial.cubic(THEIRS);
  theirs.start(ENDLESS);
  trial.run(10);
  trial.stream(background(7), OURS).start();
  trial.run(25);
  theirs.stop();
  trial.run(5);

  expect(trial.share(THEIRS, 10, 35) / solo(line, 10, 35)).toBeGreaterThan(0.99);
  expect(trial.when(OURS, 35, 0.5, (share) => share >= 0.8)).toBeLessThan(1);
});

test.each(["fifo", "fq-codel"] as const)(
  "two of ours on a %s share the line, most of the time of one and then the other",
  (queue) => {
    const trial = new LawTrial(4, { mbit: 10, queue, queueMs: 250 });
    trial.stream(background(7), 1).start();
    trial.run(10);
    trial.stream(background(8), 2).start();
    trial.run(40);
    const [first, second] = [trial.share(1, 30, 50), trial.share(2, 30, 50)];
    const jain = (first + second) ** 2 / (2 * (first ** 2 + second ** 2));

    expect(jain).toBeGreaterThan(0.95);
    expect(first + second).toBeGreaterThan(0.9);
    expect(trial.queue(0.95, 30, 50)).toBeLessThan(5);
  },
);

test.each([20, -10])(
  "a path that becomes longer by %i ms is not taken for a queue for long",
  (ms) => {
    const trial = alone({ mbit: 10, queue: "fifo", queueMs: 250 }, 10);
    const { options } = trial.router;
    trial.router.options = { ...options, delayUs: options.delayUs + ms * MS };
    trial.run(12);

    expect(trial.share(OURS, 12.5, 22)).toBeGreaterThan(0.95);
    expect(trial.queue(0.95, 12.5, 22)).toBeLessThan(5);
  },
);

test.each([
  { queue: "fifo", part: 0.65 },
  { queue: "fq-codel", part: 0.65 },
  { queue: "fq-codel", part: 0.3 },
] as const)(
  "a $queue that falls to $part of its rate is used again at that rate",
  ({ queue, part }) => {
    const trial = alone({ mbit: 20, queue, queueMs: 250 }, 10);
    const { options } = trial.router;
    trial.router.options = { ...options, rate: part * options.rate };
    trial.run(15);

    expect(trial.share(OURS, 17, 25)).toBeGreaterThan(0.9);
    expect(trial.queue(0.95, 17, 25)).toBeLessThan(5);
  },
);

test.each([10, 50])("a line of %i Mbit/s that is held up twice a second is used", (mbit) => {
  const trial = alone({ mbit, queue: "fifo", queueMs: 250 }, 5);
  const heldUpUs = 8 * MS;
  const bytes = (trial.router.options.rate * heldUpUs) / 1e6;
  const holdUp = (): void => {
    trial.router.carry({ flow: THEIRS, bytes, arrive: () => {} });
    trial.world.plan(300 * MS + trial.prng.below(400 * MS), holdUp);
  };
  holdUp();
  trial.run(30);

  expect(trial.share(OURS, 5, 35)).toBeGreaterThan(0.85);
});

test.each([10, 50])(
  "beside one who fills a %i Mbit/s fq-codel for minutes none is taken",
  (mbit) => {
    const line = { mbit, queue: "fq-codel", queueMs: 1_000 } as const;
    const trial = alone(line, 10);
    trial.cubic(THEIRS).start(ENDLESS);
    trial.run(120);

    expect(trial.share(OURS, 12, 130)).toBeLessThan(0.015);
  },
);

test.each([200, -200])(
  "a clock that is fast by %i in a million changes nothing in ten minutes",
  (ppm) => {
    const line = { mbit: 2, queue: "fifo", queueMs: 250 } as const;
    const trial = new LawTrial(5, line);
    const stream = trial.stream(background(7), OURS);
    stream.skewPpm = ppm;
    stream.start();
    trial.run(600);
    expect(trial.share(OURS, 5, 600)).toBeGreaterThan(0.95);
    expect(trial.queue(0.95, 5, 600)).toBeLessThanOrEqual(8);

    const theirs = trial.cubic(THEIRS);
    theirs.start(ENDLESS);
    trial.run(15);
    expect(trial.share(THEIRS, 600, 615) / solo(line, 0, 15)).toBeGreaterThan(0.95);
  },
);

test.each([
  [10, 0.8],
  // Each packet may wait for what jitter held back before it, which looks like others.
  [50, 0.6],
] as const)(
  "jitter of 2 ms and a loss in 200 leave it most of a line of %i Mbit/s",
  (mbit, least) => {
    const trial = alone(
      { mbit, queue: "fifo", queueMs: 100, jitterUs: 2 * MS, lossPercent: 0.5 },
      20,
    );

    expect(trial.share(OURS, 8, 20)).toBeGreaterThan(least);
  },
);

test.each([10, 50])("a policer of %i Mbit/s is found by its losses, which then are few", (mbit) => {
  const trial = alone({ mbit, queue: "policer", queueMs: 20 }, 10);
  const before = trial.router.drops;
  trial.run(20);
  const packets = (trial.share(OURS, 10, 30) * mbit * 1e6 * 20) / 8 / 1_480;

  expect(trial.share(OURS, 10, 30)).toBeGreaterThan(0.85);
  expect((trial.router.drops - before) / packets).toBeLessThan(0.03);
});

test.each([0.1, 0.3])(
  "beside others who take %f of the line and do not push, it uses what they leave",
  (part) => {
    const line = { mbit: 10, queue: "fifo", queueMs: 250 } as const;
    const trial = alone(line, 5);
    steady(trial, part);
    trial.run(40);

    expect(trial.share(THEIRS, 15, 45)).toBeGreaterThan(0.99 * part);
    expect(trial.share(OURS, 15, 45) / (1 - part)).toBeGreaterThan(0.85);
    expect(trial.queue(0.95, 15, 45)).toBeLessThan(6);
  },
);

test("with nothing to send it sends no probes, and takes the line up again at once", () => {
  const law = background(1);
  const trial = new LawTrial(6, { mbit: 10, queue: "fifo", queueMs: 100 });
  const stream = trial.stream(law, OURS);
  stream.start();
  trial.run(5);
  stream.pause();
  trial.run(30);
  const idle = trial.carried(OURS);
  trial.run(30);
  expect(trial.carried(OURS)).toBe(idle);
  expect(law.due().atUs).toBe(Number.POSITIVE_INFINITY);

  stream.goOn();
  trial.run(3);
  expect(trial.share(OURS, 66, 68)).toBeGreaterThan(0.95);
});

type Line = ConstructorParameters<typeof LawTrial>[1];

/** One stream of ours for so many seconds. */
function alone(line: Line, seconds: number): LawTrial {
  const trial = new LawTrial(2, line);
  trial.stream(background(5), OURS).start();
  trial.run(seconds);
  return trial;
}

/** The share of somebody else's transfer without us, from and until so many seconds after it began. */
function solo(line: Line, fromS: number, untilS: number): number {
  const trial = new LawTrial(1, line);
  trial.cubic(THEIRS).start(ENDLESS);
  trial.run(untilS);
  return trial.share(THEIRS, fromS, untilS);
}

/** Requests of 100 kB, each half a second after the last was answered, for 30 seconds. */
function requests(trial: LawTrial): [readonly number[], LawTrial] {
  const times: number[] = [];
  const ask = (): void => {
    const atUs = trial.world.nowUs;
    const answered = (): void => {
      times.push(trial.world.nowUs - atUs);
      trial.world.plan(500 * MS, ask);
    };
    // The handshake takes a round trip.
    trial.world.plan(40 * MS, () => trial.cubic(THEIRS).start(100_000, answered));
  };
  ask();
  trial.run(30);
  return [times.sort((a, b) => a - b), trial];
}

/** Small packets that take a part of the line, come what may. */
function steady(trial: LawTrial, part: number): void {
  const bytes = 500;
  const gapUs = (bytes * 1e6) / (part * trial.router.options.rate);
  const send = (): void => {
    trial.router.carry({ flow: THEIRS, bytes, arrive: () => {} });
    trial.world.plan(gapUs * (0.5 + trial.prng.below(1_000) / 1_000), send);
  };
  send();
}

function at(sorted: readonly number[], part: number): number {
  return sorted[Math.floor(part * sorted.length)] ?? Number.NaN;
}
