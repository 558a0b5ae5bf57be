import { digits } from "./figures.ts";
import { machineFigures, spread, statusOf } from "./sim/spread.ts";
import type { Bench } from "./stage.ts";

/** How many devices there are unless the command line says. */
const DEVICES = 1_000;

/** What is wanted: the time over the bound, and what the one who had it uploads. */
const RATIO_MAX = 1.3;
const COPIES_MAX = 1.5;

/** A large office in which all have to get it from one. */
export const SIM_OFFICE: Bench = {
  claim: "simulated: 1,000 devices of one office get it from one, each behind a port of its own",
  sizeText: "128MiB",
  rateText: "20Mbit",
  simulated: true,
  copies: 0,
  devices: DEVICES,
  run: (stage) => {
    const startedMs = performance.now();
    const { rateBitsPerS, sizeBytes, devices = DEVICES } = stage.options;
    const offices = [{ name: "Office", devices: devices + 1 }];
    const spreaded = spread(stage, { offices, sizeBytes, lanRate: rateBitsPerS / 8 });
    const { finished, seconds, simPackage, organisation } = spreaded;
    // Kumar and Ross, "Peer-assisted file distribution: the minimum distribution time" (2006): with
    // equal ports the slowest of sender, receiver and all together.
    const oneSeconds = (simPackage.sizeBytes * 8) / rateBitsPerS;
    const togetherSeconds = (oneSeconds * devices) / (devices + 1);
    const boundSeconds = Math.max(oneSeconds, togetherSeconds);
    const [first] = organisation.office("Office");
    const sentBytes = first === undefined ? 0 : (statusOf(first, simPackage)?.lanOutBytes ?? 0);
    const copies = sentBytes / simPackage.sizeBytes;
    const ratio = seconds / boundSeconds;
    return {
      ok: finished === devices + 1 && ratio <= RATIO_MAX && copies <= COPIES_MAX,
      seconds: digits(seconds, 1),
      boundSeconds: digits(boundSeconds, 1),
      ratio: digits(ratio, 3),
      devices,
      pieces: simPackage.pieces.length,
      finished,
      copies: digits(copies, 2),
      ...machineFigures(startedMs, spreaded),
    };
  },
};
