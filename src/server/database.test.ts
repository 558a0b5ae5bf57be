import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Insertable, Kysely } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Databases, KINDS } from "../../test/integration/support/databases.ts";
import type { DeviceId } from "../base/ids.ts";
import type { Change } from "../coordinator/state.ts";
import { type Connection, migrate, openToRead, openToWrite } from "./connection.ts";
import { ServerDatabase } from "./database.ts";
import type { DatabasePlace } from "./database-place.ts";
import type { Tables } from "./schema.ts";
import {
  CHANGES,
  CONTENT,
  DEPLOYMENT,
  DEVICE,
  FILES,
  MATE,
  PROGRESS,
  STATE,
} from "./test-state.ts";

let databases: Databases;
let place: DatabasePlace;
let database: ServerDatabase;

beforeAll(async () => {
  databases = await Databases.open();
});
afterAll(() => databases.close());

describe.each(KINDS)("a database keeps what it is told, of the kind $kind", ({ kind, lack }) => {
  useDatabase(kind, lack);

  test("keeps everything over a restart", async () => {
    await database.apply(CHANGES);
    const before = await database.start(5_000);

    await reopen();
    const after = await database.start(5_000);

    expect(after).toEqual({ ...before, epoch: before.epoch + 1 });
    expect(before).toEqual(STATE);
    expect(await database.organisation()).toBe("Acme");
    expect(await database.contentFiles(CONTENT)).toEqual(FILES);
    expect(await database.manifest(CONTENT)).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("replaces the earlier rows of one device and one progress by the later", async () => {
    const { shunnedAtMs: _, ...trusted } = DEVICE;
    const device = { ...trusted, hostName: "renamed", office: "North" };
    const row = {
      contentId: CONTENT,
      office: "North",
      wanBytes: 5,
      lanBytes: 0,
      originBytes: 0,
      devices: 1,
    };
    const progress = { ...PROGRESS, piecesHeld: 10, state: "complete" } as const;
    const finished = { ...DEPLOYMENT, finishedAtMs: 77, cancelledAtMs: 78, runAction: false };
    await database.apply([
      ...CHANGES,
      { kind: "device-put", device: { ...device, hostName: "renamed twice" } },
      { kind: "device-put", device },
      { kind: "progress-put", progress },
      {
        kind: "offices-replace",
        offices: { generated: true, offices: [] },
        officeKeys: new Map(),
      },
      { kind: "deployment-put", deployment: finished },
      { kind: "group-put", group: { name: "Pilots", devices: [] } },
      { kind: "group-remove", name: "Lab" },
      { kind: "origins-replace", origins: STATE.origins.slice(1) },
      { kind: "accusation-remove", reporter: DEVICE.deviceId, accused: MATE.deviceId },
      { kind: "ledger-put", row },
    ]);

    const state = await database.start(0);

    expect(state.devices).toEqual([device, MATE]);
    expect(state.deployments).toEqual([finished]);
    expect(state.groups).toEqual([{ name: "Pilots", devices: [] }]);
    expect(state.origins).toEqual(STATE.origins.slice(1));
    expect(state.ledger).toEqual([row]);
    expect(state.accusations).toEqual([]);
    expect(state.progress).toEqual([progress]);
    expect(state.offices).toEqual({ generated: true, offices: [] });
  });
});

describe.each(KINDS)("a database, of the kind $kind", ({ kind, lack }) => {
  useDatabase(kind, lack);

  test("is brought up to date from the first schema, with what was counted", async () => {
    const old = await databases.emptyPlace(kind);
    await writeFirstSchema(old);

    const upgraded = await ServerDatabase.open(old);
    const state = await upgraded.start(0);
    await upgraded.close();

    expect(state.devices).toMatchObject([{ hostName: "pc-1", office: "North" }]);
    expect(state.devices[0]).not.toHaveProperty("shunnedAtMs");
    expect(state.progress[0]).toMatchObject({
      office: "North",
      farInBytes: [],
      base: { wanInBytes: 1, originInBytes: 0 },
    });
    const row = { contentId: CONTENT, office: "North", originBytes: 0, devices: 1 };
    expect(state.ledger).toEqual([{ ...row, wanBytes: 11, lanBytes: 22 }]);
    expect([state.origins, state.accusations, state.officeKeys]).toEqual([[], [], new Map()]);
  });

  test("makes changes together or not at all", async () => {
    const orphan: Change = { kind: "progress-put", progress: PROGRESS };
    const device: Change = { kind: "device-put", device: DEVICE };

    await expect(database.apply([device, orphan])).rejects.toThrow(/foreign key/i);

    expect((await database.start(0)).devices).toEqual([]);
    await database.apply([device]);
  });

  test("MS11: has a greater epoch at each start, also after it came from a backup", async () => {
    const first = await database.start(1_000_000);
    const second = await database.start(1_000_000);
    const afterRestore = await database.start(9_000_000_000);

    expect([first.epoch, second.epoch, afterRestore.epoch]).toEqual([1_000, 1_001, 9_000_000]);
  });

  test("takes the changes of many steps at once", async () => {
    const devices = Array.from({ length: 700 }, (_, index) => ({
      ...DEVICE,
      deviceId: index.toString(16).padStart(32, "0") as DeviceId,
      enrolledAtMs: index,
    }));
    const puts = devices.map((device): Change => ({ kind: "device-put", device }));
    const steps = [puts.slice(0, 600), ...puts.slice(600).map((put) => [put])];
    await Promise.all(steps.map((step) => database.apply(step)));

    expect((await database.start(0)).devices).toEqual(devices);
  });
});

describe.each(KINDS)("a database is one process's alone, of the kind $kind", ({ kind, lack }) => {
  useDatabase(kind, lack);

  test("is one process's alone, and free again when that has closed it", async () => {
    await expect(ServerDatabase.open(place)).rejects.toMatchObject({ code: "database-in-use" });

    await reopen();

    expect(await database.organisation()).toBe("Acme");
  });

  test("can be looked at by others meanwhile", async () => {
    const reader = await openToRead(place);
    await database.start(7_000);
    const rows = await reader.kysely.selectFrom("organisation").select("epoch").execute();
    await reader.close();

    expect(rows).toEqual([{ epoch: 7 }]);
  });

  test("is written by nobody who has lost it to another in between", async () => {
    await database.start(0);
    const thief = await openToRead(place);
    await thief.kysely.updateTable("organisation").set({ epoch: 99 }).execute();
    await thief.close();

    const late = database.apply([{ kind: "device-put", device: DEVICE }]);

    await expect(late).rejects.toMatchObject({ code: "database-taken-over" });
    await reopen();
    expect((await database.start(0)).devices).toEqual([]);
  });

  test("is refused with the reason where it is missing, taken, or of a later version", async () => {
    await expect(ServerDatabase.open(await databases.emptyPlace(kind))).rejects.toMatchObject({
      code: "database-missing",
    });
    await database.close();
    await expect(ServerDatabase.create(place, "Other")).rejects.toMatchObject({
      code: "database-not-empty",
    });
    const writer = await openToWrite(place);
    await kyselyMigrations(writer)
      .insertInto("kysely_migration")
      .values({ name: "9999-later", timestamp: "2030-01-01" })
      .execute();
    await writer.close();
    await expect(ServerDatabase.open(place)).rejects.toMatchObject({ code: "database-newer" });
    // Whoever is refused holds nothing back.
    await (await openToWrite(place)).close();
  });
});

test("a file that is no database is refused with the reason", async () => {
  const path = join(databases.folder, "broken.db");
  await writeFile(path, "this is no database, whatever its name may say ".repeat(50));

  await expect(ServerDatabase.open({ kind: "sqlite", path })).rejects.toMatchObject({
    code: "database-unreadable",
  });
});

/** Has each test of a block begin with a database in which nothing is. */
function useDatabase(kind: DatabasePlace["kind"], lack: string | undefined): void {
  beforeEach(async (context) => {
    context.skip(lack !== undefined, lack);
    place = await databases.emptyPlace(kind);
    database = await ServerDatabase.create(place, "Acme");
  });
  afterEach(async () => {
    if (lack === undefined) await database.close();
  });
}

async function reopen(): Promise<void> {
  await database.close();
  database = await ServerDatabase.open(place);
}

function kyselyMigrations({ kysely }: Connection) {
  return kysely as unknown as Kysely<{ kysely_migration: { name: string; timestamp: string } }>;
}

/** A database as the first version wrote it, with a device that has reported about a content. */
async function writeFirstSchema(place: DatabasePlace): Promise<void> {
  const { kysely, close } = await openToWrite(place);
  await migrate(place, kysely, "0001-first");
  const first = kysely as unknown as Kysely<Record<string, Record<string, unknown>>>;
  const put = (table: string, row: Record<string, unknown>) =>
    first.insertInto(table).values(row).execute();
  await put("organisation", { id: 1, name: "Acme", epoch: 1, offices_generated: 0 });
  await put("devices", {
    device_id: DEVICE.deviceId,
    host_name: "pc-1",
    machine_id: "m1",
    office: "North",
    hosts_json: "[]",
    seen_host: "",
    port_offset: 0,
    facts_json: "{}",
    product_version: "",
    enrolled_at_ms: 1,
    last_seen_at_ms: 1,
  });
  await put("contents", {
    content_id: CONTENT,
    name: "tool",
    version: "1",
    type: "app",
    size_bytes: 1,
    pieces: 1,
    files: 1,
    files_json: "[]",
    publisher: "",
    publisher_name: "",
    sha256: "",
    published_at_ms: 1,
    published_by: "",
    manifest: Uint8Array.of(0),
  } satisfies Insertable<Tables["contents"]>);
  const counted = (wan: number, lan: number) =>
    JSON.stringify({ wanInBytes: wan, lanInBytes: lan });
  await put("progress", {
    content_id: CONTENT,
    device_id: DEVICE.deviceId,
    boot_id: 1,
    state: "complete",
    pieces: 1,
    pieces_held: 1,
    held_bytes: 1,
    base_json: counted(1, 2),
    current_json: counted(10, 20),
    rvp: 0,
    problem: "",
    updated_at_ms: 1,
  });
  await close();
}
