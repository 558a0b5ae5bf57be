import { describe, expect, test } from "vitest";
import { MIB, MS } from "../../base/units.ts";
import { controllerContract } from "./controller.contract.ts";
import { foreground } from "./foreground.ts";

describe("foreground", () => {
  controllerContract(foreground);
});

test("the window doubles in a round trip until something is lost", () => {
  const controller = foreground();
  const before = controller.windowBytes();
  controller.onAcked(MS, { bytes: before, rttUs: MS, appLimited: false });

  expect(controller.windowBytes()).toBe(2 * before);
});

test("the window ends at 4 MiB", () => {
  const controller = foreground();
  for (let round = 0; round < 100; round += 1) {
    controller.onAcked(round, { bytes: MIB, rttUs: MS, appLimited: false });
  }

  expect(controller.windowBytes()).toBe(4 * MIB);
});

test("a loss leaves 70 % of the window, which then grows more slowly than before", () => {
  const controller = foreground();
  for (let round = 0; round < 10; round += 1) {
    controller.onAcked(round * MS, { bytes: 50_000, rttUs: MS, appLimited: false });
  }
  const before = controller.windowBytes();
  controller.onCongestion(20 * MS);
  expect(controller.windowBytes()).toBeCloseTo(0.7 * before, 5);

  controller.onAcked(21 * MS, { bytes: controller.windowBytes(), rttUs: MS, appLimited: false });
  expect(controller.windowBytes()).toBeGreaterThan(0.7 * before);
  expect(controller.windowBytes()).toBeLessThan(before);
});

test("what may be sent in a round trip is more than the window: pacing does not decide", () => {
  const controller = foreground();
  for (let round = 0; round < 100; round += 1) {
    controller.onAcked(round * 5 * MS, { bytes: 1_200, rttUs: 5 * MS, appLimited: true });
  }

  expect((controller.lineRate() * 5 * MS) / 1e6).toBeGreaterThan(controller.windowBytes());
});
