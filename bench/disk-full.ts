import { existsSync } from "node:fs";
import { MIB } from "../src/base/units.ts";
import { intactOf } from "./content/compare.ts";
import { publishRandom } from "./content/random-package.ts";
import { digits } from "./figures.ts";
import type { NetworkPlan } from "./net/network.ts";
import type { BenchOptions } from "./options.ts";
import { CacheMeter, cacheBytesOf } from "./organisation/cache-meter.ts";
import { fillDisk } from "./organisation/disk.ts";
import { Distribution, type Measured } from "./organisation/distribution.ts";
import { type Machine, Organisation, type Peculiarities } from "./organisation/organisation.ts";
import { waitAtMost } from "./organisation/waiting.ts";
import type { Bench, Stage } from "./stage.ts";

/** The devices of the office that lack room, each in its own manner. */
const SMALL_DISK = "a-2";
const LOW_LIMIT = "a-3";
const FILLED = "a-4";
const LOWERED = "a-5";

/** How far a device is when somebody else fills its disk. */
const FILLED_AT = 0.2;

/** How long it may take until the server says what is wrong, and until it is well again. */
const SAID_MS_MAX = 30_000;
const WELL_MS_MAX = 120_000;

/** The words by which an operator knows what lacks. */
const WORDS: Readonly<Record<string, RegExp>> = {
  [SMALL_DISK]: /disk itself is too small/,
  [LOW_LIMIT]: /cache\.max_mib/,
  [FILLED]: /no room|no space|full/i,
};

/** Devices without room among others that have it. */
export const DISK_FULL: Bench = {
  claim: "full disks, a limit below the package, a lowered limit: said clearly, others unaffected",
  sizeText: "16MiB",
  run: async (stage) => {
    const { sizeBytes } = stage.options;
    const organisation = await Organisation.start(stage, plan(stage.options), rooms(sizeBytes));
    const low = new CacheMeter(organisation.device(LOW_LIMIT));
    const full = await showFullDisks(stage, organisation);
    const lowPeakBytes = low.take().peakBytes;
    low.stop();
    const lowered = await showLoweredLimit(stage, organisation);
    const limitBytes = lowLimitMib(sizeBytes) * MIB;
    return {
      ok: full.ok && lowered.ok && lowPeakBytes <= limitBytes,
      verified: full.verified + lowered.verified,
      wanted: full.wanted + lowered.wanted,
      seconds: full.seconds,
      full: { ...full, lowLimit: { limitBytes, peakBytes: lowPeakBytes } },
      lowered,
      sizeBytes,
    };
  },
};

function plan({ rateBitsPerS }: BenchOptions): NetworkPlan {
  const offices = [
    { name: "Central", devices: 1 },
    { name: "A", parent: "Central", devices: 5 },
  ];
  return { rateBitsPerS, offices };
}

const lowLimitMib = (sizeBytes: number): number => Math.floor(sizeBytes / 2 / MIB);

function rooms(sizeBytes: number): Peculiarities {
  const wholeDisk = { cache: { min_free_mib: 0, disk_percent: 100 } };
  return {
    [SMALL_DISK]: { settings: wholeDisk, diskBytes: Math.floor(sizeBytes * 0.75) },
    // It is also who the others would have fetch for them.
    [LOW_LIMIT]: {
      settings: { cache: { max_mib: lowLimitMib(sizeBytes) }, facts: { preferred: true } },
    },
    [FILLED]: { settings: wholeDisk, diskBytes: sizeBytes * 4 },
  };
}

