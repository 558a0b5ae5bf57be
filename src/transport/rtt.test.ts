import fc from "fast-check";
import { expect, test } from "vitest";
import { MS } from "../base/units.ts";
import { GRANULARITY_US, PTO_US_MAX, RTT_INITIAL_US } from "./constants.ts";
import { RttEstimator } from "./rtt.ts";

test("AK5: before the first sample the round trip is the assumed one", () => {
  const rtt = new RttEstimator();

  expect(rtt).toMatchObject({ smoothedUs: RTT_INITIAL_US, minUs: RTT_INITIAL_US });
  expect(rtt.ptoUs(0, 0)).toBe(3 * RTT_INITIAL_US);
});

test("AK5: the first sample counts as it is, whatever the peer says that it waited", () => {
  const rtt = new RttEstimator();
  rtt.onSample(40 * MS, 5 * MS);

  expect(rtt).toMatchObject({ smoothedUs: 40 * MS, minUs: 40 * MS });
  expect(rtt.ptoUs(0, 0)).toBe(40 * MS + 4 * 20 * MS);
});

test("AK5: later samples count by an eighth, less what the peer waited", () => {
  const rtt = new RttEstimator();
  rtt.onSample(40 * MS, 0);
  rtt.onSample(60 * MS, 4 * MS);

  expect(rtt.smoothedUs).toBe((7 * 40 * MS + 56 * MS) / 8);
  const varianceUs = (3 * 20 * MS + 16 * MS) / 4;
  expect(rtt.ptoUs(0, 0)).toBe(rtt.smoothedUs + 4 * varianceUs);
});

test("AK5: a wait that would make a sample less than the shortest is not believed", () => {
  const rtt = new RttEstimator();
  rtt.onSample(40 * MS, 0);
  rtt.onSample(42 * MS, 5 * MS);

  expect(rtt.smoothedUs).toBe((7 * 40 * MS + 42 * MS) / 8);
  expect(rtt.minUs).toBe(40 * MS);
});

test("AK6: the time after which a packet is lost is 9/8 of the latest or smoothed round trip", () => {
  const rtt = new RttEstimator();
  rtt.onSample(40 * MS, 0);
  expect(rtt.lossDelayUs).toBe(45 * MS);
  rtt.onSample(80 * MS, 0);
  expect(rtt.lossDelayUs).toBe(90 * MS);
  rtt.onSample(8 * MS, 0);
  expect(rtt.lossDelayUs).toBe((9 / 8) * rtt.smoothedUs);

  const near = new RttEstimator();
  near.onSample(100, 0);
  expect(near.lossDelayUs).toBe(GRANULARITY_US);
});

test("AK7: a probe timeout doubles with each probe, and is 2 s at most", () => {
  const rtt = new RttEstimator();
  rtt.onSample(40 * MS, 0);
  const onceUs = rtt.ptoUs(5 * MS, 0);

  expect(onceUs).toBe(40 * MS + 80 * MS + 5 * MS);
  expect(rtt.ptoUs(5 * MS, 1)).toBe(2 * onceUs);
  expect(rtt.ptoUs(5 * MS, 1_000)).toBe(PTO_US_MAX);
});

test("whatever is measured, estimates stay within what was measured", () => {
  const sample = fc.record({
    sampleUs: fc.integer({ min: 1, max: 5_000_000 }),
    delayUs: fc.nat(5_000),
  });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1 }), (samples) => {
      const rtt = new RttEstimator();
      for (const { sampleUs, delayUs } of samples) rtt.onSample(sampleUs, delayUs);
      const all = samples.map(({ sampleUs }) => sampleUs);
      expect(rtt.smoothedUs).toBeGreaterThanOrEqual(Math.min(...all));
      expect(rtt.smoothedUs).toBeLessThanOrEqual(Math.max(...all));
      expect(rtt.minUs).toBe(Math.min(...all));
      expect(rtt.ptoUs(0, 0)).toBeGreaterThan(0);
    }),
  );
});
