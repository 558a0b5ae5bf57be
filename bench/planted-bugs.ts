import { spawn } from "node:child_process";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OperatorError } from "../src/runtime/operator-error.ts";
import { digits } from "./figures.ts";
import { type Edit, PLANTED_BUGS, type PlantedBug } from "./planted/bugs.ts";
import type { Bench, Stage } from "./stage.ts";

const PROJECT = fileURLToPath(new URL("..", import.meta.url));

/** What a copy of the product has: all that runs, and nothing that checks. */
const COPIED = ["src", "bin", "package.json"];

/** For how many worlds a bug may stay unseen: so many are run in a minute of one processor. */
const WORLDS = 90;

/** What the self-test says of a copy. */
type Verdict = {
  readonly worlds: number;
  readonly seconds: number;
  readonly failed?: {
    readonly seed: number;
    readonly violations: readonly { readonly checker: string; readonly sentence: string }[];
  };
};

/** Whether the self-test would notice: mistakes are planted in copies of the product, one in each. */
export const PLANTED_BUGS_BENCH: Bench = {
  claim: "the self-test finds each of the mistakes that are planted in copies of the product",
  rows: PLANTED_BUGS.map(({ name }) => name),
  simulated: true,
  copies: 0,
  run: async (stage) => {
    const { only } = stage.options;
    const startedMs = performance.now();
    const clean = only === "" ? await selftest(stage, "clean", []) : undefined;
    if (clean !== undefined) stage.say(`without a mistake: ${saying(clean)}`);
    const bugs = PLANTED_BUGS.filter(({ name }) => only === "" || name === only);
    const found = [];
    for (const [index, bug] of bugs.entries()) {
      const verdict = await selftest(stage, `bug-${index}`, [bug]);
      stage.say(`${bug.name}: ${saying(verdict)}`);
      const { failed } = verdict;
      found.push({
        bug: bug.name,
        seen: failed !== undefined,
        checker: failed?.violations[0]?.checker ?? null,
        seed: failed?.seed ?? null,
        worlds: verdict.worlds,
        seconds: digits(verdict.seconds, 1),
      });
    }
    return {
      ok: clean?.failed === undefined && found.every(({ seen }) => seen),
      seconds: digits((performance.now() - startedMs) / 1000, 1),
      planted: found.length,
      seen: found.filter(({ seen }) => seen).length,
      cleanWorlds: clean?.worlds ?? null,
      found,
    };
  },
};

/** Runs the self-test of a copy that has these mistakes. */
async function selftest(stage: Stage, name: string, bugs: readonly PlantedBug[]): Promise<Verdict> {
  const folder = join(stage.folder, name);
  await mkdir(folder);
  for (const part of COPIED) await cp(join(PROJECT, part), join(folder, part), { recursive: true });
  await symlink(join(PROJECT, "node_modules"), join(folder, "node_modules"));
  for (const bug of bugs) {
    await plant(folder, bug.name, bug);
    if (bug.also !== undefined) await plant(folder, bug.name, bug.also);
  }
  const args = ["selftest", "--seed", String(stage.options.seed), "--worlds", String(WORLDS)];
  return await run(stage, folder, [...args, "--json"]);
}

/** @throws OperatorError where the place that is to be changed is not there once. */
async function plant(folder: string, name: string, { file, right, wrong }: Edit): Promise<void> {
  const path = join(folder, file);
  const text = await readFile(path, "utf8");
  if (text.split(right).length !== 2) {
    throw new OperatorError(
      "bench-planted",
      `"${name}" cannot be planted: ${file} has not exactly one place that reads ${right.trim()}. ` +
        "Say the place anew in bench/planted/bugs.ts.",
    );
  }
  await writeFile(
    path,
    text.replace(right, () => wrong),
  );
}

async function run(stage: Stage, folder: string, args: readonly string[]): Promise<Verdict> {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [join(folder, "bin", "branchline.js"), ...args], {
    cwd: folder,
    env: { PATH, HOME: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  stage.own({ kill: () => child.kill(), ended });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  await ended;
  const line = stdout.trim().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(stdout) as Verdict;
  } catch {
    const said = [line, stderr.trim()].join(" ").slice(-1_000);
    throw new OperatorError("bench-planted", `The self-test in ${folder} ended with: ${said}`);
  }
}

function saying({ failed, worlds, seconds }: Verdict): string {
  if (failed === undefined) return `nothing seen in ${worlds} worlds`;
  const [first] = failed.violations;
  const where = `seed ${failed.seed}, ${seconds.toFixed(1)} s`;
  return `seen by ${first?.checker} (${where}): ${first?.sentence.split("\n")[0]}`;
}
