import { serverClock, skewedClock, wrongClock } from "./clocks.ts";
import { clone } from "./clone.ts";
import { fullDisk, hungDisk, rot, slowDisk } from "./disk.ts";
import type { Fault } from "./fault.ts";
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
];

/** What a weather has: which faults, and how many of them at least and at most. */
export const WEATHERS: Readonly<
  Record<Weather, { readonly faults: readonly Fault[]; readonly min: number; readonly max: number }>
> = {
  none: { faults: [], min: 0, max: 0 },
  mild: { faults: MILD, min: 1, max: 4 },
  harsh: { faults: HARSH, min: 3, max: 14 },
};