/** One disk is too small, one limit too low, and one disk is filled by somebody else. */
async function showFullDisks(stage: Stage, organisation: Organisation) {
  const content = await publishRandom(stage, organisation, "first");
  const distribution = await Distribution.begin(stage, organisation, content);
  const filled = organisation.device(FILLED);
  const reached = await distribution.until(async () => {
    const held = (await organisation.contentOn(filled, content.contentId))?.heldBytes ?? 0;
    return held >= FILLED_AT * content.sizeBytes;
  });
  const free = await fillDisk(filled.data);
  const doneBefore = existsSync(distribution.placeOn(filled));
  stage.say(`the disk of ${FILLED} is full${doneBefore ? ", too late" : ""}`);
  const lacking = Object.keys(WORDS);
  for (const name of lacking) distribution.excused.add(name);
  const measured = await distribution.finish({ withServer: false });
  const said = await problems(stage, distribution, organisation);
  const handedOver = lacking.filter((name) =>
    existsSync(distribution.placeOn(organisation.device(name))),
  );
  const intact = await intactOf(distribution);
  await free();
  const freedAt = distribution.seconds;
  stage.say(`the disk of ${FILLED} has room again`);
  const isWell = await waitAtMost(() => existsSync(distribution.placeOn(filled)) || undefined, {
    signal: stage.signal,
    patienceMs: WELL_MS_MAX,
  });
  const wellSeconds = isWell && digits(distribution.seconds - freedAt, 2);
  const whole = (await intactOf(distribution)).some(({ name }) => name === FILLED);
  const wanted = organisation.devices.length - lacking.length;
  const clear = lacking.every((name) => WORDS[name]?.test(said.get(name) ?? ""));
  return {
    ok: reached && intact.length === wanted && handedOver.length === 0 && clear && whole,
    ...figures(measured, intact, wanted),
    said: Object.fromEntries(said),
    handedOver,
    wellAgainSeconds: wellSeconds ?? null,
  };
}

/** What the server's list says of the devices that lack room, as soon as it says all of it. */
async function problems(
  stage: Stage,
  distribution: Distribution,
  organisation: Organisation,
): Promise<ReadonlyMap<string, string>> {
  let said = new Map<string, string>();
  const look = async (): Promise<true | undefined> => {
    const devices = (await distribution.look())?.devices ?? [];
    said = new Map(
      devices
        .map(({ deviceId, problem }) => [organisation.nameOf(deviceId), problem] as const)
        .filter(([, problem]) => problem !== ""),
    );
    return Object.keys(WORDS).every((name) => said.has(name)) || undefined;
  };
  await waitAtMost(look, { signal: stage.signal, patienceMs: SAID_MS_MAX });
  return said;
}

/** A device that holds two packages is left room for one and a half, and gets a third. */
async function showLoweredLimit(stage: Stage, organisation: Organisation) {
  await distribute(stage, organisation, "second");
  const device = organisation.device(LOWERED);
  const meter = new CacheMeter(device);
  const beforeBytes = await cacheBytesOf(device);
  const limitMib = Math.floor((1.5 * stage.options.sizeBytes) / MIB);
  const limitBytes = limitMib * MIB;
  await organisation.kill(device);
  await organisation.configure(device, { cache: { max_mib: limitMib } });
  const startedMs = performance.now();
  await organisation.startAgents([device]);
  const kept = await waitAtMost(
    async () => ((await cacheBytesOf(device)) <= limitBytes ? true : undefined),
    { signal: stage.signal, patienceMs: WELL_MS_MAX },
  );
  const keptSeconds = digits((performance.now() - startedMs) / 1000, 2);
  stage.say(`${LOWERED} keeps to its lowered limit after ${keptSeconds} s`);
  meter.take();
  const { measured, intact, wanted } = await distribute(stage, organisation, "third");
  const { samples, peakBytes } = meter.take();
  meter.stop();
  const ok = kept === true && beforeBytes > limitBytes && peakBytes <= limitBytes;
  return {
    ok: ok && samples > 0 && intact.length === wanted,
    ...figures(measured, intact, wanted),
    beforeBytes,
    limitBytes,
    keptSeconds: kept === undefined ? null : keptSeconds,
    peakBytes,
    samples,
  };
}

async function distribute(stage: Stage, organisation: Organisation, name: string) {
  const content = await publishRandom(stage, organisation, name);
  const distribution = await Distribution.begin(stage, organisation, content);
  for (const lacking of [SMALL_DISK, LOW_LIMIT]) distribution.excused.add(lacking);
  const measured = await distribution.finish({ withServer: false });
  const intact = await intactOf(distribution);
  return { measured, intact, wanted: organisation.devices.length - distribution.excused.size };
}

function figures(measured: Measured, intact: readonly Machine[], wanted: number) {
  return {
    verified: intact.length,
    wanted,
    seconds: digits(measured.deliveredSeconds, 2),
    processorsBusy: digits(measured.processorsBusy, 2),
  };
}
