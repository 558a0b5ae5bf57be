import { digits } from "./figures.ts";
import { copiesInto, machineFigures, PIECE_BYTES, spread } from "./sim/spread.ts";
import { LEVELS, officesInTree } from "./sim/tree.ts";
import type { Bench } from "./stage.ts";

/** How many devices there are unless the command line says, and how many share an office. */
const DEVICES = 100_000;
const OFFICE_DEVICES = 20;

/** What is wanted: the time over the bound, and what the simulation may take. */
const RATIO_MAX = 1.1;
const WALL_SECONDS_MAX = 1_800;
const RSS_BYTES_MAX = 8e9;

/** Everybody in a large organisation, with nothing going wrong. */
export const SIM_100K: Bench = {
  claim: "simulated: 100,000 devices in 5,000 offices, one copy over each line",
  simulated: true,
  copies: 0,
  devices: DEVICES,
  run: (stage) => {
    const startedMs = performance.now();
    const { rateBitsPerS, devices = DEVICES, quick } = stage.options;
    const sizeBytes = quick ? stage.options.sizeBytes / 4 : stage.options.sizeBytes;
    const count = Math.max(2, Math.round(devices / OFFICE_DEVICES));
    const offices = officesInTree({ offices: count, devices, rateBitsPerS });
    const spreaded = spread(stage, { offices, sizeBytes });
    const { finished, seconds, simPackage } = spreaded;
    const copies = copiesInto(spreaded, offices);
    // The last office has its first piece once it has crossed one line after the other.
    const fillSeconds = ((LEVELS - 1) * PIECE_BYTES * 8) / rateBitsPerS;
    const boundSeconds = (simPackage.sizeBytes * 8) / rateBitsPerS + fillSeconds;
    const ratio = seconds / boundSeconds;
    const machine = machineFigures(startedMs, spreaded);
    return {
      ok:
        finished === devices &&
        ratio <= RATIO_MAX &&
        copies.every((own) => own === 1) &&
        machine.wallSeconds <= WALL_SECONDS_MAX &&
        machine.peakRssBytes <= RSS_BYTES_MAX,
      seconds: digits(seconds, 1),
      boundSeconds: digits(boundSeconds, 2),
      ratio: digits(ratio, 3),
      devices,
      offices: offices.length,
      pieces: simPackage.pieces.length,
      sizeBytes: simPackage.sizeBytes,
      finished,
      copiesMin: digits(extreme(copies, Math.min), 4),
      copiesMax: digits(extreme(copies, Math.max), 4),
      ...machine,
    };
  },
};

function extreme(values: readonly number[], choose: (a: number, b: number) => number): number {
  return values.reduce((found, value) => choose(found, value));
}
