import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { blobStorageContract } from "./blob-storage.contract.ts";
import type { BlobName } from "./blob-storage.ts";
import { parseBlobName } from "./blob-storage.ts";
import { DirectoryStorage } from "./directory-storage.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-storage-"));
  await mkdir(join(folder, "packages"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

blobStorageContract("a directory", () =>
  Promise.resolve({
    open: () => DirectoryStorage.open(join(folder, "packages")),
    isEmpty: async () => (await readdir(join(folder, "packages"))).length === 0,
  }),
);

describe("A4: a directory is refused, saying what to do,", () => {
  test.each([
    ["that is not absolute", () => "packages", /absolute/],
    ["that is not there", () => join(folder, "b"), /make it first/],
    ["that is a file", () => join(folder, "file"), /make it first/],
    ["with something else in it", () => folder, /"(file|packages)".*empty directory/],
    ["with a name that ends early", () => "/tmp/a\0b", /absolute/],
  ])("%s", async (_what, path, sentence) => {
    await writeFile(join(folder, "file"), "");

    const opening = DirectoryStorage.open(path());

    await expect(opening).rejects.toMatchObject({ code: "storage-directory" });
    await expect(opening).rejects.toThrow(sentence);
    expect((await readdir(folder)).toSorted()).toEqual(["file", "packages"]);
  });

  test("that goes away later", async () => {
    const storage = await DirectoryStorage.open(join(folder, "packages"));
    await rm(join(folder, "packages"), { recursive: true });

    const beginning = storage.begin("00".repeat(32) as BlobName, 5);

    await expect(beginning).rejects.toMatchObject({ code: "storage-unusable" });
  });
});

test.each(["", "..", "../../etc/passwd", "/etc/passwd", "A".repeat(64), `${"a".repeat(63)}/`])(
  "%j is no name of a blob",
  (name) => {
    expect(parseBlobName(name)).toBeUndefined();
  },
);
