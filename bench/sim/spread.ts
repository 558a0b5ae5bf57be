import { Prng } from "../../src/base/prng.ts";
import { MIB, MS, SECOND } from "../../src/base/units.ts";
import type { SimDevice } from "../../src/sim/device.ts";
import { FLOW_OVERHEAD } from "../../src/sim/flow/flow-network.ts";
import { Organisation, type SimOffice } from "../../src/sim/organisation.ts";
import type { SimPackage } from "../../src/sim/package.ts";
import { digits } from "../figures.ts";
import type { Stage } from "../stage.ts";

/** The largest piece that the format allows: what is simulated in large is cut into these. */
export const PIECE_BYTES: number = MIB;

/** How often it is looked at how far everybody is, in simulated time. */
const LOOK_US = 200 * MS;

/** For how long all have been there before anything is deployed: what changes late has been told. */
const SETTLED_US = 6 * SECOND;

/** How often a person is told, in seconds of the machine. */
const SAY_S = 20;

/** A package on its way through a simulated organisation. */
export type Spread = {
  readonly offices: readonly SimOffice[];
  readonly sizeBytes: number;
  /** Bytes a second of each device's port. */
  readonly lanRate?: number;
  /** Goes wrong from the time of the deployment on. */
  readonly weather?: (organisation: Organisation, prng: Prng) => void;
};

/** What came of it. */
export type Spreaded = {
  readonly organisation: Organisation;
  readonly simPackage: SimPackage;
  readonly devices: number;
  /** Devices that run and have it; and those that run. */
  readonly finished: number;
  readonly running: number;
  /** From the deployment to the last one, in simulated seconds. */
  readonly seconds: number;
};

/** Spreads a package to everybody. */
export function spread(stage: Stage, what: Spread): Spreaded {
  const { seed } = stage.options;
  const { offices, sizeBytes, lanRate, weather } = what;
  const port = lanRate === undefined ? {} : { lanRate };
  const organisation = new Organisation(seed, offices, { grain: "flows", traced: false, ...port });
  const { world, server } = organisation;
  const all = [...organisation.devices.values()].flat();
  stage.say(`${all.length} devices in ${offices.length} offices`);
  const told = progress(stage);
  runTo(organisation, 120, () => {
    const { present } = server.coordinator.counts();
    told(`${present} of ${all.length} are known to the server`);
    return present === all.length;
  });
  world.runUntil(world.nowUs + SETTLED_US);
  stage.say("all are known to the server");
  const beganAtUs = world.nowUs;
  const pieces = Math.max(1, Math.round(sizeBytes / PIECE_BYTES));
  const simPackage = organisation.deploy({ pieces, pieceBytes: PIECE_BYTES });
  weather?.(organisation, new Prng(seed));
  const lineRates = offices.flatMap(({ line }) => (line === undefined ? [] : [line.rate]));
  const boundS = simPackage.sizeBytes / Math.min(lanRate ?? Infinity, ...lineRates);
  let left: readonly SimDevice[] = all;
  runTo(organisation, 60 + 10 * boundS, () => {
    left = left.filter((device) => !hasIt(device, simPackage));
    const seconds = ((world.nowUs - beganAtUs) / SECOND).toFixed(1);
    told(`${seconds} s: ${all.length - left.length} of ${all.length} have it`);
    return !left.some(({ running }) => running) && world.nowUs > beganAtUs + SECOND;
  });
  const running = all.filter((device) => device.running);
  return {
    organisation,
    simPackage,
    devices: all.length,
    finished: running.filter((device) => hasIt(device, simPackage)).length,
    running: running.length,
    seconds: (world.nowUs - beganAtUs) / SECOND,
  };
}

/** Pieces that devices fetched from outside their office, over the size, by office with a line. */
export function copiesInto(
  { organisation, simPackage }: Spreaded,
  offices: readonly SimOffice[],
): readonly number[] {
  return wired(offices).map((name) => {
    const bytes = organisation
      .office(name)
      .map((device) => statusOf(device, simPackage)?.wanInBytes ?? 0)
      .reduce((sum, own) => sum + own, 0);
    return bytes / simPackage.sizeBytes;
  });
}

/** What lines carried of pieces, over the size, by office with a line: whoever has lost what he had. */
export function carriedInto(
  { organisation, simPackage }: Spreaded,
  offices: readonly SimOffice[],
): readonly number[] {
  return wired(offices).map(
    (name) => organisation.carriedInto(name) / FLOW_OVERHEAD / simPackage.sizeBytes,
  );
}

function wired(offices: readonly SimOffice[]): readonly string[] {
  return offices.filter(({ line }) => line !== undefined).map(({ name }) => name);
}

/** What a device says of the package. */
export function statusOf(device: SimDevice, { contentId }: SimPackage) {
  return device.status()?.contents.find((content) => content.contentId === contentId);
}

/** What the simulation took of this machine, and how fast it was. */
export function machineFigures(startedMs: number, { devices, seconds, simPackage }: Spreaded) {
  const wallSeconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage();
  const pieces = simPackage.pieces.length;
  return {
    wallSeconds: digits(wallSeconds, 1),
    cpuSeconds: digits((user + system) / 1e6, 1),
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    deviceSecondsPerSecond: Math.round((devices * seconds) / wallSeconds),
    microsecondsPerPiece: Math.round((wallSeconds * 1e6) / (devices * pieces)),
  };
}

function hasIt({ running, store }: SimDevice, { contentId }: SimPackage): boolean {
  return running && store.isFinished(contentId);
}

function runTo({ world }: Organisation, seconds: number, done: () => boolean): void {
  const endUs = world.nowUs + seconds * SECOND;
  while (world.nowUs < endUs && !done()) world.runUntil(world.nowUs + LOOK_US);
}

function progress(stage: Stage): (text: string) => void {
  let saidMs = performance.now();
  return (text) => {
    if (performance.now() - saidMs < SAY_S * 1000) return;
    saidMs = performance.now();
    stage.say(text);
  };
}
