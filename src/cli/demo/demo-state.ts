import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OperatorError } from "../../runtime/operator-error.ts";
import type { DemoPlan } from "./plan.ts";

/** What a demonstration remembers from one run to the next, besides what its programs keep. */
export type DemoState = {
  readonly serverReady: boolean;
  /** Device ids of enrolled agents, by agent name. */
  readonly deviceIds: Readonly<Record<string, string>>;
  /** What was published last, and from what. */
  readonly published?: {
    readonly source: string;
    readonly contentId: string;
    readonly deploymentId?: string;
  };
};

/** The state of a demonstration that has never run. */
export const NO_STATE: DemoState = { serverReady: false, deviceIds: {} };

/** Reads what an earlier run has left; `undefined` where there was none. */
export async function readDemoState(plan: DemoPlan): Promise<DemoState | undefined> {
  const file = stateFile(plan.folder);
  try {
    return { ...NO_STATE, ...(JSON.parse(await readFile(file, "utf8")) as Partial<DemoState>) };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new OperatorError(
      "demo-state",
      `${file} cannot be used: ${(cause as Error).message}. Start anew with --fresh.`,
      { cause },
    );
  }
}

/**
 * Makes the demonstration's folder, and marks it as one.
 *
 * @throws OperatorError `demo-folder` where it holds what is not a demonstration's: parts of it
 * might be overwritten.
 */
export async function claimFolder(plan: DemoPlan): Promise<void> {
  await mkdir(plan.folder, { recursive: true, mode: 0o700 });
  if (existsSync(stateFile(plan.folder))) return;
  if ((await readdir(plan.folder)).length > 0) {
    throw new OperatorError(
      "demo-folder",
      `${plan.folder} is not empty and holds no demonstration. Name an empty or new folder with --data.`,
    );
  }
  await writeDemoState(plan, NO_STATE);
}

/** Keeps the state for the next run. */
export async function writeDemoState(plan: DemoPlan, state: DemoState): Promise<void> {
  const file = stateFile(plan.folder);
  await writeFile(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
  await rename(`${file}.new`, file);
}

/**
 * Removes everything that earlier runs have left, and nothing from a folder that is not a
 * demonstration's.
 */
export async function removeDemoState(plan: DemoPlan): Promise<void> {
  if (!existsSync(stateFile(plan.folder))) return;
  const folders = [
    ...plan.agents.map(({ data }) => data),
    plan.server.data,
    plan.work,
    plan.logs,
    join(plan.publisher, ".."),
    stateFile(plan.folder),
  ];
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
}

function stateFile(folder: string): string {
  return join(folder, "demo.json");
}
