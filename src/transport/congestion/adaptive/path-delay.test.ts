import { expect, test } from "vitest";
import { MS, SECOND } from "../../../base/units.ts";
import { PathDelay } from "./path-delay.ts";

const OWD_US = 20 * MS;

test("the wait is what a packet takes beyond the shortest way there", () => {
  const delay = new PathDelay();

  expect(arrive(delay, 0, {})).toBe(0);
  expect(arrive(delay, MS, { queueUs: 7 * MS })).toBe(7 * MS);
  expect(delay.rttUs).toBe(2 * OWD_US);
});

test("clocks of which nothing is known, not even the sign of their difference, do not matter", () => {
  for (const offsetUs of [-3_600 * SECOND, 0, 3_600 * SECOND]) {
    const delay = new PathDelay();
    arrive(delay, 0, { offsetUs });

    expect(arrive(delay, MS, { offsetUs, queueUs: 5 * MS })).toBe(5 * MS);
  }
});

test.each([200, -200, 500])("a clock that is fast by %i in a million is no queue", (ppm) => {
  const delay = new PathDelay();
  let mostUs = 0;
  for (let nowUs = 0; nowUs < 600 * SECOND; nowUs += 50 * MS) {
    const offsetUs = Math.round((nowUs * ppm) / 1e6);
    mostUs = Math.max(mostUs, arrive(delay, nowUs, { offsetUs }));
  }
  expect(mostUs).toBeLessThan(MS);

  const offsetUs = Math.round((600 * SECOND * ppm) / 1e6);
  const seen = arrive(delay, 600 * SECOND, { offsetUs, queueUs: 8 * MS });
  expect(Math.abs(seen - 8 * MS)).toBeLessThan(1.5 * MS);
});

test("a queue on the way back is none on the way there", () => {
  const delay = new PathDelay();
  arrive(delay, 0, {});

  expect(arrive(delay, MS, { backQueueUs: 50 * MS })).toBe(0);
});

test("a clock that jumps is no queue", () => {
  const delay = new PathDelay();
  arrive(delay, 0, {});

  expect(arrive(delay, SECOND, { offsetUs: 3_600 * SECOND })).toBe(0);
  expect(arrive(delay, 2 * SECOND, { offsetUs: -3_600 * SECOND })).toBe(0);
});

/** A packet over a path of 20 ms in either direction. */
function arrive(
  delay: PathDelay,
  nowUs: number,
  path: { offsetUs?: number; queueUs?: number; backQueueUs?: number },
): number {
  const { offsetUs = 0, queueUs = 0, backQueueUs = 0 } = path;
  const delays = { owdUs: OWD_US + queueUs + offsetUs, backUs: OWD_US + backQueueUs - offsetUs };
  return delay.onArrived(nowUs, delays, true);
}
