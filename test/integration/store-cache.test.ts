import { chmod, open, readdir, readFile, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KIB, MIB } from "../../src/base/units.ts";
import {
  newKey,
  noise,
  pieceBytes,
  type SampleContent,
  StoreWorld,
  sample,
} from "./fixtures/store-world.ts";

const DAY_MS = 86_400_000;

/** The store knows at once what others rely on, and nothing counts as in use that is over. */
const AT_ONCE = { protectionWaitMs: 0, quietMs: 0 };

const key = newKey();

let world: StoreWorld;

afterEach(async () => {
  await world.end();
});

describe("a cache of at most 3 MiB", () => {
  let contents: readonly SampleContent[];

  beforeEach(async () => {
    world = await StoreWorld.open({ key, limits: { ...AT_ONCE, cacheBytesMax: 3 * MIB } });
    contents = [1, 2, 3, 4].map((seed) =>
      sample(key, { a: noise(seed, MIB) }, { version: String(seed) }),
    );
  });

  test("lets go of what was used longest ago when another content needs its room", async () => {
    for (const content of contents.slice(0, 3)) await finish(content);
    await world.read(at(0), 0);

    world.store.createContent(at(3).contentId, at(3).signed);

    expect(await world.take("content-evicted")).toMatchObject({ contentId: at(1).contentId });
    await world.take("content-created");
    expect(await blobs()).toEqual([0, 2, 3].map((index) => at(index).contentId).sort());
  });

  test("never has more than that, also while contents come in at the same time", async () => {
    for (const { contentId, signed } of contents) world.store.createContent(contentId, signed);

    // The last one comes in instead of another, or not at all while all the others are coming in.
    for (const _content of contents) await world.take("content-created", "content-refused");
    expect((await blobs()).length).toBe(3);
  });

  test("refuses a content that is larger, and says which limit is to be raised", async () => {
    await finish(at(0));
    const large = sample(key, { a: noise(9, 3 * MIB + 1) });

    world.store.createContent(large.contentId, large.signed);

    const { cause, problem } = await world.take("content-refused");
    expect(cause).toBe("disk");
    expect(problem).toMatch(/needs 3145729 bytes.*may take 3145728 in all.*cache\.max_mib/s);
    expect(await blobs()).toEqual([at(0).contentId]);
  });

  test("keeps what is pinned, also after a restart, and what others rely on", async () => {
    for (const content of contents.slice(0, 3)) await finish(content);
    world.store.pin(at(0).contentId, true);
    await world.reopen();
    world.store.protectContents([at(1).contentId]);

    world.store.createContent(at(3).contentId, at(3).signed);

    expect(await world.take("content-evicted")).toMatchObject({ contentId: at(2).contentId });
    await world.take("content-created");
    expect(world.store.cacheEntries().map(({ keptBecause }) => keptBecause)).toEqual(
      expect.arrayContaining(["pinned", "protected"]),
    );
  });

  test("lets go of nothing while nobody has said what others rely on", async () => {
    await world.end();
    world = await StoreWorld.open({ key, limits: { quietMs: 0, cacheBytesMax: 3 * MIB } });
    for (const content of contents.slice(0, 3)) await finish(content);

    world.store.createContent(at(3).contentId, at(3).signed);
    expect((await world.take("content-refused")).problem).toContain("have to stay");

    world.store.protectContents([]);
    world.store.createContent(at(3).contentId, at(3).signed);
    await world.take("content-created");
  });

  test("lets go of what limits that were lowered leave no room for", async () => {
    for (const content of contents.slice(0, 3)) await finish(content);
    await world.store.close();
    const { folder } = world;
    world = await StoreWorld.open({ key, folder, limits: { ...AT_ONCE, cacheBytesMax: MIB } });

    await world.store.enforceLimits();

    expect((await blobs()).length).toBe(1);
    expect(world.store.held().every(({ delivered }) => delivered)).toBe(true);
  });

  test("keeps what it serves", async () => {
    await world.end();
    const limits = { protectionWaitMs: 0, quietMs: 5_000, cacheBytesMax: MIB };
    world = await StoreWorld.open({ key, limits });
    await finish(at(0));

    world.store.createContent(at(1).contentId, at(1).signed);
    expect((await world.take("content-refused")).problem).toContain("have to stay");

    world.nowMs += 5_000;
    world.store.createContent(at(1).contentId, at(1).signed);
    await world.take("content-created");
  });

  function at(index: number): SampleContent {
    return contents[index] ?? sample(key, {});
  }
});

