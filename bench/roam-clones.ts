import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { intactOf } from "./content/compare.ts";
import { digits } from "./figures.ts";
import type { Distribution } from "./organisation/distribution.ts";
import { type Machine, Organisation, type Peculiarities } from "./organisation/organisation.ts";
import { waitFor } from "./organisation/waiting.ts";
import type { BenchResult, Stage } from "./stage.ts";
import { beginRandomFile } from "./tree.ts";

/** Copies of a disk in machines that have names of their own, and in such as have all the same. */
const NAMED = "cloned";
const NAMELESS = "cloned-image";

/** The ways in which a disk is cloned here. */
export const CLONES: readonly string[] = [NAMED, NAMELESS];

/** The device whose disk is copied, and the one that gets the copy. */
const ORIGINAL = "a-1";
const COPY = "a-2";

/** How long the two may take to get identities of their own, in milliseconds. */
const PATIENCE_MS = 90_000;

/** The disk of one device is copied to another before either has started. */
export async function runClones(stage: Stage, fault: string): Promise<BenchResult> {
  const offices = [
    { name: "Central", devices: 1 },
    { name: "A", parent: "Central", devices: 3 },
  ];
  const plan = { rateBitsPerS: stage.options.rateBitsPerS, offices };
  let former = "";
  let startedMs = 0;
  const organisation = await Organisation.start(stage, plan, machineIds(fault), {
    enrolled: async (enrolled) => {
      former = enrolled.device(ORIGINAL).deviceId;
      await copyDisk(enrolled.device(ORIGINAL), enrolled.device(COPY));
      startedMs = performance.now();
    },
  });
  const clones = [ORIGINAL, COPY].map((name) => organisation.device(name));
  await identified(stage, organisation, { clones, former });
  const ownSeconds = (performance.now() - startedMs) / 1000;
  stage.say(`the clones have identities of their own after ${ownSeconds.toFixed(1)} s`);
  const distribution = await beginRandomFile(stage, organisation);
  const measured = await distribution.finish();
  const intact = await intactOf(distribution);
  const wanted = organisation.devices.length;
  const complete = await completeBy(organisation, distribution);
  const known = clones.every(({ deviceId }) => complete.has(deviceId));
  return {
    ok: intact.length === wanted && known && !complete.has(former),
    verified: intact.length,
    wanted,
    seconds: digits(measured.seconds, 2),
    ownIdentitySeconds: digits(ownSeconds, 1),
    identities: new Set(organisation.devices.map(({ deviceId }) => deviceId)).size,
    formerIdentityInUse: complete.has(former),
    sizeBytes: distribution.content.sizeBytes,
    processorsBusy: digits(measured.processorsBusy, 2),
  };
}

function machineIds(fault: string): Peculiarities {
  return Object.fromEntries(
    [ORIGINAL, COPY].map((name) => {
      const machineId = fault === NAMED ? `machine-of-${name}` : "machine-of-the-image";
      return [name, { settings: { machine_id: machineId } }];
    }),
  );
}

/** Copies all that a device has, but for what names its machine. */
async function copyDisk(from: Machine, to: Machine): Promise<void> {
  const settings = join(to.data, "agent.toml");
  const own = await readFile(settings);
  await rm(to.data, { recursive: true });
  await cp(from.data, to.data, { recursive: true });
  await writeFile(settings, own);
}

/** Waits until each of these has an identity that is neither the other's nor the old one. */
async function identified(
  stage: Stage,
  organisation: Organisation,
  { clones, former }: { readonly clones: readonly Machine[]; readonly former: string },
): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    organisation.check();
    for (const clone of clones) {
      const { deviceId, server, office } = await organisation.status(clone);
      if (deviceId === former || !server.connected || office !== clone.office) return undefined;
      clone.deviceId = deviceId;
    }
    return new Set(clones.map(({ deviceId }) => deviceId)).size === clones.length || undefined;
  };
  const patience = { signal: stage.signal, patienceMs: PATIENCE_MS };
  await waitFor("the clones to have identities of their own", look, patience);
}

/** The devices of which the server knows that they have all. */
async function completeBy(
  organisation: Organisation,
  { deploymentId }: Distribution,
): Promise<ReadonlySet<string>> {
  const { devices } = await organisation.deployment(deploymentId);
  const complete = devices.filter(({ state }) => state === "complete");
  return new Set(complete.map(({ deviceId }) => deviceId));
}
