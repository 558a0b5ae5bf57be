import { intactOf } from "./content/compare.ts";
import { faultBench } from "./faults.ts";
import { digits, officeFigures } from "./figures.ts";
import type { NetworkPlan } from "./net/network.ts";
import type { BenchOptions } from "./options.ts";
import { expireCertificate } from "./organisation/certificates.ts";
import type { Distribution } from "./organisation/distribution.ts";
import { type Machine, Organisation } from "./organisation/organisation.ts";
import { waitAtMost } from "./organisation/waiting.ts";
import type { Bench, Stage } from "./stage.ts";
import { beginRandomFile } from "./tree.ts";

/** How long ago the certificates of all devices ended, in seconds: peers accept 14 days. */
const EXPIRED_AGO_S = 13 * 86_400;

/** How long the server may take to learn how things stand once it is back, in milliseconds. */
const RETURN_MS_MAX = 60_000;

const EXPIRED = "expired";

/** What happens to devices while the server is away. Gives whom. */
const FAULTS: ReadonlyMap<string, (organisation: Organisation) => Promise<readonly Machine[]>> =
  new Map([
    ["restart", async (organisation) => await restart(organisation, [organisation.device("a1-2")])],
    [EXPIRED, restartExpired],
  ]);

/** The server is lost for good once it has said what is to be done. */
export const SERVER_LOSS: Bench = faultBench({
  claim: "the server is killed once it has announced a deployment: every office finishes",
  faults: [...FAULTS.keys()],
  run: async (stage, fault) => {
    const organisation = await Organisation.start(stage, plan(stage.options));
    const distribution = await beginRandomFile(stage, organisation);
    const announced = await distribution.until(() => isAnnounced(organisation, distribution));
    await organisation.kill(organisation.server);
    const lostAt = distribution.seconds;
    const before = new Set(distribution.delivered.map(({ name }) => name));
    stage.say(`the server is killed; ${before.size} devices have been handed it`);
    const restarted = (await FAULTS.get(fault)?.(organisation)) ?? [];
    stage.say(`restarted without it: ${restarted.map(({ name }) => name).join(", ")}`);
    const measured = await distribution.finish({ withServer: false });
    const intact = await intactOf(distribution);
    const wanted = organisation.devices.length;
    // Whom the server turns away for its certificate, it learns nothing from.
    const knownSeconds =
      fault === EXPIRED ? undefined : await untilKnown(stage, organisation, distribution);
    const { sizeBytes } = distribution.content;
    // One that was done before would show nothing.
    const restartedEarly = restarted.some(({ name }) => !before.has(name));
    return {
      ok: announced && restartedEarly && intact.length === wanted,
      verified: intact.length,
      wanted,
      seconds: digits(measured.deliveredSeconds, 2),
      serverLostAtSeconds: digits(lostAt, 2),
      restarted: restarted.length,
      serverKnowsAfterSeconds: knownSeconds === undefined ? null : digits(knownSeconds, 1),
      offices: officeFigures(organisation, measured, sizeBytes),
      sizeBytes,
      processorsBusy: digits(measured.processorsBusy, 2),
    };
  },
});

function plan({ rateBitsPerS }: BenchOptions): NetworkPlan {
  const offices = [
    { name: "Central", devices: 2 },
    { name: "A", parent: "Central", devices: 2 },
    { name: "B", parent: "Central", devices: 2 },
    { name: "A1", parent: "A", devices: 2 },
  ];
  return { rateBitsPerS, offices };
}

/** Whether every device has heard of the content. */
async function isAnnounced(
  organisation: Organisation,
  { content }: Distribution,
): Promise<boolean> {
  for (const device of organisation.devices) {
    if ((await organisation.contentOn(device, content.contentId)) === undefined) return false;
  }
  return true;
}

async function restart(
  organisation: Organisation,
  devices: readonly Machine[],
): Promise<readonly Machine[]> {
  await Promise.all(devices.map((device) => organisation.kill(device)));
  await organisation.startAgents(devices);
  return devices;
}

/** Cuts the power of everyone, and has it come back when all certificates have run out. */
async function restartExpired(organisation: Organisation): Promise<readonly Machine[]> {
  const { devices } = organisation;
  await Promise.all(devices.map((device) => organisation.kill(device)));
  for (const device of devices) await expireCertificate(organisation, device, EXPIRED_AGO_S);
  await organisation.startAgents(devices);
  return devices;
}

/** Starts the server again: how long until it knows that all have it; `undefined` where never. */
async function untilKnown(
  stage: Stage,
  organisation: Organisation,
  { deploymentId }: Distribution,
): Promise<number | undefined> {
  const startedMs = performance.now();
  await organisation.startServer();
  const look = async (): Promise<number | undefined> => {
    const { devices } = await organisation.deployment(deploymentId);
    const all = devices.every(({ state }) => state === "complete");
    return all ? (performance.now() - startedMs) / 1000 : undefined;
  };
  return await waitAtMost(look, { signal: stage.signal, patienceMs: RETURN_MS_MAX });
}
