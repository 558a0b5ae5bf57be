import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ContentStore } from "../../src/agent/store/content-store.ts";
import { KIB, MIB } from "../../src/base/units.ts";
import {
  newKey,
  noise,
  pieceBytes,
  type SampleContent,
  StoreWorld,
  sample,
} from "./fixtures/store-world.ts";

let world: StoreWorld;

beforeEach(async () => {
  world = await StoreWorld.open();
});

afterEach(async () => {
  await world.end();
});

describe("a content is begun", () => {
  test("CO9: only with a manifest that a pinned publisher signed, and of that id", async () => {
    const own = sample(world.key, { a: noise(1, 1000) });
    const foreign = sample(newKey(), { a: noise(1, 1000) });
    const posing = sample({ ...newKey(), key: world.key.key }, { a: noise(1, 1000) });
    const bent = own.signed.slice();
    bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1;

    world.store.createContent(foreign.contentId, foreign.signed);
    world.store.createContent(posing.contentId, posing.signed);
    world.store.createContent(own.contentId, bent);
    world.store.createContent(foreign.contentId, own.signed);
    world.store.createContent(own.contentId, new Uint8Array(3));

    for (let count = 0; count < 5; count += 1) {
      expect(await world.take("content-refused")).toMatchObject({ cause: "manifest" });
    }
    expect(world.store.held()).toEqual([]);
    expect(await readdir(join(world.storeFolder, "contents"))).toEqual([]);
  });

  test("twice: the second time tells what is held by then", async () => {
    const content = sample(world.key, { a: noise(1, 2 * MIB) });
    await world.fill(content);

    world.store.createContent(content.contentId, content.signed);

    const { pieces } = await world.take("content-created");
    expect(pieces).toEqual(world.store.held()[0]?.pieces);
  });

  test("with the pieces that an earlier version left in the store", async () => {
    const before = noise(2, 6 * MIB);
    const after = before.slice();
    after.set(noise(3, 8), 3 * MIB);
    const [first, second] = [
      sample(world.key, { a: before }),
      sample(world.key, { a: after }, { version: "2" }),
    ];
    await world.fill(first);

    world.store.createContent(second.contentId, second.signed);
    await world.take("content-created");

    const shared = world.heldPieces(second) ?? [];
    const { length } = second.manifest.pieces;
    expect(shared.length).toBeGreaterThanOrEqual(length - 3);
    expect(shared.length).toBeLessThan(length);
    for (const piece of shared) {
      expect(await world.read(second, piece)).toEqual(pieceBytes(second, piece));
    }
  });

  test("without a shared piece that is damaged where it lies", async () => {
    const bytes = noise(2, 2 * MIB);
    const [first, second] = [
      sample(world.key, { a: bytes }),
      sample(world.key, { a: bytes }, { version: "2" }),
    ];
    await world.fill(first);
    await damage(world.blobOf(first), 10);

    world.store.createContent(second.contentId, second.signed);
    await world.take("content-created");

    const { length } = second.manifest.pieces;
    expect(world.heldPieces(second)).toEqual([...Array(length).keys()].slice(1));
  });
});

describe("a piece", () => {
  test("SW6: is served once it is stored, whole or in part, and not before", async () => {
    const content = sample(world.key, { a: noise(1, MIB) });
    world.store.createContent(content.contentId, content.signed);
    await world.take("content-created");
    expect(await world.read(content, 0)).toBeUndefined();

    await world.storePieces(content, [0]);

    expect(await world.read(content, 0)).toEqual(pieceBytes(content, 0));
    world.store.readPiece(7, content.contentId, { piece: 0, offsetBytes: 10, lengthBytes: 20 });
    const { ticket, bytes } = await world.take("piece-read");
    expect(ticket).toBe(7);
    expect(bytes).toEqual(pieceBytes(content, 0).subarray(10, 30));
  });

  test("is not served beyond its end", async () => {
    const content = sample(world.key, { a: noise(1, MIB) });
    await world.fill(content);
    const sizeBytes = content.manifest.pieces[0]?.sizeBytes ?? 0;

    for (const range of [
      { piece: 0, offsetBytes: sizeBytes - 1, lengthBytes: 2 },
      { piece: 0, offsetBytes: -1, lengthBytes: 2 },
      { piece: 99, offsetBytes: 0, lengthBytes: 1 },
    ]) {
      world.store.readPiece(1, content.contentId, range);
      expect((await world.take("piece-read")).bytes).toBeUndefined();
    }
  });

  test("SW12: with wrong bytes is rejected and not held", async () => {
    const content = sample(world.key, { a: noise(1, MIB) });
    world.store.createContent(content.contentId, content.signed);
    await world.take("content-created");
    const wrong = pieceBytes(content, 0);
    wrong[5] = (wrong[5] ?? 0) ^ 1;

    world.store.storePiece(content.contentId, 0, wrong);
    expect(await world.take("piece-rejected")).toMatchObject({ piece: 0, cause: "mismatch" });
    world.store.storePiece(content.contentId, 0, wrong.subarray(1));
    expect(await world.take("piece-rejected")).toMatchObject({ piece: 0, cause: "mismatch" });
    world.store.storePiece(content.contentId, 10_000, wrong);
    expect(await world.take("piece-rejected")).toMatchObject({ cause: "mismatch" });

    expect(world.heldPieces(content)).toEqual([]);
  });

  test("of a content that is not in the store is rejected", async () => {
    const content = sample(world.key, { a: noise(1, 1000) });
    world.store.storePiece(content.contentId, 0, pieceBytes(content, 0));
    expect(await world.take("piece-rejected")).toMatchObject({ cause: "disk" });
  });
});

