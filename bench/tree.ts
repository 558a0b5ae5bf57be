import { join } from "node:path";
import { intactOf } from "./content/compare.ts";
import { writeNextVersion, writeProgram } from "./content/program-tree.ts";
import { writeRandomFile } from "./content/random-file.ts";
import { digits, officeFigures, useFigures } from "./figures.ts";
import type { NetworkPlan } from "./net/network.ts";
import type { BenchOptions } from "./options.ts";
import { Distribution } from "./organisation/distribution.ts";
import { Organisation, type Package } from "./organisation/organisation.ts";
import type { Bench, BenchResult, Stage } from "./stage.ts";

/** What is wanted: the time over the bound, and what crosses a link over the size. */
const RATIO_MAX = 1.1;
const IP_COPIES_MAX = 1.05;
const COPIES_MAX = 1.01;

/** How much of a program its next version has anew, and what may cross a link for each byte of it. */
const CHANGED_SHARE = 0.1;
const CHANGED_COPIES_MAX = 1.3;

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
    const organisation = await Organisation.start(stage, treePlan(stage.options));
    if (stage.options.versions) return await showVersions(stage, organisation);
    const { options } = stage;
    const distribution = await beginRandomFile(stage, organisation);
    const shown = await show(stage, organisation, distribution);
    const { offices } = shown;
    const ok =
      shown.whole &&
      shown.ratio <= RATIO_MAX &&
      offices.every(({ ipCopies, copies }) => ipCopies <= IP_COPIES_MAX && copies <= COPIES_MAX);
    const { whole: _, ...figures } = shown;
    return { ...figures, ok, sizeBytes: options.sizeBytes, rateBitsPerS: options.rateBitsPerS };
  },
};

/**
 * Waits until all have it, and says what it took.
 *
 * @param newBytes - What of it the devices have in no other content; by default all.
 */
async function show(
  stage: Stage,
  organisation: Organisation,
  distribution: Distribution,
  newBytes: number = distribution.content.sizeBytes,
) {
  const { sizeBytes } = distribution.content;
  const measured = await distribution.finish();
  const intact = await intactOf(distribution);
  const boundSeconds = (newBytes * 8) / stage.options.rateBitsPerS;
  const { length } = organisation.devices;
  return {
    verified: measured.verified,
    seconds: digits(measured.seconds, 2),
    boundSeconds: digits(boundSeconds, 2),
    ratio: digits(measured.seconds / boundSeconds, 3),
    offices: officeFigures(organisation, measured, sizeBytes),
    whole: intact.length === length && measured.verified === length,
    intact: intact.length,
    ...useFigures(stage, measured),
  };
}

/** A program, then its next version: only what is new crosses the links. */
async function showVersions(stage: Stage, organisation: Organisation): Promise<BenchResult> {
  const { sizeBytes, seed } = stage.options;
  const [first, second] = ["1", "2"].map((name) => join(stage.folder, "program", name));
  if (first === undefined || second === undefined) return { ok: false };
  stage.say(`a program of ${await writeProgram(first, sizeBytes)} bytes`);
  const change = { share: CHANGED_SHARE, seed };
  const changedBytes = await writeNextVersion(first, second, change);
  const program = { name: "program" };
  const before = await begin(stage, organisation, { ...program, path: first, version: "1" });
  const { whole: wholeBefore, ...versionOne } = await show(stage, organisation, before);
  const after = await begin(stage, organisation, { ...program, path: second, version: "2" });
  const { whole, offices, ...figures } = await show(stage, organisation, after, changedBytes);
  const links = offices.map(({ wanIpBytes, ...rest }) => {
    return { ...rest, wanIpBytes, changedCopies: digits(wanIpBytes / changedBytes, 3) };
  });
  const sparing = links.every(({ changedCopies }) => changedCopies <= CHANGED_COPIES_MAX);
  const parts = { changedBytes, changedCopiesMax: CHANGED_COPIES_MAX, offices: links, ...figures };
  return { ok: wholeBefore && whole && sparing, ...parts, versionOne };
}

/** Publishes a file of random bytes and deploys it to all. */
export async function beginRandomFile(
  stage: Stage,
  organisation: Organisation,
): Promise<Distribution> {
  const path = join(stage.folder, "random.bin");
  await writeRandomFile(path, stage.options.sizeBytes);
  return await begin(stage, organisation, { path, name: "random", version: "1" });
}

async function begin(
  stage: Stage,
  organisation: Organisation,
  content: Package,
): Promise<Distribution> {
  const published = await organisation.publish(content);
  stage.say(`published ${published.sizeBytes} bytes in ${published.pieces} pieces`);
  return await Distribution.begin(stage, organisation, { ...content, ...published });
}
