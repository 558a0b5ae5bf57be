import { expect, test } from "vitest";
import { KIB, SECOND } from "../../src/base/units.ts";
import { Organisation } from "../../src/sim/organisation.ts";
import { allHave, CLEAN_LINE, everyone } from "./fixtures/organisation.ts";

test.each([1, 2, 3])(
  "two transfers that begin over one line in the same moment do not keep each other silent (seed %i)",
  (seed) => {
    const organisation = new Organisation(seed, [
      { name: "Central", devices: 1 },
      { name: "Homes", type: "vpn", devices: 2, line: CLEAN_LINE },
    ]);
    organisation.settle();
    const simPackage = organisation.deploy({ pieces: 40, pieceBytes: 256 * KIB });
    const beganAtUs = organisation.world.nowUs;

    const done = organisation.runUntil(() => allHave(everyone(organisation), simPackage), 120);
    const seconds = (organisation.world.nowUs - beganAtUs) / SECOND;

    expect(done).toBe(true);
    // Both copies take this long where the line never rests. One is begun while the other one has
    // its turn, and so waits for some seconds; before tests of the line were left to chance both
    // waited for half a minute.
    const boundS = (2 * simPackage.sizeBytes) / CLEAN_LINE.rate;
    expect(seconds).toBeLessThan(2.5 * boundS);
  },
);
