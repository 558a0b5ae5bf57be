import { expect, test } from "vitest";
import { Prng } from "../base/prng.ts";
import { FUZZ_TARGETS, mutated } from "./test-fuzz.ts";

/** The bench `branchcache-fuzz` takes a million. */
const MUTATIONS = 5_000;

test.each(FUZZ_TARGETS)(
  "RR1, PD9, HC1: $name, mutated, are read or refused, whatever comes",
  (target) => {
    const prng = new Prng(8);
    let accepted = 0;
    for (let count = 0; count < MUTATIONS; count += 1) {
      const bytes = mutated(prng, target.samples);
      const outcome = target.check(bytes);
      if (outcome.problem !== undefined) {
        expect({ problem: outcome.problem, bytes: [...bytes] }).toBeUndefined();
      }
      if (outcome.accepted) accepted += 1;
    }

    // Some changes are to what may be anything, most are not.
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(MUTATIONS);
  },
);

test("RR1, PD9, HC1: what the targets begin with is accepted", () => {
  for (const { samples, check } of FUZZ_TARGETS) {
    for (const sample of samples) expect(check(sample)).toEqual({ accepted: true });
  }
});
