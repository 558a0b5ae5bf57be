import { expect, test } from "vitest";
import { isolate } from "../../src/sim/faults/profiles.ts";
import { Trial } from "../../src/sim/trial.ts";

/** As many as take some seconds. */
const SEEDS = 30;

test("PF4: whoever is to take no part takes none, whatever goes wrong, and all comes right after", () => {
  let isolations = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const moreFaults = Array.from({ length: 8 }, () => isolate);

    const { violations, faults, trace } = Trial.run({ seed, weather: "mild", moreFaults });

    isolations += faults.get(isolate.kind) ?? 0;
    expect([seed, violations, violations.length > 0 ? trace : []]).toEqual([seed, [], []]);
  }
  expect(isolations).toBeGreaterThan(SEEDS / 2);
});
