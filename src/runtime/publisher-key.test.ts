import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  loadPublisher,
  loadPublisherKey,
  newPublisherKey,
  verifySignature,
} from "./publisher-key.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "branchline-key-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("a new key signs, and the publisher file holds what checks its signatures", async () => {
  const made = await newPublisherKey(join(folder, "acme"));
  const key = await loadPublisherKey(join(folder, "acme.key"));
  const publisher = await loadPublisher(join(folder, "acme.publisher"));
  const message = new Uint8Array([1, 2, 3]);

  const signature = key.sign(message);

  expect(publisher).toEqual(made);
  expect(publisher).toEqual({ name: "acme", key: key.key });
  expect(verifySignature(publisher.key, message, signature)).toBe(true);
  expect(verifySignature(publisher.key, new Uint8Array([1, 2, 4]), signature)).toBe(false);
  expect(verifySignature(new Uint8Array(31), message, signature)).toBe(false);
  expect(verifySignature(publisher.key, message, signature.subarray(1))).toBe(false);
});

test("only its owner can read a secret key", async () => {
  await newPublisherKey(join(folder, "acme"));
  expect((await stat(join(folder, "acme.key"))).mode & 0o777).toBe(0o600);
});

test.each([["acme.key"], ["acme.publisher"]])("%s is never overwritten", async (name) => {
  await writeFile(join(folder, name), "precious");

  const made = newPublisherKey(join(folder, "acme"));

  await expect(made).rejects.toMatchObject({ code: "publisher-exists" });
  expect(await readFile(join(folder, name), "utf8")).toBe("precious");
  const other = name === "acme.key" ? "acme.publisher" : "acme.key";
  await expect(stat(join(folder, other))).rejects.toMatchObject({ code: "ENOENT" });
});

test("a name that is more than a word, or a folder that is not there, is refused", async () => {
  const spaced = newPublisherKey(join(folder, "a b"));
  await expect(spaced).rejects.toMatchObject({ code: "publisher-name" });
  const nowhere = newPublisherKey(join(folder, "none", "acme"));
  await expect(nowhere).rejects.toMatchObject({ code: "publisher-unwritable" });
});

test("a missing or damaged file is refused with its path", async () => {
  const path = join(folder, "acme");
  const named = (code: string) => ({ code, message: expect.stringContaining(path) });
  await expect(loadPublisherKey(path)).rejects.toMatchObject(named("publisher-key-missing"));
  await expect(loadPublisher(path)).rejects.toMatchObject(named("publisher-missing"));

  await writeFile(`${path}.key`, "-----BEGIN PRIVATE KEY-----\nrubbish\n");
  await expect(loadPublisherKey(path)).rejects.toMatchObject(named("publisher-key-damaged"));
  for (const text of ["", "acme", "acme AAAA", `acme ${"A".repeat(43)}= more`, "a b c\nd e"]) {
    await writeFile(`${path}.publisher`, text);
    const loaded = loadPublisher(`${path}.publisher`);
    await expect(loaded).rejects.toMatchObject(named("publisher-damaged"));
  }
});
