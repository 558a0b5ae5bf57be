import { Prng } from "../src/base/prng.ts";
import { FUZZ_TARGETS, type FuzzTarget, mutated } from "../src/branchcache/test-fuzz.ts";
import { digits } from "./figures.ts";
import type { Bench, Stage } from "./stage.ts";

/** How many mutated messages each decoder gets. */
const MUTATIONS = 1_000_000;

/** How long one message of a few kilobytes may take at most, whatever else the machine does. */
const SLOWEST_MS_MAX = 500;

/** Whatever anybody sends is read or refused. */
export const BRANCHCACHE_FUZZ: Bench = {
  claim: "decoders of BranchCache: a million mutated messages each",
  rows: FUZZ_TARGETS.map(({ name }) => name),
  simulated: true,
  copies: 0,
  run: (stage) => {
    const { only } = stage.options;
    const rows = FUZZ_TARGETS.filter(({ name }) => only === "" || only === name).map((target) =>
      fuzz(stage, target),
    );
    return { ok: rows.every(({ ok }) => ok), mutations: MUTATIONS, rows };
  },
};

function fuzz(stage: Stage, target: FuzzTarget) {
  const prng = new Prng(stage.options.seed);
  const startedMs = performance.now();
  let accepted = 0;
  let slowestMs = 0;
  const problems: string[] = [];
  for (let count = 0; count < MUTATIONS; count += 1) {
    const bytes = mutated(prng, target.samples);
    const beforeMs = performance.now();
    const problem = problemOf(target, bytes, () => {
      accepted += 1;
    });
    slowestMs = Math.max(slowestMs, performance.now() - beforeMs);
    if (problem !== undefined) problems.push(problem);
    if (problems.length > 10) break;
  }
  const row = {
    name: target.name,
    ok: problems.length === 0 && slowestMs <= SLOWEST_MS_MAX,
    accepted,
    slowestMs: digits(slowestMs, 1),
    seconds: digits((performance.now() - startedMs) / 1_000, 1),
    memoryBytes: process.memoryUsage().rss,
    problems,
  };
  stage.say(JSON.stringify(row));
  return row;
}

/** What is wrong with how a message was taken: also that something was thrown. */
function problemOf(
  target: FuzzTarget,
  bytes: Uint8Array,
  onAccepted: () => void,
): string | undefined {
  try {
    const { accepted, problem } = target.check(bytes);
    if (accepted) onAccepted();
    return problem === undefined ? undefined : `${problem}: ${Buffer.from(bytes).toString("hex")}`;
  } catch (error) {
    return `${String(error)}: ${Buffer.from(bytes).toString("hex")}`;
  }
}
