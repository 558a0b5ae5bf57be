import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { verifySignedManifest } from "../../content/signed-manifest.ts";
import {
  loadPublisherKey,
  manifestCrypto,
  newPublisherKey,
  type PublisherKey,
} from "../../runtime/publisher-key.ts";
import { writeBlob } from "./write-blob.ts";

const OPTIONS = { name: "tool", version: "1.0", type: "application", signedAtS: 1_700_000_000 };

let folder: string;
let work: string;
let key: PublisherKey;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-work-"));
  work = join(folder, "work");
  await mkdir(join(folder, "package"));
  await writeFile(join(folder, "package", "a"), "alpha");
  await writeFile(join(folder, "package", "b"), "beta");
  await newPublisherKey(join(folder, "me"));
  key = await loadPublisherKey(join(folder, "me"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("a package lies in the folder under its content id, signed", async () => {
  const stored = await writeBlob(join(folder, "package"), OPTIONS, { folder: work, key });

  expect(await readdir(work)).toEqual([stored.contentId]);
  expect(await readFile(stored.blob, "utf8")).toBe("alphabeta");
  const signed = new Uint8Array(await readFile(join(stored.folder, "manifest")));
  expect(signed).toEqual(stored.signed);
  const verified = verifySignedManifest(signed, stored.contentId, [key.key], manifestCrypto);
  expect(verified).toEqual({ ok: true, value: stored.manifest });
  expect(stored.wasThere).toBe(false);
});

test("a content that is there already is kept as it is", async () => {
  const first = await writeBlob(join(folder, "package"), OPTIONS, { folder: work, key });
  await writeFile(join(first.folder, "mark"), "");

  const second = await writeBlob(join(folder, "package"), OPTIONS, { folder: work, key });

  expect(second).toEqual({ ...first, wasThere: true });
  expect((await readdir(first.folder)).sort()).toEqual(["content", "manifest", "mark"]);
  expect(await readdir(work)).toEqual([first.contentId]);
});

test("nothing remains of a package whose reading failed", async () => {
  const onBytes = () => {
    throw new Error("interrupted");
  };
  const written = writeBlob(
    join(folder, "package"),
    { ...OPTIONS, onBytes },
    { folder: work, key },
  );
  await expect(written).rejects.toThrow("interrupted");
  expect(await readdir(work)).toEqual([]);
});

test("a folder inside the package is refused", async () => {
  const inside = join(folder, "package", "work");
  const written = writeBlob(join(folder, "package"), OPTIONS, { folder: inside, key });
  await expect(written).rejects.toMatchObject({ code: "work-folder-inside-package" });
  expect(await readdir(join(folder, "package"))).toEqual(["a", "b"]);
});

test("a folder that is no folder is refused", async () => {
  await writeFile(work, "");
  const written = writeBlob(join(folder, "package"), OPTIONS, { folder: work, key });
  await expect(written).rejects.toMatchObject({ code: "work-folder-unusable" });
});

test("an action that devices would refuse is refused here", async () => {
  const action = { command: "a\0b", arguments: [], exitCodes: [0] };
  const written = writeBlob(join(folder, "package"), { ...OPTIONS, action }, { folder: work, key });
  await expect(written).rejects.toMatchObject({ code: "package-refused" });
  expect(await readdir(work)).toEqual([]);
});

test("what a crash left behind a day ago is removed, what may be under way is not", async () => {
  for (const name of [".partial-old", ".partial-new"]) {
    await mkdir(join(work, name), { recursive: true });
    await writeFile(join(work, name, "content"), "half");
  }
  await utimes(join(work, ".partial-old", "content"), 1_000, 1_000);

  const { contentId } = await writeBlob(join(folder, "package"), OPTIONS, { folder: work, key });

  expect((await readdir(work)).sort()).toEqual([".partial-new", contentId]);
});
