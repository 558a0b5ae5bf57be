import { intactOf } from "./content/compare.ts";
import { faultBench } from "./faults.ts";
import { digits, officeFigures } from "./figures.ts";
import { Arrivals } from "./net/arrivals.ts";
import { cutUplinkOf, slowHost } from "./net/faults.ts";
import type { NetworkPlan } from "./net/network.ts";
import type { BenchOptions } from "./options.ts";
import type { Distribution } from "./organisation/distribution.ts";
import { type Machine, Organisation } from "./organisation/organisation.ts";
import type { Bench, BenchResult } from "./stage.ts";
import { beginRandomFile } from "./tree.ts";

/** How far the office is when its rendezvous point is lost. */
const LOST_AT = 0.8;

/** What is wanted: until the successor brings pieces, in seconds, and what crosses the link. */
const DEAD_S_MAX = 3;
const USELESS_S_MAX = 15;
const IP_COPIES_MAX = 1.07;

/** How long a successor is waited for. */
const PATIENCE_S = 60;

/** What "slowed" leaves of a computer's network. */
const SLOW_BYTES_PER_S = 1;

/** What happens to the rendezvous point of A. */
const FAULTS: ReadonlyMap<string, (victim: Machine) => unknown> = new Map<
  string,
  (victim: Machine) => unknown
>([
  ["killed", ({ program }) => program?.kill()],
  ["stopped", ({ program }) => program?.stop()],
  ["slowed", ({ host }) => slowHost(host, SLOW_BYTES_PER_S)],
  ["uplink-cut", ({ host }) => cutUplinkOf(host)],
]);

/** An office loses the one device that fetches for it. */
export const RVP_LOSS: Bench = faultBench({
  claim: "an office's RVP is lost at 80 %: another goes on in 3 s if it is dead, 15 s if useless",
  faults: [...FAULTS.keys()],
  run: async (stage, fault) => {
    const organisation = await Organisation.start(stage, plan(stage.options));
    const { network } = organisation;
    const arrivals = await Arrivals.at(network.office("A"), network);
    const distribution = await beginRandomFile(stage, organisation);
    const victim = await rvpAt(organisation, distribution);
    if (victim === undefined) return { ok: false, why: "A had no RVP before it was done" };
    const lostAt = distribution.seconds;
    stage.say(`${victim.name} fetches for A, and is ${fault}`);
    organisation.mayEnd.add(victim.name);
    distribution.excused.add(victim.name);
    await FAULTS.get(fault)?.(victim);
    const wait = { patienceMs: PATIENCE_S * 1000, except: victim.name };
    const successor = await arrivals.next(stage, wait);
    stage.say(`${successor?.device ?? "nobody"} goes on after ${successor?.seconds.toFixed(1)} s`);
    return await conclude({ organisation, distribution, fault, lostAt, successor });
  },
});

function plan({ rateBitsPerS }: BenchOptions): NetworkPlan {
  const offices = [
    { name: "Central", devices: 2 },
    { name: "A", parent: "Central", devices: 4 },
  ];
  return { rateBitsPerS, offices };
}

/** The device that fetches for A, once it has so much; `undefined` where A was done before. */
async function rvpAt(
  organisation: Organisation,
  distribution: Distribution,
): Promise<Machine | undefined> {
  let found: Machine | undefined;
  await distribution.until(async () => {
    for (const device of organisation.devicesOf("A")) {
      const { contentId, sizeBytes } = distribution.content;
      const status = await organisation.status(device);
      const content = status.contents.find((other) => other.contentId === contentId);
      if (!status.rvp || content === undefined || content.wanInBytes === 0) continue;
      if (content.heldBytes >= LOST_AT * sizeBytes) found = device;
      return found !== undefined;
    }
    return false;
  });
  if (found === undefined || distribution.delivered.some(({ office }) => office === "A")) return;
  return found;
}

async function conclude(parts: {
  readonly organisation: Organisation;
  readonly distribution: Distribution;
  readonly fault: string;
  readonly lostAt: number;
  readonly successor: { readonly device: string; readonly seconds: number } | undefined;
}): Promise<BenchResult> {
  const { organisation, distribution, fault, successor } = parts;
  const measured = await distribution.finish();
  const { sizeBytes } = distribution.content;
  const [a] = officeFigures(organisation, measured, sizeBytes);
  // What the lost one has brought, only its own count knows.
  const { copies: _, ...link } = a ?? { copies: 0 };
  const secondsMax = fault === "killed" ? DEAD_S_MAX : USELESS_S_MAX;
  const intact = (await intactOf(distribution)).filter(
    ({ name }) => !distribution.excused.has(name),
  );
  const wanted = organisation.devices.length - distribution.excused.size;
  const ok =
    successor !== undefined &&
    successor.seconds <= secondsMax &&
    intact.length === wanted &&
    (a?.ipCopies ?? Number.POSITIVE_INFINITY) <= IP_COPIES_MAX;
  return {
    ok,
    successorSeconds: successor === undefined ? null : digits(successor.seconds, 2),
    secondsMax,
    verified: intact.length,
    wanted,
    seconds: digits(measured.seconds, 2),
    lostAtSeconds: digits(parts.lostAt, 2),
    successor: successor?.device ?? "",
    ...link,
    sizeBytes,
    processorsBusy: digits(measured.processorsBusy, 2),
  };
}
