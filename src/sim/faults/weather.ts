import { invariant } from "../../base/invariant.ts";
import type { Prng } from "../../base/prng.ts";
import { MS } from "../../base/units.ts";
import { serverClock, skewedClock, wrongClock } from "./clocks.ts";
import { clone } from "./clone.ts";
import { fullDisk, hungDisk, rot, slowDisk } from "./disk.ts";
import { type Fault, pick } from "./fault.ts";
import { emptyClaims, falseDoubts, falseSpace, flood, mute, useless, wrongPieces } from "./lies.ts";
import {
  confined,
  flips,
  handshakes,
  lineBad,
  lineCut,
  lineLong,
  lineSlow,
  partition,
  rebind,
} from "./lines.ts";
import { cancel, pause, reprioritise, retry } from "./operators.ts";
import { move, originsChange, otherVersion, retyped } from "./people.ts";
import { crash, crashLoop, sleep } from "./power.ts";
import { serverAway, serverCrash, serverRestored } from "./server.ts";

/** How much goes wrong. */
export type Weather = "none" | "mild" | "harsh";

/** What happens every day. */
const MILD: readonly Fault[] = [
  crash,
  sleep,
  lineCut,
  lineSlow,
  lineLong,
  serverCrash,
  serverAway,
  slowDisk,
  skewedClock,
  pause,
  reprioritise,
];

/** Everything that can go wrong. */
const HARSH: readonly Fault[] = [
  ...MILD,
  crashLoop,
  fullDisk,
  hungDisk,
  rot,
  lineBad,
  confined,
  partition,
  flips,
  rebind,
  handshakes,
  wrongClock,
  serverClock,
  serverRestored,
  wrongPieces,
  emptyClaims,
  falseDoubts,
  falseSpace,
  useless,
  mute,
  flood,
  move,
  otherVersion,
  retyped,
  originsChange,
  clone,
  retry,
  cancel,
];

/** What a weather has: which faults, and how many of them at least and at most. */
const WEATHERS: Readonly<
  Record<Weather, { readonly faults: readonly Fault[]; readonly min: number; readonly max: number }>
> = {
  none: { faults: [], min: 0, max: 0 },
  mild: { faults: MILD, min: 1, max: 4 },
  harsh: { faults: HARSH, min: 3, max: 14 },
};

/** A fault lasts this long at least, and is doubled up to so many times. */
const LASTS_US_MIN = 200 * MS;
const DOUBLINGS_MAX = 8;

/** Something that is to go wrong. */
export type PlannedFault = {
  readonly fault: Fault;
  /** From the beginning, and for how long. */
  readonly atUs: number;
  readonly lastsUs: number;
};

/**
 * Draws what goes wrong within a time.
 *
 * @param isPossible - Which faults there can be at all; without it all of the weather's.
 * @param more - What else can go wrong in this world.
 */
export function drawWeather(
  prng: Prng,
  weather: Weather,
  duringUs: number,
  isPossible: (fault: Fault) => boolean = () => true,
  more: readonly Fault[] = [],
): readonly PlannedFault[] {
  const { faults, min, max } = WEATHERS[weather];
  const possible = [...faults.filter(isPossible), ...more];
  const count = possible.length === 0 ? 0 : min + prng.below(max - min + 1);
  return Array.from({ length: count }, () => {
    const fault = pick(prng, possible);
    invariant(fault !== undefined, "there is a fault to pick");
    // Long ones are rare, short ones frequent.
    const lastsUs = Math.round(LASTS_US_MIN * 2 ** (prng.below(100 * DOUBLINGS_MAX) / 100));
    return { fault, atUs: prng.below(duringUs), lastsUs };
  });
}
