import { expect, test } from "vitest";
import { Meter } from "./meter.ts";

test("a report tells the rate since the last one, and what is known of the path", () => {
  const meter = new Meter(1_000);
  meter.total(1_500, 1_000_000);
  expect(meter.report(2_000)).toEqual({ seconds: 1, bytes: 1_000_000, mbit: 8 });
  meter.total(2_250, 1_500_000);
  const path = {
    rttUs: 40_123,
    capacityBytesPerS: 6_250_000,
    queueUs: 1_500,
    state: "steady",
  } as const;

  expect(meter.report(2_500, path)).toEqual({
    seconds: 1.5,
    bytes: 1_500_000,
    mbit: 8,
    rttMs: 40.12,
    capacityMbit: 50,
    queueMs: 1.5,
    state: "steady",
  });
});

test("the sum ends with the last byte, not with the last look", () => {
  const meter = new Meter(0);
  expect(meter.summary()).toEqual({ seconds: 0, bytes: 0, mbit: 0 });
  meter.total(2_000, 500_000);
  meter.total(9_000, 500_000);

  expect(meter.summary()).toEqual({ seconds: 2, bytes: 500_000, mbit: 2 });
});
