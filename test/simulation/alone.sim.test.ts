import { expect, test } from "vitest";
import { AloneDays } from "./alone-days.ts";

// Minutes of a whole office are many events: they take their time where a machine is busy.
const TIMEOUT_MS = 120_000;

test(
  "an office that is cut off for days gives its own what it has, keeps its last copy, and agrees with the server when it is back",
  () => {
    const result = AloneDays.run({ seed: 1, days: 3, awakeMinutes: 2, cacheDays: 0 });

    // One on the first day, and one when all but the office's last copy have been let go of.
    expect(result.deployed).toBe(2);
    expect(result.evictions).toBeGreaterThan(0);
    expect(result.copiesLeft).toBe(1);
    expect(result.successions).toBe(3);
    expect(result.splitDays).toBe(0);
    expect(result.differences).toEqual([]);
    // Only what was under way when the line was cut crosses it twice.
    expect(result.copies).toBeLessThan(1.1);
  },
  TIMEOUT_MS,
);
