import { expect, test } from "vitest";
import type { Weather } from "../../src/sim/faults/weather.ts";
import { Trial } from "../../src/sim/trial.ts";

/** How many seeds are replayed each time, by weather. */
const SEEDS: Readonly<Record<Weather, number>> = { none: 30, mild: 70, harsh: 200 };

/** So many in one test: it says which seeds they were, and none takes long. */
const BATCH = 10;

const BATCHES = Object.entries(SEEDS).flatMap(([weather, count]) =>
  Array.from({ length: count / BATCH }, (_, batch) => ({
    weather: weather as Weather,
    first: 1 + batch * BATCH,
  })),
);

test.each(BATCHES)("nothing is violated: $weather, 10 seeds from $first", ({ weather, first }) => {
  const seeds = Array.from({ length: BATCH }, (_, index) => first + index);

  expect(seeds.flatMap((seed) => foundBy(seed, weather))).toEqual([]);
});

function foundBy(seed: number, weather: Weather): readonly string[] {
  const { violations } = Trial.run({ seed, weather });
  return violations.map(({ checker, sentence }) => `seed ${seed}: ${checker}: ${sentence}`);
}
