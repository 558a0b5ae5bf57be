import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ContentId, DeviceId } from "../base/ids.ts";
import type { Change, CoordinatorState, DeviceRow, ProgressRow } from "../coordinator/state.ts";
import { ServerDatabase } from "./database.ts";
import { MIGRATIONS, type Tables } from "./schema.ts";
import { openSqlite } from "./sqlite.ts";

let folder: string;
let path: string;
let database: ServerDatabase;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-database-"));
  path = join(folder, "server.db");
  database = await ServerDatabase.create(path, "Acme");
});

afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

test("a restart keeps everything", async () => {
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

test("later rows of one device and one progress replace the earlier ones", async () => {
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
  await database.apply([
    ...CHANGES,
    { kind: "device-put", device },
    { kind: "progress-put", progress },
    {
      kind: "offices-replace",
      offices: { generated: true, offices: [] },
      officeKeys: new Map(),
    },
    { kind: "deployment-finish", deploymentId: "d1", finishedAtMs: 77 },
    { kind: "origins-replace", origins: STATE.origins.slice(1) },
    { kind: "accusation-remove", reporter: DEVICE.deviceId, accused: MATE.deviceId },
    { kind: "ledger-put", row },
  ]);

  const state = await database.start(0);

  expect(state.devices).toEqual([device, MATE]);
  expect(state.origins).toEqual(STATE.origins.slice(1));
  expect(state.ledger).toEqual([row]);
  expect(state.accusations).toEqual([]);
  expect(state.progress).toEqual([progress]);
  expect(state.offices).toEqual({ generated: true, offices: [] });
  expect(state.deployments[0]?.finishedAtMs).toBe(77);
});

test("a database of the first schema is brought up to date, with what was counted", async () => {
  const old = join(folder, "old.db");
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

test("changes are made together or not at all", async () => {
  const orphan: Change = { kind: "progress-put", progress: PROGRESS };
  const device: Change = { kind: "device-put", device: DEVICE };

  await expect(database.apply([device, orphan])).rejects.toThrow(/FOREIGN KEY/);

  expect((await database.start(0)).devices).toEqual([]);
});

test("MS11: each start has a greater epoch, also of a database from a backup", async () => {
  const first = await database.start(1_000_000);
  const second = await database.start(1_000_000);
  const afterRestore = await database.start(9_000_000_000);

  expect([first.epoch, second.epoch, afterRestore.epoch]).toEqual([1_000, 1_001, 9_000_000]);
});

test("the changes of many steps at once do not get into each other's way", async () => {
  const devices = Array.from({ length: 50 }, (_, index) => ({
    ...DEVICE,
    deviceId: index.toString(16).padStart(32, "0") as DeviceId,
    enrolledAtMs: index,
  }));
  await Promise.all(devices.map((device) => database.apply([{ kind: "device-put", device }])));

  expect((await database.start(0)).devices).toEqual(devices);
});

test("a database that is missing, broken, or of a later version is refused with the reason", async () => {
  await database.close();
  const writer = new DatabaseSync(path);
  writer.exec("insert into kysely_migration values ('9999-later', '2030-01-01')");
  writer.close();
  const broken = join(folder, "broken.db");
  await writeFile(broken, "this is no database, whatever its name may say ".repeat(50));

  await expect(ServerDatabase.open(path)).rejects.toMatchObject({ code: "database-newer" });
  await expect(ServerDatabase.open(broken)).rejects.toMatchObject({ code: "database-unreadable" });
  await expect(ServerDatabase.open(join(folder, "none.db"))).rejects.toMatchObject({
    code: "database-missing",
  });
  database = await ServerDatabase.create(join(folder, "other.db"), "Acme");
});

test("B14, EN4: a key enrols in whatever case it is typed, until it is replaced", async () => {
  const keys = database.securityKeys;
  const first = await keys.create(0);
  expect(first).toMatch(/^([A-Z2-7]{4}-){7}[A-Z2-7]{4}$/);
  expect(await keys.spend(` ${first.toLowerCase().replaceAll("-", " ")} `, 1)).toBeUndefined();

  const second = await keys.regenerate(2);

  expect(await keys.spend(first, 3)).toMatchObject({ code: "security-key-replaced" });
  expect(await keys.spend(second, 3)).toBeUndefined();
  expect(await keys.spend(`${second}A`, 3)).toMatchObject({ code: "security-key-wrong" });
  expect(await keys.spend("A".repeat(32), 3)).toMatchObject({ code: "security-key-wrong" });
});

test("B14, EN4: the key itself is nowhere in the database", async () => {
  const key = await database.securityKeys.create(0);
  await database.close();
  const reader = new DatabaseSync(path);
  const rows = JSON.stringify(reader.prepare("select * from security_keys").all());
  reader.close();

  expect(rows).not.toContain(key);
  expect(rows).not.toContain(key.replaceAll("-", ""));
  database = await ServerDatabase.open(path);
});

test("a key with a count and an expiry enrols so many, and until then", async () => {
  const keys = database.securityKeys;
  const counted = await keys.create(0, { usesMax: 3 });
  const passing = await keys.create(0, { expiresAtMs: 100 });

  const outcomes = await Promise.all(Array.from({ length: 8 }, () => keys.spend(counted, 1)));

  expect(outcomes.filter((outcome) => outcome === undefined).length).toBe(3);
  expect(await keys.judge(counted, 1)).toMatchObject({ code: "security-key-used-up" });
  expect(await keys.judge(passing, 99)).toBeUndefined();
  expect(await keys.judge(passing, 100)).toMatchObject({ code: "security-key-expired" });
});

/** A database as the first version wrote it, with a device that has reported about a content. */
async function writeFirstSchema(file: string): Promise<void> {
  const first = Object.fromEntries(Object.entries(MIGRATIONS).slice(0, 1));
  const writer = new Kysely<Tables>({ dialect: openSqlite(file) });
  const provider = { getMigrations: () => Promise.resolve(first) };
  const { error } = await new Migrator({ db: writer, provider }).migrateToLatest();
  await writer.destroy();
  expect(error).toBeUndefined();
  const sqlite = new DatabaseSync(file);
  sqlite.exec("insert into organisation values (1, 'Acme', 1, 0)");
  sqlite.exec(
    `insert into devices values ('${DEVICE.deviceId}', 'pc-1', 'm1', 'North', '[]', '', 0, '{}', '', 1, 1)`,
  );
  sqlite.exec(
    `insert into contents values ('${CONTENT}', 'tool', '1', 'app', 1, 1, 1, '[]', '', '', '', 1, '', x'00')`,
  );
  const count = (wan: number, lan: number) => JSON.stringify({ wanInBytes: wan, lanInBytes: lan });
  sqlite.exec(
    `insert into progress values ('${CONTENT}', '${DEVICE.deviceId}', 1, 'complete', 1, 1, 1,
     '${count(1, 2)}', '${count(10, 20)}', 0, '', 1)`,
  );
  sqlite.close();
}

async function reopen(): Promise<void> {
  await database.close();
  database = await ServerDatabase.open(path);
}

const CONTENT = "c1".repeat(32) as ContentId;
const FILES = [
  { path: "bin/tool", sizeBytes: 9_000_000_000, mode: 0o755, sha256: "ab".repeat(32) },
];

const DEVICE: DeviceRow = {
  deviceId: "d1".repeat(16) as DeviceId,
  hostName: "pc-1",
  machineId: "m1",
  office: "Central",
  hosts: ["10.0.0.5", "2001:db8::5"],
  seenHost: "10.0.0.5",
  portOffset: 0,
  facts: {
    freeBytes: 5_000_000_000_000,
    usableBytes: 1,
    preferred: true,
    desktop: false,
    serverOs: true,
    uptimeS: 60,
  },
  productVersion: "0.1.0",
  enrolledAtMs: 1_800_000_000_000,
  lastSeenAtMs: 1_800_000_000_001,
  shunnedAtMs: 1_800_000_000_005,
  retiredAtMs: 1_800_000_000_006,
};

const MATE: DeviceRow = {
  ...DEVICE,
  deviceId: "d2".repeat(16) as DeviceId,
  enrolledAtMs: 1_800_000_000_007,
};

const PROGRESS: ProgressRow = {
  contentId: CONTENT,
  deviceId: DEVICE.deviceId,
  bootId: 0xff_ff_ff_ff,
  state: "downloading",
  pieces: 10,
  piecesHeld: 3,
  heldBytes: 2_700_000_000,
  base: { wanInBytes: 1, lanInBytes: 2, wanOutBytes: 3, lanOutBytes: 4, originInBytes: 5 },
  current: {
    wanInBytes: Number.MAX_SAFE_INTEGER,
    lanInBytes: 6,
    wanOutBytes: 7,
    lanOutBytes: 8,
    originInBytes: 9,
  },
  farInBytes: [{ office: "Central", bytes: 3 }],
  office: "North",
  rvp: true,
  problem: "",
  updatedAtMs: 1_800_000_000_002,
};

const STATE: CoordinatorState = {
  epoch: 5,
  devices: [DEVICE, MATE],
  contents: [
    {
      contentId: CONTENT,
      name: "tool",
      version: "1.2",
      type: "application",
      sizeBytes: 9_000_000_000,
      pieces: 10,
      files: 1,
      publisher: "aa".repeat(32),
      publisherName: "us",
      sha256: "bb".repeat(32),
      publishedAtMs: 1_800_000_000_003,
      publishedBy: DEVICE.deviceId,
    },
  ],
  offices: {
    generated: false,
    offices: [
      { name: "North", parent: "Central", type: "wifi", subnets: ["10.1.0.0/16", "10.2.0.0/16"] },
      { name: "Central", type: "default", subnets: [] },
    ],
  },
  deployments: [
    {
      deploymentId: "d1",
      contentId: CONTENT,
      targets: { offices: ["North"], devices: [DEVICE.deviceId] },
      priority: "high",
      createdAtMs: 1_800_000_000_004,
    },
  ],
  progress: [PROGRESS],
  officeKeys: new Map([["North", new Uint8Array(32).fill(7)]]),
  origins: [
    { kind: "storage", location: "/srv/packages" },
    { kind: "cdn", location: "https://cdn.example" },
  ],
  ledger: [
    {
      contentId: CONTENT,
      office: "North",
      wanBytes: 9_000_000_000,
      lanBytes: 1,
      originBytes: 2,
      devices: 3,
    },
  ],
  accusations: [
    {
      reporter: DEVICE.deviceId,
      accused: MATE.deviceId,
      contentId: CONTENT,
      offence: "broken-promise",
      atMs: 1_800_000_000_008,
    },
  ],
};

const CHANGES: readonly Change[] = [
  ...STATE.devices.map((device): Change => ({ kind: "device-put", device })),
  ...STATE.contents.map(
    (content): Change => ({
      kind: "content-add",
      content,
      files: FILES,
      manifest: Uint8Array.of(1, 2, 3),
    }),
  ),
  { kind: "offices-replace", offices: STATE.offices, officeKeys: STATE.officeKeys },
  ...STATE.deployments.map((deployment): Change => ({ kind: "deployment-add", deployment })),
  ...STATE.progress.map((progress): Change => ({ kind: "progress-put", progress })),
  { kind: "origins-replace", origins: STATE.origins },
  ...STATE.ledger.map((row): Change => ({ kind: "ledger-put", row })),
  ...STATE.accusations.map((accusation): Change => ({ kind: "accusation-put", accusation })),
];
