import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CONTENTS, type NewContent } from "../../src/agent/store/content-folders.ts";
import { sha256 } from "../../src/agent/store/disk.ts";
import { blobPath } from "../../src/agent/store/stored-content.ts";
import { contentIdOf } from "../../src/base/ids.ts";
import { invariant } from "../../src/base/invariant.ts";
import { MIB } from "../../src/base/units.ts";
import { readPackage } from "../../src/cli/packaging/read-package.ts";
import { decodeSignedManifest } from "../../src/content/manifest-codec.ts";
import { signManifest } from "../../src/content/signed-manifest.ts";
import { writeRandomFile } from "../content/random-file.ts";

/** A file of random bytes, and the signed manifest that cuts it into pieces. */
export type LanContent = {
  readonly folder: string;
  readonly file: string;
  readonly sizeBytes: number;
  readonly pieces: number;
  readonly sha256: Uint8Array;
};

/** What both ends must have been told. */
export const LAN_WORD = "lan";

/** The files of a content in its folder. */
export const fileOf = (folder: string): string => join(folder, "source.bin");
const manifestOf = (folder: string): string => join(folder, "source.manifest");

/** Makes a content as `branchline publish` would. */
export async function makeContent(folder: string, sizeBytes: number): Promise<LanContent> {
  const file = fileOf(folder);
  await writeRandomFile(file, sizeBytes);
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const publisher = new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  const words = { name: "lan", version: "1", type: "application" };
  const signedAtS = Math.floor(Date.now() / 1_000);
  const { manifest } = await readPackage(file, { ...words, signedAtS, publisher });
  const key = { sha256, sign: (message: Uint8Array) => sign(null, message, privateKey) };
  await writeFile(manifestOf(folder), signManifest(manifest, key).signed);
  const { pieces, sha256: whole } = manifest;
  return { folder, file, sizeBytes, pieces: pieces.length, sha256: whole };
}

/** Where the store of a receiver has a content. */
export async function blobOf(folder: string, store: string): Promise<string> {
  const { contentId } = await readContent(folder);
  return blobPath({ folder: join(store, CONTENTS, contentId) });
}

/** The content of a folder, as its manifest says. */
export async function readContent(folder: string): Promise<NewContent> {
  const signed = new Uint8Array(await readFile(manifestOf(folder)));
  const decoded = decodeSignedManifest(signed);
  invariant(decoded.ok, "the bench has made the manifest");
  const { manifest, body } = decoded.value;
  const contentId = contentIdOf(sha256(body));
  invariant(contentId !== undefined, "a SHA-256 has the length of a content id");
  return { contentId, manifest, signed };
}

/** Gives a file its size and its memory, so that nobody measures how fast the system finds pages. */
export async function preallocate(path: string, sizeBytes: number): Promise<void> {
  const zeros = new Uint8Array(MIB);
  await using file = await open(path, constants.O_WRONLY | constants.O_CREAT);
  for (let at = 0; at < sizeBytes; at += MIB) {
    await file.write(zeros, 0, Math.min(MIB, sizeBytes - at), at);
  }
}

/** SHA-256 of a whole file. */
export async function hashFile(path: string): Promise<Uint8Array> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path, { highWaterMark: MIB })) hash.update(bytes);
  return hash.digest();
}
