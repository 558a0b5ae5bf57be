import { execFileSync } from "node:child_process";
import { mkdir, readdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MIB } from "../../src/base/units.ts";
import { writeBlob } from "../../src/cli/packaging/write-blob.ts";
import { newFolder, newKey, noise, StoreWorld, sample } from "./fixtures/store-world.ts";

const DISK_BYTES = 24 * MIB;

const probe = await newFolder();
const lacking = mountProblem(probe);
if (lacking === undefined) unmount(probe);
await rm(probe, { recursive: true });

// The reason stands in the name, so that a skipped run says it.
const why = lacking === undefined ? "" : ` (skipped: ${lacking})`;

let disk = "";

beforeEach(async () => {
  disk = await newFolder();
  if (lacking === undefined) mountProblem(disk);
});

afterEach(async () => {
  if (lacking === undefined) unmount(disk);
  await rm(disk, { recursive: true });
});

describe.skipIf(lacking !== undefined)(`a store on a small disk${why}`, () => {
  let world: StoreWorld;

  beforeEach(async () => {
    world = await StoreWorld.open({ folder: join(disk, "agent"), limits: { spareBytes: MIB } });
  });

  afterEach(async () => {
    await world.end();
  });

  test("refuses a content that has no room, before anything of it has come", async () => {
    const content = sample(world.key, { a: noise(1, DISK_BYTES) });

    world.store.createContent(content.contentId, content.signed);

    const { cause, problem } = await world.take("content-refused");
    expect([cause, problem]).toEqual(["disk", expect.stringContaining("no room")]);
    expect(await readdir(join(world.storeFolder, "contents"))).toEqual([]);
  });

  test("counts the room that it has promised to other contents", async () => {
    const [first, second] = [1, 2].map((seed) => sample(world.key, { a: noise(seed, 12 * MIB) }));
    if (first === undefined || second === undefined) throw new Error("there are two");

    world.store.createContent(first.contentId, first.signed);
    world.store.createContent(second.contentId, second.signed);

    await world.take("content-created");
    expect(await world.take("content-refused")).toMatchObject({ cause: "disk" });
  });

  test("rejects pieces while others have filled the disk, and takes them afterwards", async () => {
    const content = sample(world.key, { a: noise(1, 4 * MIB) });
    world.store.createContent(content.contentId, content.signed);
    await world.take("content-created");
    await fillUp(disk);

    const { bytes, manifest } = content;
    const { sizeBytes = 0 } = manifest.pieces[0] ?? {};
    world.store.storePiece(content.contentId, 0, bytes.slice(0, sizeBytes));

    const { cause, problem } = await world.take("piece-rejected");
    expect([cause, problem]).toEqual(["disk", expect.stringContaining("full")]);
    expect(world.heldPieces(content)).toEqual([]);
    await rm(join(disk, "filler"));
    await world.storePieces(content, [...manifest.pieces.keys()]);
    world.store.finishContent(content.contentId);
    await world.take("content-finished");
  });

  test("hands over all or nothing where the copies have no room", async () => {
    const content = sample(world.key, { a: noise(1, 2 * MIB), b: noise(2, 2 * MIB) });
    world.store.createContent(content.contentId, content.signed);
    await world.take("content-created");
    const [first = 0, ...others] = content.manifest.pieces.keys();
    // Copies are made from the beginning on, so there are none before the first piece is there.
    await world.storePieces(content, others);
    await fillUp(disk, MIB + (content.manifest.pieces[first]?.sizeBytes ?? 0));
    await world.storePieces(content, [first]);

    world.store.finishContent(content.contentId);

    const { problem, pieces } = await world.take("content-unfinished");
    expect(problem).toContain("full");
    expect(pieces).toEqual(world.store.held()[0]?.pieces);
    expect(world.heldPieces(content)).toEqual([...content.manifest.pieces.keys()]);
    expect(await readdir(world.deliveryFolder, { recursive: true })).toEqual([".building"]);
    await rm(join(disk, "filler"));
    world.store.finishContent(content.contentId);
    await world.take("content-finished");
  });

  test("imports all of a blob or nothing", async () => {
    const content = sample(world.key, { a: noise(1, 20 * MIB) });
    const blob = await newFolder();
    await writeFile(join(blob, "blob"), content.bytes);
    const { contentId, signed } = content;
    // The room is promised at first, and taken by somebody else while the content comes in.
    let filled: Promise<void> | undefined;
    const taken = world.store.importContent(contentId, signed, join(blob, "blob"), () => {
      filled ??= fillUp(disk);
    });

    await expect(taken).rejects.toMatchObject({ code: "store-full" });
    await filled;
    expect(world.store.held()).toEqual([]);
    expect(await readdir(join(world.storeFolder, "contents"))).toEqual([]);
    await rm(blob, { recursive: true });
  });
});

