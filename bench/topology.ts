import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SERVER_ROUTES } from "../src/api/server-routes.ts";
import type { OfficeInput } from "../src/api/server-schemas.ts";
import { Prng } from "../src/base/prng.ts";
import { openControl } from "../src/cli/parts.ts";
import { writeTopologyFile } from "../src/cli/topology-file.ts";
import type { Change } from "../src/coordinator/state.ts";
import { ServerDatabase } from "../src/server/database.ts";
import { serverFiles } from "../src/server/files.ts";
import { deviceRow } from "./organisation/device-rows.ts";
import { processorSeconds } from "./organisation/programs.ts";
import type { Bench, Stage } from "./stage.ts";

/** How many offices the spreadsheet has, each in a row of its own, and how many devices there are. */
const ROWS = 10_000;
const DEVICES = 10_000;

/** What is wanted: the preview and the change that follows it. */
const SECONDS_MAX = 5;

const EXECUTABLE = fileURLToPath(new URL("../bin/branchline.js", import.meta.url));

/** A large spreadsheet is read, judged, compared, put in force and taken back before one loses patience. */
export const TOPOLOGY: Bench = {
  claim: "a workbook of 10,000 offices, with 10,000 devices: preview and import by the real server",
  simulated: true,
  copies: 0,
  devices: DEVICES,
  run: async (stage) => {
    const data = join(stage.folder, "server");
    const address = `127.41.${1 + (process.pid % 250)}.1`;
    mkdirSync(data, { mode: 0o700 });
    writeFileSync(join(data, "server.toml"), `[network]\naddress = "${address}"\n`);
    branchline(["server", "init", "--data", data]);
    await enrolDevices(data, stage.options.devices ?? DEVICES, stage.options.seed);
    const server = await startServer(stage, data);

    const file = join(stage.folder, "offices.xlsx");
    await writeTopologyFile(file, officesOf(ROWS));
    const idleCpuS = processorSeconds(server);
    const seconds = {
      dryRun: timed(() => branchline(["topology", "import", file, "--dry-run", "--data", data])),
      import: timed(() => branchline(["topology", "import", file, "--data", data])),
      undo: timed(() => branchline(["topology", "undo", "--data", data])),
      importAsCsv: 0,
    };
    const csv = join(stage.folder, "offices.csv");
    await writeTopologyFile(csv, officesOf(ROWS));
    seconds.importAsCsv = timed(() => branchline(["topology", "import", csv, "--data", data]));
    const control = await openControl(data);
    const { offices } = await control(SERVER_ROUTES.showTopology);
    const { changes } = await control(SERVER_ROUTES.listTopologyChanges);
    const ok = offices.length === ROWS + 1 && seconds.import <= SECONDS_MAX;
    return {
      ok,
      rows: ROWS,
      devices: stage.options.devices ?? DEVICES,
      moved: changes[0]?.moved ?? 0,
      seconds,
      /** Of the server, for all of these: the wall clock also counts what else the machine does. */
      serverCpuSeconds: Math.round(100 * (processorSeconds(server) - idleCpuS)) / 100,
      secondsWanted: SECONDS_MAX,
    };
  },
};

/** The Central Office, in which the server is, and offices of a /24 each in a tree below it. */
function officesOf(count: number): readonly OfficeInput[] {
  const central = { name: "Central Office", type: "default", subnets: ["127.0.0.0/8"] };
  const others = Array.from({ length: count }, (_, index) => ({
    name: nameOf(index),
    // A hundred regions, each with a hundred offices.
    parent: index < 100 ? central.name : nameOf(index % 100),
    type: index % 10 === 9 ? "wifi" : "default",
    subnets: [`10.${index >> 8}.${index & 255}.0/24`],
    timeZone: "Europe/Berlin",
    wanKbitS: 10_000,
    metered: false,
    description: `Office number ${index}`,
  }));
  return [central, ...others];
}

const nameOf = (index: number): string => `Office ${String(index).padStart(5, "0")}`;

/** Writes devices into the database, as if they had enrolled: nobody waits for so many. */
async function enrolDevices(data: string, count: number, seed: number): Promise<void> {
  const path = serverFiles(data).database;
  const database = await ServerDatabase.open({ kind: "sqlite", path });
  const prng = new Prng(seed);
  const puts = Array.from({ length: count }, (_, index): Change => {
    const host = `10.${(index % ROWS) >> 8}.${index & 255}.${1 + prng.below(250)}`;
    return { kind: "device-put", device: deviceRow(index, host) };
  });
  await database.apply(puts);
  await database.close();
}

async function startServer(stage: Stage, data: string): Promise<number> {
  const child = spawn(process.execPath, [EXECUTABLE, "server", "run", "--data", data], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, BRANCHLINE_SERVER_LOG_LEVEL: "error" },
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  stage.own({ kill: () => child.kill("SIGKILL"), ended });
  const socket = serverFiles(data).controlSocket;
  while (!existsSync(socket) && child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return child.pid ?? 0;
}

function branchline(args: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [EXECUTABLE, ...args, "--json"], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (status !== 0) throw new Error(`branchline ${args.join(" ")}: ${stderr}`);
}

/** Seconds that something takes, with two places. */
function timed(act: () => void): number {
  const startedMs = performance.now();
  act();
  return Math.round((performance.now() - startedMs) / 10) / 100;
}
