import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ContentId } from "../../src/base/ids.ts";
import { type Control, openControl } from "../../src/cli/parts.ts";
import type { Change } from "../../src/coordinator/state.ts";
import { ServerDatabase } from "../../src/server/database.ts";
import { databasePlace } from "../../src/server/database-place.ts";
import { serverFiles } from "../../src/server/files.ts";
import { initialiseServer } from "../../src/server/initialise.ts";
import type { Stage } from "../stage.ts";
import {
  CENTRAL,
  deviceAt,
  OFFICE_DEVICES,
  officeAt,
  SERVER_HOST,
  SERVER_PORT,
} from "./client-hosts.ts";

const EXECUTABLE = fileURLToPath(new URL("../../bin/branchline.js", import.meta.url));

/** How many rows are written in one transaction. */
const BATCH = 2_000;

/** A content that the server knows and nobody fetches: these devices only listen. */
export const CONTENT: ContentId = "c1".repeat(32) as ContentId;

/** A server process that knows so many devices, in offices of twenty. */
export type CrowdedServer = {
  readonly pid: number;
  readonly authorityFile: string;
  readonly control: Control;
  /** Whether it has not ended. */
  readonly isRunning: () => boolean;
};

/** Makes a server with its devices already enrolled, and starts it. */
export async function startServer(stage: Stage, devices: number): Promise<CrowdedServer> {
  const data = join(stage.folder, "server");
  const database = {};
  await initialiseServer({ data, organisation: "Crowd", database });
  const files = serverFiles(data);
  const opened = await ServerDatabase.open(databasePlace({ database }, files));
  await fill(opened, devices);
  await opened.close();
  const log = openSync(join(stage.folder, "server.log"), "a");
  const settings = [
    `organisation=Crowd`,
    `network.address=${SERVER_HOST}`,
    `network.single_port=${SERVER_PORT}`,
    "api.listen=false",
  ];
  const args = ["server", "run", "--data", data, ...settings.flatMap((one) => ["--set", one])];
  const child = spawn(process.execPath, [EXECUTABLE, ...args, "--exit-with-parent"], {
    stdio: ["pipe", "ignore", log],
  });
  closeSync(log);
  child.stdin?.on("error", () => {});
  const ended = once(child, "close").then(() => {});
  stage.own({ kill: () => child.kill("SIGKILL"), ended });
  const control = await openControl(data);
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return { pid: child.pid ?? 0, authorityFile: files.authority, control, isRunning };
}

async function fill(database: ServerDatabase, devices: number): Promise<void> {
  const officeCount = Math.ceil(devices / OFFICE_DEVICES);
  const offices = [
    CENTRAL,
    ...Array.from({ length: officeCount }, (_, number) => officeAt(number)),
  ];
  const changes: Change[] = [
    { kind: "offices-replace", offices: { generated: false, offices }, officeKeys: new Map() },
    ...Array.from({ length: devices }, (_, index) => deviceRow(index)),
    contentRow(),
  ];
  for (let at = 0; at < changes.length; at += BATCH) {
    await database.apply(changes.slice(at, at + BATCH));
  }
}

function deviceRow(index: number): Change {
  return {
    kind: "device-put",
    device: {
      deviceId: deviceAt(index),
      hostName: `pc-${index}`,
      machineId: `machine-${index}`,
      office: officeAt(Math.floor(index / OFFICE_DEVICES)).name,
      hosts: [],
      seenHost: "",
      portOffset: 0,
      facts: {
        ...{ freeBytes: 0, usableBytes: 0, preferred: false },
        ...{ desktop: true, serverOs: false, uptimeS: 0 },
      },
      attributes: [],
      productVersion: "",
      enrolledAtMs: 0,
      lastSeenAtMs: 0,
    },
  };
}

function contentRow(): Change {
  return {
    kind: "content-add",
    files: [],
    manifest: Uint8Array.of(0),
    content: {
      contentId: CONTENT,
      ...{ name: "nothing", version: "1", type: "application" },
      ...{ sizeBytes: 1_000, pieces: 1, files: 1, publisher: "", publisherName: "", sha256: "" },
      publishedAtMs: 0,
      publishedBy: deviceAt(0),
    },
  };
}
