import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { SERVER_ROUTES } from "../../src/api/server-routes.ts";
import type { ContentId } from "../../src/base/ids.ts";
import { MIB } from "../../src/base/units.ts";
import { pause } from "../../src/cli/interruption.ts";
import { type Control, openControl, openRemote } from "../../src/cli/parts.ts";
import type { Change } from "../../src/coordinator/state.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";
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

/** How many contents the server knows, of which there is nothing but what devices say. */
const CONTENTS = 64;

/** One of them. */
export function contentAt(number: number): ContentId {
  return `c${number.toString(16).padStart(63, "0")}` as ContentId;
}

/** Settings of the server: where it is, and its API. */
const SETTINGS = [
  "organisation=Crowd",
  `network.address=${SERVER_HOST}`,
  `network.single_port=${SERVER_PORT}`,
];

/** A server that knows so many devices, in offices of twenty, as a process that can be killed. */
export class CrowdedServer {
  readonly authorityFile: string;
  /** Its API, over TLS, as a token of its own sees it. */
  readonly api: Control;
  readonly database: string;
  readonly #stage: Stage;
  readonly #data: string;
  #child: ChildProcess;

  /** Makes one with its devices already enrolled, and starts it. */
  static async start(stage: Stage, devices: number): Promise<CrowdedServer> {
    const data = join(stage.folder, "server");
    const files = serverFiles(data);
    const { fingerprint } = await initialiseServer({ data, organisation: "Crowd", database: {} });
    const opened = await ServerDatabase.open(databasePlace({ database: {} }, files));
    await fill(opened, devices);
    await opened.close();
    const child = startProcess(stage, data);
    const api = await firstAccess(stage, data, fingerprint);
    return new CrowdedServer({ stage, data, child, api });
  }

  private constructor(
    made: Readonly<{ stage: Stage; data: string; child: ChildProcess; api: Control }>,
  ) {
    this.#stage = made.stage;
    this.#data = made.data;
    this.#child = made.child;
    this.api = made.api;
    const files = serverFiles(made.data);
    this.authorityFile = files.authority;
    this.database = files.database;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Whether it has not ended. */
  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Kills it, and waits for its end. */
  async kill(): Promise<void> {
    const ended = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await ended;
  }

  /** What its database says of itself that is not as it should be. The server must be stopped. */
  integrityFaults(): readonly string[] {
    const database = new DatabaseSync(this.database, { readOnly: true });
    try {
      const rows = database.prepare("PRAGMA integrity_check").all();
      return rows.map((row) => String(Object.values(row)[0])).filter((text) => text !== "ok");
    } finally {
      database.close();
    }
  }

  /** Starts it again. */
  restart(): void {
    this.#child = startProcess(this.#stage, this.#data);
  }
}

function startProcess(stage: Stage, data: string): ChildProcess {
  const log = openSync(join(stage.folder, "server.log"), "a");
  const args = ["server", "run", "--data", data, ...SETTINGS.flatMap((one) => ["--set", one])];
  const child = spawn(process.execPath, [EXECUTABLE, ...args, "--exit-with-parent"], {
    stdio: ["pipe", "ignore", log],
  });
  closeSync(log);
  child.stdin?.on("error", () => {});
  stage.own({ kill: () => child.kill("SIGKILL"), ended: once(child, "close").then(() => {}) });
  return child;
}

/** Its API, with a token, as soon as it can be asked. */
async function firstAccess(stage: Stage, data: string, fingerprint: string): Promise<Control> {
  const url = new URL(`https://${SERVER_HOST}:8443`);
  for (let token: string | undefined; ; ) {
    try {
      const control = await openControl(data);
      token ??= (await control(SERVER_ROUTES.createToken, { body: { name: "bench" } })).token;
      return await openRemote({ url, token, trust: { fingerprint } });
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      await pause(200, stage.signal);
    }
  }
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
    ...Array.from({ length: CONTENTS }, (_, number) => contentRow(contentAt(number))),
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

function contentRow(contentId: ContentId): Change {
  return {
    kind: "content-add",
    files: [],
    manifest: Uint8Array.of(0),
    content: {
      contentId,
      ...{ name: "tool", version: contentId.slice(-2), type: "application" },
      ...{
        sizeBytes: 64 * MIB,
        pieces: 64,
        files: 1,
        publisher: "",
        publisherName: "",
        sha256: "",
      },
      publishedAtMs: 0,
      publishedBy: deviceAt(0),
    },
  };
}