describe("a content of one file is finished", () => {
  test("as a read-only link to what is served", async () => {
    const content = sample(world.key, { "bin/tool": noise(1, MIB) }, { version: "1.0" });
    await finish(content);

    const place = join(world.deliveryFolder, "tool", "1.0", "bin", "tool");
    expect(new Uint8Array(await readFile(place))).toEqual(content.bytes);
    expect((await stat(place)).mode & 0o777).toBe(0o444);
    expect((await stat(place)).ino).toBe((await stat(world.blobOf(content))).ino);
    expect(world.store.held()[0]?.finished).toBe(true);
    await world.reopen();
    expect(world.store.held()[0]?.finished).toBe(true);
    expect(await world.read(content, 0)).toEqual(pieceBytes(content, 0));
  });

  test("without any bytes", async () => {
    const content = sample(world.key, { empty: new Uint8Array() });
    await finish(content);
    expect((await stat(join(world.deliveryFolder, "tool", "1", "empty"))).size).toBe(0);
  });

  test("only with all of its pieces", async () => {
    const content = sample(world.key, { a: noise(1, MIB) });
    world.store.createContent(content.contentId, content.signed);
    await world.take("content-created");

    world.store.finishContent(content.contentId);

    const { problem } = await world.take("content-unfinished");
    expect(problem).toContain("not held");
    expect(await readdir(world.deliveryFolder)).toEqual([]);
  });

  test("instead of what was handed over under its name and version before", async () => {
    await finish(sample(world.key, { old: noise(1, 1000) }));
    await finish(sample(world.key, { new: noise(2, 1000) }));

    expect(await readdir(join(world.deliveryFolder, "tool", "1"))).toEqual(["new"]);
  });
});

describe("a content of several files is finished", () => {
  test("as copies with their modes, files without bytes and empty folders", async () => {
    const content = folderSample();
    await finish(content);

    const place = join(world.deliveryFolder, "tool", "1");
    expect(await readdir(place, { recursive: true }).then((names) => names.sort())).toEqual(
      ["bin", "bin/run", "data", "data/a", "data/zero", "empty", "empty/inner"].sort(),
    );
    for (const { path, mode, sizeBytes } of content.manifest.files) {
      const stats = await lstat(join(place, path));
      expect([stats.mode & 0o777, stats.size, stats.nlink]).toEqual([mode, sizeBytes, 1]);
    }
    const run = new Uint8Array(await readFile(join(place, "bin", "run")));
    expect(run).toEqual(content.bytes.subarray(0, run.length));
  });

  test("CO10: only if each file is what the manifest says, though all pieces are", async () => {
    const files = folderSample().manifest.files.map((file) =>
      file.path === "data/a" ? { ...file, sha256: new Uint8Array(32) } : file,
    );
    const content = folderSample({ files });
    await world.fill(content);

    world.store.finishContent(content.contentId);

    expect((await world.take("content-unfinished")).problem).toContain("data/a");
    expect(await handedOver()).toEqual([]);
  });
});

