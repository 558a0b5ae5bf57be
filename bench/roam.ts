import { MIB } from "../src/base/units.ts";
import { intactOf } from "./content/compare.ts";
import { faultBench } from "./faults.ts";
import { digits, officeFigures } from "./figures.ts";
import { addIpv6, ipv6Subnet, SERVER_IPV6 } from "./net/ipv6.ts";
import type { NetworkPlan } from "./net/network.ts";
import { moveHost, Translation } from "./net/roaming.ts";
import type { Distribution, Measured } from "./organisation/distribution.ts";
import { Growth, heldBy } from "./organisation/growth.ts";
import { LogMark } from "./organisation/log-mark.ts";
import { type Machine, Organisation } from "./organisation/organisation.ts";
import { officeOf } from "./organisation/standing.ts";
import { CLONES, runClones } from "./roam-clones.ts";
import type { Bench, BenchResult, Stage } from "./stage.ts";
import { beginRandomFile } from "./tree.ts";

/** How far a device is when it moves, and when what hides it changes. */
const MOVED_AT = 0.4;
const PORTS_AT = 0.25;
const ADDRESS_AT = 0.6;

/** What is wanted: what may be fetched again, and how long nothing may come. */
const AGAIN_BYTES_MAX = 2 * MIB;
const STALL_S_MAX = 10;

/** What may cross the link of an office whose packets have the longer headers of IPv6. */
const IP_COPIES_MAX = 1.1;

/** The one port that all programs use in the single-port mode. */
const SINGLE_PORT = 34_400;

/** Each change, and how it is shown. */
const CHANGES: ReadonlyMap<string, (stage: Stage) => Promise<BenchResult>> = new Map([
  ["moved", runMoved],
  ["rebound", (stage) => runRebound(stage, {})],
  ["rebound-one-port", (stage) => runRebound(stage, { single_port: SINGLE_PORT })],
  ["ipv6", runIpv6],
]);

/** Devices whose addresses are not what they were, or not what others have. */
export const ROAM: Bench = {
  sizeText: "32MiB",
  ...faultBench({
    claim: "a device moves, a NAT changes, an office has only IPv6, a disk was cloned: all go on",
    faults: [...CHANGES.keys(), ...CLONES],
    run: async (stage, fault) => {
      const change = CHANGES.get(fault);
      return change === undefined ? await runClones(stage, fault) : await change(stage);
    },
  }),
};

/** A device is unplugged in A in the middle of everything, and plugged in in B. */
async function runMoved(stage: Stage): Promise<BenchResult> {
  const organisation = await Organisation.start(
    stage,
    plan(stage, [
      ["A", 3],
      ["B", 2],
    ]),
  );
  const distribution = await beginRandomFile(stage, organisation);
  const device = organisation.device("a-3");
  const movedAt = await untilShare(organisation, distribution, { device, share: MOVED_AT });
  const { growth, over } = Growth.watch(stage, { organisation, distribution, device });
  const host = await moveHost(device.host, organisation.network.office("B"));
  stage.say(`${device.name} is unplugged at ${percent(movedAt)}, and has ${host.address} now`);
  const measured = await distribution.finish();
  await over;
  const { receivedBytes } = await heldBy(organisation, distribution, device);
  const againBytes = receivedBytes - distribution.content.sizeBytes;
  const office = await officeOf(organisation, device);
  const common = await conclude(organisation, distribution, measured);
  const { stallSeconds } = growth;
  return {
    ...common,
    ok:
      common.ok &&
      movedAt < 1 &&
      office === "B" &&
      againBytes <= AGAIN_BYTES_MAX &&
      stallSeconds <= STALL_S_MAX,
    movedAtShare: digits(movedAt, 2),
    office,
    againBytes,
    againBytesMax: AGAIN_BYTES_MAX,
    stallSeconds: digits(stallSeconds, 1),
    stallSecondsMax: STALL_S_MAX,
  };
}

