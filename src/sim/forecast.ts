import { invariant } from "../base/invariant.ts";
import { Prng } from "../base/prng.ts";
import { MS, SECOND } from "../base/units.ts";
import type { LedgerStanding } from "../coordinator/ledger-view.ts";
import { decidingCriterion, rankCandidates } from "../topology/election.ts";
import type { OfficeType } from "../topology/office.ts";
import { type BoundedContent, boundsOf, type Narrow, type OfficeBound } from "./bounds.ts";
import type { SimDevice } from "./device.ts";
import type { Weather } from "./faults/weather.ts";
import type {
  Bottleneck,
  Forecast,
  LinkForecast,
  OfficeForecast,
  Reason,
  RvpForecast,
  UnfinishedDevice,
} from "./forecast-types.ts";
import { inventMachines } from "./machines.ts";
import { type Grain, Organisation, type SimOffice } from "./organisation.ts";
import type { SimPackage } from "./package.ts";
import { beginStorm, type Mishap } from "./storm.ts";

/** An office to forecast for. */
export type ForecastOffice = {
  readonly name: string;
  /** Absent for the Central Office alone. */
  readonly parent?: string;
  readonly type: OfficeType;
  readonly subnets: readonly string[];
  readonly devices: number;
  /** Its line to its parent, each way, in bytes a second; not looked at in the Central Office. */
  readonly lineRate: number;
  readonly lineDelayUs: number;
};

/** What is to be forecast. */
export type ForecastSetup = {
  /** A tree; all devices have room in the subnets of their offices. */
  readonly offices: readonly ForecastOffice[];
  readonly sizeBytes: number;
  readonly pieces: number;
  readonly seed: number;
  readonly grain: Grain;
  /** Bytes a second that a device sends and receives in its LAN; with flows alone. */
  readonly lanRate: number;
  /** Where the server is; absent: at the first address of the Central Office. */
  readonly server?: string;
  /** What goes wrong meanwhile; absent: nothing. Only packets show what becomes of it. */
  readonly faults?: Weather;
  /** When the distribution is given up, in simulated seconds; absent: long after its bound. */
  readonly limitS?: number;
};

/** How far a forecast is. */
export type ForecastProgress = {
  /** Devices find the server first; only then anything is deployed. */
  readonly phase: "joining" | "fetching";
  /** In the simulated world, since the phase began. */
  readonly seconds: number;
  /** How many devices are through with it. */
  readonly done: number;
  readonly devices: number;
};

/** How long all devices may take to report to the server before anything is deployed. */
const SETTLING_S = 60;

/** How long after the last device what was counted takes to reach the server. */
const REPORTS_S = 5;

/** A distribution is given up after so many times its bound, and so long. */
const PATIENCE = { times: 10, seconds: 600 } as const;

/** How often it is looked how far everybody is, in simulated time. */
const LOOK_US = 100 * MS;

/** How much of a line's rate its queue holds, in the world of packets. */
const QUEUE_S = 0.1;
const QUEUE_BYTES_MIN = 64_000;

/**
 * Tries a deployment to everybody in a simulated organisation: with the brains that devices and the
 * server have, before anything is sent.
 */
export function forecast(
  setup: ForecastSetup,
  onProgress: (progress: ForecastProgress) => void = () => {},
): Forecast {
  const offices = centralFirst(setup.offices);
  const content = contentOf(setup);
  const bounds = boundsOf(offices, content);
  const boundS = longest(bounds);
  const organisation = new Organisation(setup.seed, simOffices(offices, setup.seed), {
    grain: setup.grain,
    lanRate: setup.lanRate,
    traced: false,
    ...(setup.server === undefined ? {} : { server: setup.server }),
  });
  const run = distribute(organisation, setup, { boundS, onProgress });
  const ledger = organisation.server.coordinator.ledger(run.simPackage.contentId);
  const standings = new Map(ledger.map((standing) => [standing.office, standing]));
  const seconds = Math.max(0, ...[...run.finishedS.values()]);
  const given = { organisation, run, bounds, seconds };
  const forecasts = offices.map((office) => ({
    ...officeForecast(office, offices, given),
    ...linkForecast(office, standings.get(office.name), given),
  }));
  const links = forecasts.flatMap(({ link }) => (link === undefined ? [] : [link]));
  const devices = [...organisation.devices.values()].flat();
  const narrow = bottleneckOf(forecasts, bounds);
  return {
    seed: setup.seed,
    grain: setup.grain,
    sizeBytes: run.simPackage.sizeBytes,
    pieces: setup.pieces,
    devices: devices.length,
    finished: devices.length - run.unfinished.length,
    seconds,
    boundS: rounded(boundS),
    ratio: boundS === 0 ? 1 : rounded(seconds / boundS),
    ...(narrow === undefined ? {} : { bottleneck: narrow }),
    wanBytes: links.reduce((sum, { wanBytes }) => sum + wanBytes, 0),
    savedBytes: links.reduce((sum, { savedBytes }) => sum + savedBytes, 0),
    offices: forecasts,
    unfinished: run.unfinished,
    mishaps: run.mishaps,
  };
}