describe("a cache that a profile is for", () => {
  const contents = [1, 2, 3].map((seed) =>
    sample(key, { a: noise(seed, MIB) }, { version: String(seed) }),
  );

  test("keeps to the limits that a profile sets while it runs, and to its own when none does", async () => {
    world = await StoreWorld.open({ key, limits: { ...AT_ONCE, ageMsMax: 30 * DAY_MS } });
    for (const content of contents.slice(0, 2)) await finish(content);
    world.nowMs += 8 * DAY_MS;

    world.store.limitCache({ maxAgeDays: 7, reusesPieces: true });

    await world.take("content-evicted");
    await world.take("content-evicted");
    expect(await blobs()).toEqual([]);
    world.store.limitCache({ reusesPieces: true });
    await finish(at(2));
    world.nowMs += 8 * DAY_MS;
    await world.store.enforceLimits();
    expect(await blobs()).toEqual([at(2).contentId]);
  });

  test("refuses what a profile leaves no room for, and says so", async () => {
    world = await StoreWorld.open({ key, limits: AT_ONCE });
    world.store.limitCache({ minFreeMib: 1_073_741_824, reusesPieces: true });

    world.store.createContent(at(0).contentId, at(0).signed);

    const { cause, problem } = await world.take("content-refused");
    expect([cause, /has no room/.test(problem)]).toEqual(["disk", true]);
  });

  test.each([true, false])(
    "takes pieces from other contents where it may: %s",
    async (reusesPieces) => {
      world = await StoreWorld.open({ key, limits: AT_ONCE });
      await finish(at(0));
      world.store.limitCache({ reusesPieces });
      const next = sample(key, { a: noise(1, MIB), b: noise(7, 64 * KIB) }, { version: "1.1" });

      world.store.createContent(next.contentId, next.signed);

      const { pieces } = await world.take("content-created");
      expect(pieces.some((byte) => byte !== 0)).toBe(reusesPieces);
    },
  );

  function at(index: number): SampleContent {
    return contents[index] ?? sample(key, {});
  }
});

describe("what the cache lets go of", () => {
  beforeEach(async () => {
    world = await StoreWorld.open({ limits: { ...AT_ONCE, ageMsMax: 30 * DAY_MS } });
  });

  test("is what lay unused for longer than the maximum age, and nothing younger", async () => {
    const [old, used] = [1, 2].map((seed) => sample(world.key, { a: noise(seed, 300 * KIB) }));
    if (old === undefined || used === undefined) throw new Error("there are two");
    await world.fill(old);
    await world.fill(used);
    world.nowMs += 20 * DAY_MS;
    await world.read(used, 0);
    // When it was used is known after a restart, too.
    await world.store.enforceLimits();
    await world.reopen();
    world.nowMs += 11 * DAY_MS;

    await world.store.enforceLimits();

    expect(await world.take("content-evicted")).toMatchObject({ contentId: old.contentId });
    expect(world.store.held().map(({ contentId }) => contentId)).toEqual([used.contentId]);
  });

  test("stays where it was handed over, and is known as handed over after a restart", async () => {
    const content = sample(world.key, { a: noise(1, 300 * KIB), b: noise(2, KIB) });
    await finish(content);

    await world.store.purge(content.contentId);

    for (const restarted of [false, true]) {
      if (restarted) await world.reopen();
      expect(world.store.held()).toMatchObject([{ finished: false, delivered: true }]);
      expect(world.heldPieces(content)).toEqual([]);
      expect(await blobs()).toEqual([]);
    }
    const place = join(world.deliveryFolder, "tool", "1", "a");
    expect(new Uint8Array(await readFile(place))).toEqual(content.bytes.slice(0, 300 * KIB));
  });

  test("can be had again", async () => {
    const content = sample(world.key, { a: noise(1, 300 * KIB) });
    await finish(content);
    await world.store.purge(content.contentId);

    await finish(content);

    expect(await world.read(content, 0)).toEqual(pieceBytes(content, 0));
    expect(world.store.held()).toMatchObject([{ finished: true, delivered: true }]);
  });

  test("is gone for good where a crash came between its file and the index", async () => {
    const content = sample(world.key, { a: noise(1, 300 * KIB) });
    await finish(content);
    await unlink(world.blobOf(content));

    await world.reopen();

    expect(world.store.held()).toMatchObject([{ finished: false, delivered: true }]);
    expect(world.heldPieces(content)).toEqual([]);
  });

  test("is forgotten altogether where it was never handed over", async () => {
    const content = sample(world.key, { a: noise(1, 300 * KIB) });
    await world.fill(content);

    await world.store.purge(content.contentId);

    expect(await world.take("content-evicted")).toMatchObject({ contentId: content.contentId });
    expect(world.store.held()).toEqual([]);
  });
});