/** The router that hides A takes other ports, and then another address, in mid-transfer. */
async function runRebound(
  stage: Stage,
  ports: { readonly single_port?: number },
): Promise<BenchResult> {
  let translation: Translation | undefined;
  const settings = { network: ports, server: ports, log: { level: "debug" } };
  const offices = plan(stage, [["A", 2]]);
  const names = ["central-1", "a-1", "a-2"];
  const peculiarities = Object.fromEntries(names.map((name) => [name, { settings }]));
  const organisation = await Organisation.start(stage, offices, peculiarities, {
    server: { network: ports },
    subnets: ({ name }) => (name === "A" ? Translation.subnets : []),
    network: async (network) => {
      translation = await Translation.begin(network.link("A"));
    },
  });
  const distribution = await beginRandomFile(stage, organisation);
  const device = await fetcherOf(organisation, distribution, "A");
  if (device === undefined || translation === undefined) return { ok: false, why: "no RVP in A" };
  const log = LogMark.at(stage, device);
  const before = await untilShare(organisation, distribution, { device, share: PORTS_AT });
  const { growth, over } = Growth.watch(stage, { organisation, distribution, device });
  await translation.changePorts();
  stage.say(`${device.name}: its router takes other ports at ${percent(before)}`);
  const then = await untilShare(organisation, distribution, { device, share: ADDRESS_AT });
  const underNewPorts = await translation.packets();
  await translation.changeAddress();
  stage.say(`${device.name}: its router takes another address at ${percent(then)}`);
  const measured = await distribution.finish();
  await over;
  const underNewAddress = await translation.packets();
  const lost = log.count(["peer-lost", "server-lost"]);
  const { receivedBytes } = await heldBy(organisation, distribution, device);
  const againBytes = receivedBytes - distribution.content.sizeBytes;
  const common = await conclude(organisation, distribution, measured);
  const { stallSeconds } = growth;
  return {
    ...common,
    ok:
      common.ok &&
      then < 1 &&
      underNewPorts > 0 &&
      underNewAddress > 0 &&
      lost === 0 &&
      againBytes <= AGAIN_BYTES_MAX &&
      stallSeconds <= STALL_S_MAX,
    changedAtShares: [digits(before, 2), digits(then, 2)],
    packetsOut: [underNewPorts, underNewAddress],
    associationsLost: lost,
    againBytes,
    againBytesMax: AGAIN_BYTES_MAX,
    stallSeconds: digits(stallSeconds, 1),
    stallSecondsMax: STALL_S_MAX,
  };
}

/** The computers of A have IPv6 and nothing else; those of the Central Office have both. */
async function runIpv6(stage: Stage): Promise<BenchResult> {
  const offices = plan(stage, [["A", 3]]);
  const names = ["a-1", "a-2", "a-3"];
  const settings = { server: { host: SERVER_IPV6 } };
  const peculiarities = Object.fromEntries(names.map((name) => [name, { settings }]));
  const organisation = await Organisation.start(stage, offices, peculiarities, {
    network: async (network) => await addIpv6(network, "A"),
    subnets: ({ name }) => [ipv6Subnet(offices, name)],
  });
  const distribution = await beginRandomFile(stage, organisation);
  const measured = await distribution.finish();
  const common = await conclude(organisation, distribution, measured);
  const hosts: string[] = [];
  for (const device of organisation.devicesOf("A")) {
    const { peers } = await organisation.status(device);
    hosts.push(...peers.filter(({ connected }) => connected).map(({ address }) => address));
  }
  const ipv6Links = hosts.filter((host) => host.includes(":")).length;
  const [a] = officeFigures(organisation, measured, distribution.content.sizeBytes);
  return {
    ...common,
    ok:
      common.ok &&
      ipv6Links > 0 &&
      ipv6Links === hosts.length &&
      (a?.ipCopies ?? Number.POSITIVE_INFINITY) <= IP_COPIES_MAX,
    ipv6Links,
    ipv4Links: hosts.length - ipv6Links,
    ipCopiesMax: IP_COPIES_MAX,
  };
}

function plan(
  { options: { rateBitsPerS } }: Stage,
  offices: readonly (readonly [name: string, devices: number])[],
): NetworkPlan {
  const below = offices.map(([name, devices]) => ({ name, parent: "Central", devices }));
  return { rateBitsPerS, offices: [{ name: "Central", devices: 1 }, ...below] };
}

/** Waits until a device holds so much. Gives how much it is then. */
async function untilShare(
  organisation: Organisation,
  distribution: Distribution,
  { device, share }: { readonly device: Machine; readonly share: number },
): Promise<number> {
  let held = 0;
  await distribution.until(async () => {
    const { heldBytes } = await heldBy(organisation, distribution, device);
    held = heldBytes / distribution.content.sizeBytes;
    return held >= share;
  });
  return held;
}

/** The device of an office that fetches over its link, once one does. */
async function fetcherOf(
  organisation: Organisation,
  distribution: Distribution,
  office: string,
): Promise<Machine | undefined> {
  let found: Machine | undefined;
  await distribution.until(async () => {
    for (const device of organisation.devicesOf(office)) {
      const content = await organisation.contentOn(device, distribution.content.contentId);
      if ((content?.wanInBytes ?? 0) > 0) found = device;
    }
    return found !== undefined;
  });
  return found;
}

async function conclude(
  organisation: Organisation,
  distribution: Distribution,
  measured: Measured,
): Promise<BenchResult> {
  const intact = await intactOf(distribution);
  const wanted = organisation.devices.length;
  const { sizeBytes } = distribution.content;
  return {
    ok: intact.length === wanted && measured.verified === wanted,
    verified: intact.length,
    wanted,
    seconds: digits(measured.seconds, 2),
    // By device, not by office: `copies` would count a moved device where it began.
    offices: officeFigures(organisation, measured, sizeBytes).map(({ copies: _, ...rest }) => rest),
    sizeBytes,
    processorsBusy: digits(measured.processorsBusy, 2),
  };
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
