import { expect, test } from "vitest";
import { REPORT_MS_MAX, REPORT_MS_MIN, REPORTS_PER_S, reportPaceMs } from "./report-pace.ts";

test("PO6: the more devices there are, the less often each reports: together never too often", () => {
  const told = [1, 1_250, 1_251, 2_500, 10_000, 10_001, 100_000].map((devices) => ({
    devices,
    paceMs: reportPaceMs(devices, REPORT_MS_MIN),
  }));

  expect(told.map(({ paceMs }) => paceMs)).toEqual([500, 500, 1_000, 1_000, 4_000, 8_000, 60_000]);
  for (const { devices, paceMs } of told) {
    expect(paceMs === REPORT_MS_MAX || (1_000 * devices) / paceMs <= REPORTS_PER_S).toBe(true);
  }
});

test("PO6: a few devices that come and go around a bound change nothing", () => {
  expect(reportPaceMs(2_501, 1_000)).toBe(2_000);
  expect(reportPaceMs(2_499, 2_000)).toBe(2_000);
  expect(reportPaceMs(2_001, 2_000)).toBe(2_000);
  expect(reportPaceMs(2_000, 2_000)).toBe(1_000);
  expect(reportPaceMs(10, 8_000)).toBe(REPORT_MS_MIN);
});
