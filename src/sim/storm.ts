import { Prng } from "../base/prng.ts";
import { SECOND } from "../base/units.ts";
import type { Fault } from "./faults/fault.ts";
import { rebind } from "./faults/lines.ts";
import { FaultyNetwork } from "./faults/network.ts";
import { move, originsChange, otherVersion, retyped } from "./faults/people.ts";
import { drawWeather, type Weather } from "./faults/weather.ts";
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
  const prng = new Prng((seed ^ 0x5b_d1_e9_95) >>> 0);
  const faults = drawWeather(prng, weather, during * SECOND, (fault) => !NOT_HERE.has(fault));
  const mishaps: Mishap[] = [];
  if (publisher === undefined || faults.length === 0) return mishaps;
  const network = new FaultyNetwork(world.prng, (host) => ways.officeOf(host));
  const journal = new Journal(() => world.nowUs);
  const scene = new Scene({ organisation, offices, network, journal, prng, devices, publisher });
  scene.packages.push(simPackage);
  scene.orders.push({
    contentId: simPackage.contentId,
    targets: { all: true },
    priority: "medium",
    cancelled: [],
  });
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
  for (const { fault, atUs, lastsUs } of faults) world.plan(atUs, () => strike(fault, lastsUs));
  return mishaps;
}