/** The least time in which everybody can have everything, in seconds. */
export function boundOf(setup: ForecastSetup): number {
  return longest(boundsOf(setup.offices, contentOf(setup)));
}

function longest(bounds: ReadonlyMap<string, OfficeBound>): number {
  return [...bounds.values()].reduce((most, { seconds }) => Math.max(most, seconds), 0);
}

/** The Central Office stands first in simulated organisations. */
function centralFirst(offices: readonly ForecastOffice[]): readonly ForecastOffice[] {
  const central = offices.filter(({ parent }) => parent === undefined);
  invariant(central.length === 1, "a tree has one Central Office");
  return [...central, ...offices.filter(({ parent }) => parent !== undefined)];
}

function contentOf({ sizeBytes, pieces, grain, lanRate }: ForecastSetup): BoundedContent {
  const pieceBytes = Math.ceil(sizeBytes / pieces);
  return { sizeBytes, pieceBytes, lanRate: grain === "flows" ? lanRate : Infinity };
}

function simOffices(offices: readonly ForecastOffice[], seed: number): readonly SimOffice[] {
  const prng = new Prng(seed);
  return offices.map((office) => {
    const { name, parent, type, devices, subnets, lineRate, lineDelayUs } = office;
    const line = {
      delayUs: lineDelayUs,
      rate: lineRate,
      queueBytes: Math.max(QUEUE_BYTES_MIN, lineRate * QUEUE_S),
      lossPercent: 0,
      duplicatePercent: 0,
      jitterUs: 0,
    };
    const machines = inventMachines(prng, { name, type, devices });
    const above = parent === undefined ? {} : { parent, line };
    return { name, type, devices, subnets, machines, ...above };
  });
}

/** A distribution that has come to its end, or was given up. */
type Run = {
  readonly simPackage: SimPackage;
  /** When each device had everything, in seconds since the deployment; the publisher is not in it. */
  readonly finishedS: ReadonlyMap<SimDevice, number>;
  readonly unfinished: readonly UnfinishedDevice[];
  readonly mishaps: readonly Mishap[];
};

function distribute(
  organisation: Organisation,
  { sizeBytes, pieces, limitS, faults = "none", seed, offices }: ForecastSetup,
  given: {
    readonly boundS: number;
    readonly onProgress: (progress: ForecastProgress) => void;
  },
): Run {
  const { world, server } = organisation;
  const devices = [...organisation.devices.values()].flat();
  const joined = teller(organisation, {
    phase: "joining",
    devices: devices.length,
    done: () => server.coordinator.counts().present,
    onProgress: given.onProgress,
  });
  organisation.runUntil(joined, SETTLING_S);
  organisation.runUntil(() => false, 1);
  const finishedS = new Map<SimDevice, number>();
  const pieceBytes = Math.ceil(sizeBytes / pieces);
  const lastBytes = sizeBytes - pieceBytes * (pieces - 1);
  let startedAtUs = world.nowUs;
  // The publisher, which is the first of the Central Office, has everything from the beginning.
  for (const device of devices.slice(1)) {
    device.onFinished = () => finishedS.set(device, (world.nowUs - startedAtUs) / SECOND);
  }
  const simPackage = organisation.deploy({ pieces, pieceBytes, lastBytes });
  startedAtUs = world.nowUs;
  const mishaps = beginStorm(organisation, {
    offices: simOffices(centralFirst(offices), seed),
    simPackage,
    weather: faults,
    seed,
    during: given.boundS,
  });
  const hasIt = ({ store }: SimDevice): boolean => store.isFinished(simPackage.contentId);
  const isDone = teller(organisation, {
    phase: "fetching",
    devices: devices.length,
    // Who loses power may lose what it had: then it has to be looked at again.
    done: () => (faults === "none" ? finishedS.size + 1 : devices.filter(hasIt).length),
    onProgress: given.onProgress,
  });
  organisation.runUntil(isDone, limitS ?? PATIENCE.seconds + PATIENCE.times * given.boundS);
  const late = devices.filter((device) => !hasIt(device));
  const unfinished = late.map((device) => unfinishedDevice(device, simPackage));
  const inTimeS = new Map(finishedS);
  organisation.runUntil(() => false, REPORTS_S);
  return { simPackage, finishedS: inTimeS, unfinished, mishaps };
}

/** Says whether all devices are through with a phase, and tells from time to time how far it is. */
function teller(
  { world }: Organisation,
  given: Pick<ForecastProgress, "phase" | "devices"> & {
    readonly done: () => number;
    readonly onProgress: (progress: ForecastProgress) => void;
  },
): () => boolean {
  const { phase, devices, done, onProgress } = given;
  const startedAtUs = world.nowUs;
  let lookedAtUs = Number.NEGATIVE_INFINITY;
  return () => {
    // To look takes time, and this is asked at every event.
    if (world.nowUs - lookedAtUs < LOOK_US) return false;
    lookedAtUs = world.nowUs;
    const through = done();
    onProgress({ phase, seconds: (world.nowUs - startedAtUs) / SECOND, done: through, devices });
    return through >= devices;
  };
}

