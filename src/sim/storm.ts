import { Prng } from "../base/prng.ts";
import { MS, SECOND } from "../base/units.ts";
import { type Fault, pick } from "./faults/fault.ts";
import { rebind } from "./faults/lines.ts";
import { FaultyNetwork } from "./faults/network.ts";
import { move, originsChange, otherVersion, retyped } from "./faults/people.ts";
import { WEATHERS, type Weather } from "./faults/weather.ts";
import { Journal } from "./journal.ts";
import type { Organisation, SimOffice } from "./organisation.ts";
import type { SimPackage } from "./package.ts";
import { Scene } from "./scene.ts";

/** Something that went wrong during a distribution. */
export type Mishap = {
  /** Since the deployment, and for how long. */
  readonly atS: number;
  readonly lastsS: number;
  readonly kind: string;
  readonly sentence: string;
};

/** What changes the offices that somebody wants to know about, or who is in them. */
const NOT_HERE: ReadonlySet<Fault> = new Set([move, rebind, otherVersion, retyped, originsChange]);

/** A fault lasts this long at least, and is doubled up to so many times. */
const LASTS_US_MIN = 200 * MS;
const DOUBLINGS_MAX = 8;

/**
 * Has things go wrong while a package is distributed, in a world of packets; all of it ends.
 *
 * @param during - From now on, in seconds.
 * @returns What has gone wrong so far.
 */
export function beginStorm(
  organisation: Organisation,
  what: {
    readonly offices: readonly SimOffice[];
    readonly simPackage: SimPackage;
    readonly weather: Weather;
    readonly seed: number;
    readonly during: number;
  },
): readonly Mishap[] {
  const { offices, simPackage, weather, seed, during } = what;
  const { world, ways } = organisation;
  const devices = [...organisation.devices.values()].flat();
  const [publisher] = devices;
  const { faults, min, max } = WEATHERS[weather];
  const here = faults.filter((fault) => !NOT_HERE.has(fault));
  const mishaps: Mishap[] = [];
  if (publisher === undefined || here.length === 0) return mishaps;
  const prng = new Prng((seed ^ 0x5b_d1_e9_95) >>> 0);
  const network = new FaultyNetwork(world.prng, (host) => ways.officeOf(host));
  const journal = new Journal(() => world.nowUs);
  const scene = new Scene({ organisation, offices, network, journal, prng, devices, publisher });
  scene.packages.push(simPackage);
  scene.orders.push({ contentId: simPackage.contentId, targets: { all: true } });
  world.wire = network.carry;
  const startedAtUs = world.nowUs;
  const strike = (fault: Fault, lastsUs: number): void => {
    const blow = fault.strike(scene);
    if (blow === undefined) return;
    const atS = (world.nowUs - startedAtUs) / SECOND;
    const { kind } = fault;
    mishaps.push({ atS, lastsS: lastsUs / SECOND, kind, sentence: blow.sentence });
    if (blow.heal !== undefined) world.plan(lastsUs, blow.heal);
  };
  const count = min + prng.below(max - min + 1);
  for (let number = 0; number < count; number += 1) {
    const fault = pick(prng, here);
    // Long ones are rare, short ones frequent.
    const lastsUs = Math.round(LASTS_US_MIN * 2 ** (prng.below(100 * DOUBLINGS_MAX) / 100));
    const atUs = Math.round((prng.below(1_000) / 1_000) * during * SECOND);
    if (fault !== undefined) world.plan(atUs, () => strike(fault, lastsUs));
  }
  return mishaps;
}