describe("a blob that was damaged on disk is found when the content is finished", () => {
  test.each([["of one file"], ["of several files"]])("%s", async (kind) => {
    const content =
      kind === "of one file" ? sample(world.key, { a: noise(1, 3 * MIB) }) : folderSample();
    await finish(content);
    await damage(world.blobOf(content), content.bytes.length - 10);

    world.store.finishContent(content.contentId);

    const last = content.manifest.pieces.length - 1;
    const { pieces, problem } = await world.take("content-unfinished");
    expect(problem).toContain("damaged");
    expect(pieces).toEqual(world.store.held()[0]?.pieces);
    expect(world.heldPieces(content)).toEqual([...content.manifest.pieces.keys()].slice(0, -1));
    expect(await world.read(content, last)).toBeUndefined();
    expect(await handedOver()).toEqual([]);

    await world.storePieces(content, [last]);
    world.store.finishContent(content.contentId);
    await world.take("content-finished");
    expect(await handedOver()).toEqual(["1"]);
  });
});

describe("a content is imported from its blob", () => {
  test("finished at once, and not handed over", async () => {
    const content = folderSample();
    const blob = await writeBlobOf(content);
    const progress: number[] = [];

    await world.store.importContent(content.contentId, content.signed, blob, (bytes) => {
      progress.push(bytes);
    });

    expect(progress.at(-1)).toBe(content.bytes.length);
    expect(world.store.held()).toMatchObject([{ contentId: content.contentId, finished: true }]);
    for (const piece of content.manifest.pieces.keys()) {
      expect(await world.read(content, piece)).toEqual(pieceBytes(content, piece));
    }
    expect(await readdir(world.deliveryFolder)).toEqual([]);
    await world.reopen();
    expect(world.store.held()[0]?.finished).toBe(true);
  });

  test("not if the blob is damaged or too short, and nothing of it remains", async () => {
    const content = sample(world.key, { a: noise(1, 20 * MIB) });
    const blob = await writeBlobOf(content);
    await damage(blob, content.bytes.length - 1);
    const take = () => world.store.importContent(content.contentId, content.signed, blob);

    await expect(take()).rejects.toMatchObject({ code: "blob-damaged" });
    await rm(blob);
    await expect(take()).rejects.toMatchObject({ code: "store-unusable" });

    expect(world.store.held()).toEqual([]);
    expect(await readdir(join(world.storeFolder, "contents"))).toEqual([]);
  });

  test("not if its publisher is not pinned", async () => {
    const content = sample(newKey(), { a: noise(1, 1000) });
    const blob = await writeBlobOf(content);
    const take = world.store.importContent(content.contentId, content.signed, blob);
    await expect(take).rejects.toMatchObject({ code: "manifest-refused" });
  });
});

describe("a store is opened", () => {
  test("with what it held, and with as many contents as there are", async () => {
    const contents = [1, 2, 3].map((seed) => sample(world.key, { a: noise(seed, 300 * KIB) }));
    for (const content of contents) await world.fill(content);

    await world.reopen();

    for (const content of contents) {
      expect(world.heldPieces(content)).toEqual([...content.manifest.pieces.keys()]);
      expect(await world.read(content, 0)).toEqual(pieceBytes(content, 0));
    }
  });

  test("without what a crash left half-done or a disk has lost", async () => {
    const contents = [1, 2, 3, 4].map((seed) => sample(world.key, { a: noise(seed, 300 * KIB) }));
    for (const content of contents) await world.fill(content);
    const [whole, unlisted, cut, headless] = contents.map((content) => world.blobOf(content));
    await mkdir(join(world.storeFolder, "contents", "f".repeat(64)));
    await rm(join(unlisted ?? "", ".."), { recursive: true });
    await writeFile(cut ?? "", "short");
    await writeFile(join(headless ?? "", "..", "manifest"), "rubbish");
    await mkdir(join(world.deliveryFolder, ".building", "x"), { recursive: true });

    await world.reopen();

    expect(world.store.held().map(({ contentId }) => contentId)).toEqual([contents[0]?.contentId]);
    expect(await readdir(join(world.storeFolder, "contents"))).toEqual([
      (whole ?? "").split("/").at(-2),
    ]);
    expect(await readdir(world.deliveryFolder)).toEqual([]);
  });

  test("with what was moved aside when a crash came between the two moves of a hand-over", async () => {
    const aside = join(world.deliveryFolder, ".replaced", "tool", "1");
    await mkdir(aside, { recursive: true });
    await writeFile(join(aside, "file"), "kept");

    await world.reopen();

    expect(await readFile(join(world.deliveryFolder, "tool", "1", "file"), "utf8")).toBe("kept");
    expect(await readdir(world.deliveryFolder)).toEqual(["tool"]);
  });

  test("without the contents of a publisher that is not pinned any more, but keeps them", async () => {
    const content = sample(world.key, { a: noise(1, 1000) });
    await world.fill(content);

    await world.reopen([newKey().key]);
    expect(world.store.held()).toEqual([]);
    await world.reopen();
    expect(world.heldPieces(content)).toEqual([0]);
  });

  test("by one agent at a time", async () => {
    const second = ContentStore.open({
      folder: world.storeFolder,
      deliveryFolder: world.deliveryFolder,
      pinnedPublishers: [],
      onInput: () => {},
    });
    await expect(second).rejects.toMatchObject({ code: "store-in-use" });
  });

  test("not if its index is damaged", async () => {
    await world.store.close();
    await writeFile(join(world.storeFolder, "index.sqlite"), "x".repeat(10_000));
    await expect(world.reopen()).rejects.toMatchObject({ code: "store-damaged" });
  });
});