describe("a piece that is hashed once more", () => {
  beforeEach(async () => {
    world = await StoreWorld.open();
  });

  test("is intact, or is held no longer and can be stored again", async () => {
    const content = sample(world.key, { a: noise(1, MIB), b: noise(2, KIB) });
    await finish(content);
    world.store.recheckPiece(content.contentId, 0);
    expect(await world.take("piece-rechecked")).toMatchObject({ piece: 0, intact: true });

    await damage(world.blobOf(content), 0);
    world.store.recheckPiece(content.contentId, 0);

    expect(await world.take("piece-rechecked")).toMatchObject({ piece: 0, intact: false });
    expect(await world.read(content, 0)).toBeUndefined();
    await world.reopen();
    expect(world.heldPieces(content)).not.toContain(0);
    // What was handed over are copies of their own.
    expect(await readdir(join(world.deliveryFolder, "tool"))).toEqual(["1"]);
    await finish(content);
  });

  test("takes back what was handed over as a link: it is the same file", async () => {
    const content = sample(world.key, { a: noise(1, MIB) });
    await finish(content);
    await damage(world.blobOf(content), 0);

    world.store.recheckPiece(content.contentId, 0);

    expect(await world.take("piece-rechecked")).toMatchObject({ intact: false });
    expect(await readdir(join(world.deliveryFolder, "tool"))).toEqual([]);
  });

  test("is not served where somebody has written to the file that was handed over", async () => {
    const content = sample(world.key, { a: noise(1, 2 * MIB) });
    await finish(content);
    const place = join(world.deliveryFolder, "tool", "1", "a");
    expect((await stat(place)).mtimeMs).toBe(content.manifest.signedAtS * 1000);
    await chmod(place, 0o600);
    await damage(place, 5);

    for (const restarted of [false, true]) {
      if (restarted) await world.reopen();
      expect(await world.read(content, 0)).toBeUndefined();
      expect(await world.read(content, 1)).toEqual(pieceBytes(content, 1));
    }
  });

  test("is not intact where there is none", async () => {
    const content = sample(world.key, { a: noise(1, 1000) });
    world.store.recheckPiece(content.contentId, 0);
    expect(await world.take("piece-rechecked")).toMatchObject({ piece: 0, intact: false });
  });
});

describe("what is remembered", () => {
  beforeEach(async () => {
    world = await StoreWorld.open();
  });

  test("is there after a restart, by name, the latest word on each", async () => {
    for (let count = 0; count < 100; count += 1) {
      world.store.remember("directory", noise(count, 1000));
    }
    world.store.remember("policy / of today", noise(7, 10));
    expect(world.store.remembered.get("directory")).toEqual(noise(99, 1000));

    await world.reopen();

    expect([...world.store.remembered].toSorted()).toEqual([
      ["directory", noise(99, 1000)],
      ["policy / of today", noise(7, 10)],
    ]);
  });

  test("is never half of something: a file that a crash left is no memory", async () => {
    world.store.remember("directory", noise(1, 1000));
    await world.store.close();
    const memory = join(world.storeFolder, "memory");
    const [file = ""] = await readdir(memory);
    await writeFile(join(memory, `${file}.new`), "half");

    await world.reopen();

    expect([...world.store.remembered]).toEqual([["directory", noise(1, 1000)]]);
    expect(await readdir(memory)).toEqual([file]);
  });

  test("has bounds: so many names, and so many bytes under each", async () => {
    for (let name = 0; name < 65; name += 1) world.store.remember(`name ${name}`, noise(1, 1));
    world.store.remember("name 0", new Uint8Array(8 * MIB + 1));
    world.store.remember("x".repeat(101), noise(1, 1));

    await world.reopen();

    expect(world.store.remembered.size).toBe(64);
    expect(world.store.remembered.get("name 0")?.length).toBe(1);
    expect(world.store.remembered.has("name 64")).toBe(false);
  });
});

test("a store of the first version is opened with what it held", async () => {
  world = await StoreWorld.open({ limits: { ...AT_ONCE, ageMsMax: DAY_MS } });
  const content = sample(world.key, { a: noise(1, 300 * KIB) });
  await world.fill(content);
  await world.store.close();
  const db = new DatabaseSync(join(world.storeFolder, "index.sqlite"));
  db.exec(`
    ALTER TABLE content DROP COLUMN pinned;
    ALTER TABLE content DROP COLUMN used_at_hour;
    PRAGMA user_version = 1;
  `);
  db.close();

  await world.reopen();
  await world.store.enforceLimits();

  expect(world.heldPieces(content)).toEqual([...content.manifest.pieces.keys()]);
});

async function finish(content: SampleContent): Promise<void> {
  await world.fill(content);
  world.store.finishContent(content.contentId);
  await world.take("content-finished");
  // Another moment for the next one: what is used last is to be told from what was used first.
  world.nowMs += 1;
}

/** The contents of which the store has bytes. */
async function blobs(): Promise<readonly string[]> {
  const contents = join(world.storeFolder, "contents");
  const files = await readdir(contents, { recursive: true });
  return files
    .filter((file) => file.endsWith("/content"))
    .map((file) => file.split("/")[0] ?? "")
    .sort();
}

async function damage(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at);
  } finally {
    await file.close();
  }
}
