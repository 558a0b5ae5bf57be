import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Databases, KINDS } from "../../test/integration/support/databases.ts";
import type { DeviceId } from "../base/ids.ts";
import type { Answer, Command } from "../coordinator/contract.ts";
import { Coordinator } from "../coordinator/coordinator.ts";
import type { Change, DeploymentRow, ProgressRow } from "../coordinator/state.ts";
import { ServerDatabase } from "./database.ts";
import type { DatabasePlace } from "./database-place.ts";
import { RETENTION, retain } from "./retention.ts";
import { CHANGES, CONTENT, DEPLOYMENT, DEVICE, PROGRESS } from "./test-state.ts";

const DAY_MS = 86_400_000;
const NOW_MS = 1_000 * DAY_MS;
const DEVICES = 150;
const SETTINGS = { auditDays: 730, progressDays: 30 };

let databases: Databases;
let place: DatabasePlace;
let database: ServerDatabase;

beforeAll(async () => {
  databases = await Databases.open();
});
afterAll(() => databases.close());

describe.each(KINDS)("a database is kept small, of the kind $kind", ({ kind, lack }) => {
  if (lack !== undefined) {
    test.skip(`not here: ${lack}`, () => {});
    return;
  }

  beforeEach(async () => {
    place = await databases.emptyPlace(kind);
    database = await ServerDatabase.create(place, "Acme");
    await database.start(0);
    await database.apply([...CHANGES, ...someDevices()]);
  });
  afterEach(() => database.close());

  test("what devices reported is packed once all deployments of a content are long over", async () => {
    const over = finished(NOW_MS - 31 * DAY_MS);
    await database.apply([{ kind: "deployment-put", deployment: over }]);
    const before = await progressAfterRestart();

    const done = await run();
    const after = await progressAfterRestart();

    expect(done).toEqual({ packedRows: DEVICES + 1, packedContents: 1, auditRows: 0 });
    expect(await database.looseProgress()).toEqual([]);
    expect(after).toEqual(before);
    expect(after.size).toBe(DEVICES + 1);
  });

  test("nothing is packed while a deployment runs, or is over for too short a time", async () => {
    await database.apply([
      { kind: "deployment-put", deployment: finished(NOW_MS - 31 * DAY_MS) },
      { kind: "deployment-put", deployment: { ...finished(NOW_MS - DAY_MS), deploymentId: "b2" } },
    ]);

    expect(await run()).toMatchObject({ packedRows: 0, packedContents: 0 });
    expect(await database.looseProgress()).toEqual([{ contentId: CONTENT, rows: DEVICES + 1 }]);
  });

  test("what a device reports later counts before what was packed of it, and is packed with the rest", async () => {
    const over = finished(NOW_MS - 31 * DAY_MS);
    await database.apply([{ kind: "deployment-put", deployment: over }]);
    await run();
    const later: ProgressRow = { ...progressOf(7), state: "failed", problem: "no room" };
    await database.apply([{ kind: "progress-put", progress: later }]);

    const loose = await progressAfterRestart();
    // One row alone is not worth it; a hundred are.
    expect(await run()).toMatchObject({ packedRows: 0 });
    await database.apply(someDevices(100).filter(({ kind: word }) => word === "progress-put"));
    await database.apply([{ kind: "progress-put", progress: later }]);
    expect(await run()).toMatchObject({ packedRows: 100 });
    const packed = await progressAfterRestart();

    expect(loose.get(later.deviceId)).toEqual(later);
    expect(packed).toEqual(loose);
  });

  test("what operators did long ago is removed, and a row says what and how much", async () => {
    await database.apply([audit(1, NOW_MS - 800 * DAY_MS), audit(2, NOW_MS - 740 * DAY_MS)]);
    await database.apply([audit(3, NOW_MS - 720 * DAY_MS)]);
    const { total } = await database.audit(1_000);

    const done = await run();
    const { rows } = await database.audit(1_000);
    const again = await run();

    // What the test's state has of its own is older than all of it.
    const removed = total - 1;
    expect(done.auditRows).toBe(removed);
    expect(rows.length).toBe(2);
    const trimmed = rows.find(({ action }) => action === "audit-trim");
    expect(trimmed).toMatchObject({ who: RETENTION, atMs: NOW_MS });
    expect(JSON.parse(trimmed?.before ?? "")).toMatchObject({
      ...{ rows: removed, beforeMs: NOW_MS - 730 * DAY_MS },
    });
    expect(again.auditRows).toBe(0);
  });
});

/** Looks for what is old, as the server does, with a coordinator that knows what is durable. */
async function run() {
  const state = await database.start(NOW_MS);
  const coordinator = new Coordinator({
    ...{ state, serverHosts: [], wallMs: NOW_MS, nowUs: 0 },
    randomBytes: (length) => new Uint8Array(length),
  });
  const command = async (given: Command): Promise<Answer> => {
    const changes: Change[] = [];
    let answered: Answer | undefined;
    const ignore = (): void => {};
    coordinator.step(
      1,
      { kind: "command", requestNumber: 1, command: given, by: RETENTION },
      {
        persist: (change) => changes.push(change),
        answer: (_, answer) => {
          answered = answer;
        },
        ...{ send: ignore, close: ignore, requestEnrolment: ignore, judgeManifest: ignore },
        ...{ readManifest: ignore, note: ignore },
      },
    );
    await database.apply(changes);
    if (answered === undefined) throw new Error("a command is answered");
    return answered;
  };
  return await retain({ coordinator, database, settings: SETTINGS, command }, NOW_MS);
}

async function progressAfterRestart(): Promise<ReadonlyMap<DeviceId, ProgressRow>> {
  await database.close();
  database = await ServerDatabase.open(place);
  const { progress } = await database.start(NOW_MS);
  return new Map(progress.map((row) => [row.deviceId, row]));
}

function finished(finishedAtMs: number): DeploymentRow {
  const { cancelledAtMs: _, ...deployment } = DEPLOYMENT;
  return { ...deployment, finishedAtMs };
}

function deviceIdOf(number: number): DeviceId {
  return number.toString(16).padStart(32, "0") as DeviceId;
}

function progressOf(number: number): ProgressRow {
  const current = { ...PROGRESS.current, lanInBytes: number };
  return { ...PROGRESS, deviceId: deviceIdOf(number), state: "complete", current };
}

function someDevices(count = DEVICES): readonly Change[] {
  return Array.from({ length: count }, (_, index) => index + 1).flatMap((number): Change[] => [
    { kind: "device-put", device: { ...DEVICE, deviceId: deviceIdOf(number) } },
    { kind: "progress-put", progress: progressOf(number) },
  ]);
}

function audit(number: number, atMs: number): Change {
  const none = { subject: "", before: "", after: "" };
  const row = { epoch: 77, number, atMs, who: "local", action: "group-create", ...none };
  return { kind: "audit-add", row };
}