function unfinishedDevice(device: SimDevice, { contentId }: SimPackage): UnfinishedDevice {
  const { hostName, host } = device;
  const status = device.status();
  if (status === undefined) return { hostName, host, office: "", why: "it is switched off" };
  const { office } = status;
  const content = status.contents.find((one) => one.contentId === contentId);
  if (!status.serverConnected) return { hostName, host, office, why: "it has no server" };
  if (content === undefined) return { hostName, host, office, why: "it was not told of it" };
  const { piecesHeld, pieces, problem } = content;
  if (pieces === 0) return { hostName, host, office, why: "it finds nobody who serves it" };
  const held = `it has ${piecesHeld} of ${pieces} pieces`;
  return { hostName, host, office, why: problem === "" ? held : `${held}: ${problem}` };
}

type Given = {
  readonly organisation: Organisation;
  readonly run: Run;
  readonly bounds: ReadonlyMap<string, OfficeBound>;
  /** When the last device was done. */
  readonly seconds: number;
};

function officeForecast(
  office: ForecastOffice,
  offices: readonly ForecastOffice[],
  { organisation, run, bounds }: Given,
): OfficeForecast {
  const { name, parent, type, subnets } = office;
  const devices = organisation.office(name);
  const hosts = new Set(devices.map(({ host }) => host));
  const times = devices.flatMap((device) => run.finishedS.get(device) ?? []);
  const rvp = type === "vpn" ? undefined : rvpOf(devices);
  const byName = new Map(offices.map((one) => [one.name, one]));
  let level = 0;
  for (let at = parent; at !== undefined; at = byName.get(at)?.parent) level += 1;
  return {
    office: name,
    ...(parent === undefined ? {} : { parent }),
    type,
    level,
    subnets,
    devices: devices.length,
    finished: devices.length - run.unfinished.filter((late) => hosts.has(late.host)).length,
    ...(rvp === undefined ? {} : { rvp }),
    ...(times.length === 0 ? {} : { firstS: Math.min(...times), lastS: Math.max(...times) }),
    boundS: rounded(bounds.get(name)?.seconds ?? 0),
  };
}

/** Who fetches for an office, as the office itself sees it, and why. */
function rvpOf(devices: readonly SimDevice[]): RvpForecast | undefined {
  const rvp = devices.find((device) => device.status()?.rvp === true);
  if (rvp === undefined) return undefined;
  const { hostName, host, facts } = rvp;
  return { hostName, host, reason: reasonOf(rvp, devices), facts: { ...facts } };
}

function reasonOf(rvp: SimDevice, devices: readonly SimDevice[]): Reason {
  if (devices.length === 1) return "alone";
  const [best, second] = rankCandidates(devices);
  if (best === undefined || second === undefined || best !== rvp) return "incumbent";
  return decidingCriterion(best, second) ?? "deviceId";
}

function linkForecast(
  { name, parent, lineRate, lineDelayUs }: ForecastOffice,
  standing: LedgerStanding | undefined,
  { organisation, run, bounds, seconds }: Given,
): { readonly link?: LinkForecast } {
  if (parent === undefined) return {};
  const { wanBytes = 0, savedBytes = 0 } = standing ?? {};
  const carriedBytes = organisation.carriedInto(name);
  const link = {
    rateBitsPerS: lineRate * 8,
    delayMs: lineDelayUs / MS,
    copies: rounded(wanBytes / run.simPackage.sizeBytes),
    boundCopies: bounds.get(name)?.copies ?? 0,
    wanBytes,
    carriedBytes,
    savedBytes,
    busyShare: seconds === 0 ? 0 : rounded(Math.min(1, carriedBytes / (lineRate * seconds))),
  };
  return { link };
}

/** What is slowest on the way to the office that is done last. */
function bottleneckOf(
  offices: readonly OfficeForecast[],
  bounds: ReadonlyMap<string, OfficeBound>,
): Bottleneck | undefined {
  let last: OfficeForecast | undefined;
  for (const office of offices) if ((office.lastS ?? 0) > (last?.lastS ?? 0)) last = office;
  const narrow: Narrow | undefined = last && bounds.get(last.office)?.narrowest;
  if (last === undefined || narrow === undefined || narrow.seconds === 0) return undefined;
  const { link } = offices.find(({ office }) => office === narrow.office) ?? {};
  const line = narrow.kind === "line" && link !== undefined ? link : undefined;
  return {
    kind: narrow.kind,
    office: narrow.office,
    seconds: rounded(narrow.seconds),
    lastOffice: last.office,
    ...(line === undefined ? {} : { busyShare: line.busyShare }),
  };
}

/** To a millionth: a sum of fractions has more digits than it means. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
