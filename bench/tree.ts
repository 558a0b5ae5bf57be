import { join } from "node:path";
import { intactOf } from "./content/compare.ts";
import { writeRandomFile } from "./content/random-file.ts";
import { digits, officeFigures, useFigures } from "./figures.ts";
import type { NetworkPlan } from "./net/network.ts";
import type { BenchOptions } from "./options.ts";
import { Distribution } from "./organisation/distribution.ts";
import { Organisation } from "./organisation/organisation.ts";
import type { Bench, Stage } from "./stage.ts";

/** What is wanted: the time over the bound, and what crosses a link over the size. */
const RATIO_MAX = 1.1;
const IP_COPIES_MAX = 1.05;
const COPIES_MAX = 1.01;

/** The organisation of the tree: Central (2) -> A (5), B (5); A -> A1 (5). */
export function treePlan({ rateBitsPerS }: BenchOptions): NetworkPlan {
  return {
    rateBitsPerS,
    offices: [
      { name: "Central", devices: 2 },
      { name: "A", parent: "Central", devices: 5 },
      { name: "B", parent: "Central", devices: 5 },
      { name: "A1", parent: "A", devices: 5 },
    ],
  };
}

/** One file to a whole tree of offices, in about the time that one link takes. */
export const TREE: Bench = {
  claim: "one file to 17 devices in four offices, once over each link",
  run: async (stage) => {
    const { options } = stage;
    const organisation = await Organisation.start(stage, treePlan(options));
    const distribution = await beginRandomFile(stage, organisation);
    const measured = await distribution.finish();
    const intact = await intactOf(distribution);
    const boundSeconds = (options.sizeBytes * 8) / options.rateBitsPerS;
    const ratio = measured.seconds / boundSeconds;
    const offices = officeFigures(organisation, measured, options.sizeBytes);
    const whole = intact.length === organisation.devices.length;
    const ok =
      whole &&
      measured.verified === organisation.devices.length &&
      ratio <= RATIO_MAX &&
      offices.every(({ ipCopies, copies }) => ipCopies <= IP_COPIES_MAX && copies <= COPIES_MAX);
    return {
      verified: measured.verified,
      seconds: digits(measured.seconds, 2),
      boundSeconds: digits(boundSeconds, 2),
      ratio: digits(ratio, 3),
      offices,
      ok,
      intact: intact.length,
      sizeBytes: options.sizeBytes,
      rateBitsPerS: options.rateBitsPerS,
      ...useFigures(stage, measured),
    };
  },
};

/** Publishes a file of random bytes and deploys it to all. */
export async function beginRandomFile(
  stage: Stage,
  organisation: Organisation,
): Promise<Distribution> {
  const path = join(stage.folder, "random.bin");
  await writeRandomFile(path, stage.options.sizeBytes);
  const content = { path, name: "random", version: "1" };
  const published = await organisation.publish(content);
  stage.say(`published ${published.sizeBytes} bytes in ${published.pieces} pieces`);
  return await Distribution.begin(stage, organisation, { ...content, ...published });
}