test("a removed content is gone, also after a restart; what was handed over stays", async () => {
  const content = sample(world.key, { a: noise(1, MIB) });
  await finish(content);

  await world.store.removeContent(content.contentId);

  expect(world.store.held()).toEqual([]);
  expect(await world.read(content, 0)).toBeUndefined();
  expect(await readdir(join(world.storeFolder, "contents"))).toEqual([]);
  await world.reopen();
  expect(world.store.held()).toEqual([]);
  expect(await handedOver()).toEqual(["1"]);
  await finish(content);
});

test("a piece that has just come is served from memory, and from the disk after a restart", async () => {
  const content = sample(world.key, { a: noise(1, 2 * MIB) });
  world.store.createContent(content.contentId, content.signed);
  await world.take("content-created");
  await world.storePieces(content, [0]);
  await writeFile(world.blobOf(content), new Uint8Array(content.bytes.length));

  expect(await world.read(content, 0)).toEqual(pieceBytes(content, 0));
  await world.reopen();
  expect(await world.read(content, 0)).not.toEqual(pieceBytes(content, 0));
});

test("pieces that come one after another are all kept, also when the store closes at once", async () => {
  const content = sample(world.key, { a: noise(1, 4 * MIB) });
  world.store.createContent(content.contentId, content.signed);
  await world.take("content-created");
  const pieces = [...content.manifest.pieces.keys()];
  for (const piece of pieces) {
    world.store.storePiece(content.contentId, piece, pieceBytes(content, piece));
    await setTimeout(1);
  }

  await world.reopen();

  expect(world.heldPieces(content)).toEqual(pieces);
});

test("more contents than files may be open are all served", async () => {
  await world.end();
  world = await StoreWorld.open({ limits: { openFilesMax: 2 } });
  const contents = [1, 2, 3, 4, 5].map((seed) => sample(world.key, { a: noise(seed, 1000) }));
  for (const content of contents) await world.fill(content);

  for (const [ticket, { contentId }] of [...contents, ...contents].entries()) {
    world.store.readPiece(ticket, contentId, { piece: 0, offsetBytes: 0, lengthBytes: 1000 });
  }

  for (let count = 0; count < 10; count += 1) {
    const { ticket, bytes } = await world.take("piece-read");
    expect(bytes).toEqual(contents[ticket % 5]?.bytes);
  }
});

async function finish(content: SampleContent): Promise<void> {
  await world.fill(content);
  world.store.finishContent(content.contentId);
  expect(await world.take("content-finished")).toMatchObject({ contentId: content.contentId });
}

function folderSample(change: Partial<SampleContent["manifest"]> = {}): SampleContent {
  const files = {
    "bin/run": noise(1, MIB),
    "data/a": noise(2, MIB),
    "data/zero": new Uint8Array(),
  };
  const { manifest } = sample(world.key, files);
  return sample(world.key, files, {
    files: manifest.files.map((file) =>
      file.path === "bin/run" ? { ...file, mode: 0o755 } : file,
    ),
    emptyFolders: ["empty/inner"],
    ...change,
  });
}

/** What is handed over of the content called `tool`. */
async function handedOver(): Promise<readonly string[]> {
  return await readdir(join(world.deliveryFolder, "tool")).catch(() => []);
}

async function damage(path: string, at: number): Promise<void> {
  await chmod(path, 0o600);
  const file = await open(path, "r+");
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at);
  } finally {
    await file.close();
  }
}

async function writeBlobOf(content: SampleContent): Promise<string> {
  const path = join(world.folder, "blob");
  await writeFile(path, content.bytes);
  return path;
}