describe.skipIf(lacking !== undefined)(`a store on a disk that others fill${why}`, () => {
  let world: StoreWorld;

  beforeEach(async () => {
    const limits = { spareBytes: 2 * MIB, protectionWaitMs: 0, quietMs: 0 };
    world = await StoreWorld.open({ folder: join(disk, "agent"), limits });
  });

  afterEach(async () => {
    await world.end();
  });

  test("lets go of contents when others fill the disk, so that it is not filled", async () => {
    const [old, young] = [1, 2].map((seed) =>
      sample(world.key, { a: noise(seed, 3 * MIB), b: noise(9, 1) }, { version: `${seed}` }),
    );
    if (old === undefined || young === undefined) throw new Error("there are two");
    for (const content of [old, young]) {
      await world.fill(content);
      world.nowMs += 1;
    }
    await world.store.enforceLimits();
    expect(world.store.held().length).toBe(2);

    await fillUp(disk, MIB);
    await world.store.enforceLimits();

    expect(await world.take("content-evicted")).toMatchObject({ contentId: old.contentId });
    expect(world.store.held().map(({ contentId }) => contentId)).toEqual([young.contentId]);
    const { bavail, bsize } = await statfs(disk);
    expect(bavail * bsize).toBeGreaterThanOrEqual(2 * MIB);
  });
});

describe.skipIf(lacking !== undefined)(`a package put together on a small disk${why}`, () => {
  const options = { name: "tool", version: "1", type: "application", signedAtS: 1 };
  let source: string;

  beforeEach(async () => {
    source = await newFolder();
    await mkdir(join(disk, "work"));
    await writeFile(join(source, "package"), noise(1, 20 * MIB));
  });

  afterEach(async () => {
    await rm(source, { recursive: true });
  });

  test("refuses a package that has no room, and says how much it needs", async () => {
    await fillUp(disk, 10 * MIB);

    const target = { folder: join(disk, "work"), key: newKey() };
    const written = writeBlob(join(source, "package"), options, target);

    await expect(written).rejects.toMatchObject({
      code: "work-folder-full",
      message: expect.stringContaining(`${20 * MIB} bytes are needed`),
    });
    expect(await readdir(join(disk, "work"))).toEqual([]);
  });

  test("has nothing of a package if the disk runs full on the way", async () => {
    const target = { folder: join(disk, "work"), key: newKey() };
    let filled: Promise<void> | undefined;
    const onBytes = () => {
      filled ??= fillUp(disk);
    };
    const written = writeBlob(join(source, "package"), { ...options, onBytes }, target);

    await expect(written).rejects.toMatchObject({ code: "work-folder-full" });
    await filled;
    expect(await readdir(join(disk, "work"))).toEqual([]);
  });
});

/** Takes all the room of a disk but so many bytes. */
async function fillUp(disk: string, freeBytes = 0): Promise<void> {
  const { bavail, bsize } = await statfs(disk);
  const bytes = new Uint8Array(Math.max(0, bavail * bsize - freeBytes)).fill(1);
  await writeFile(join(disk, "filler"), bytes).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOSPC") throw error;
  });
}

/** Mounts a small disk at `folder`. Says why it could not. */
function mountProblem(folder: string): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root, to mount a small disk";
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", folder], {
      stdio: "pipe",
    });
    return undefined;
  } catch {
    return "this machine does not let root mount a small disk";
  }
}

function unmount(folder: string): void {
  execFileSync("umount", [folder]);
}
