import { randomBytes } from "node:crypto";
import { OperatorError } from "../../runtime/operator-error.ts";

/**
 * Where packages lie: each as one blob, the complete transfer, under the name that devices ask for.
 *
 * What is being written is nobody's to read until it is finished, and of two that write under one
 * name neither sees the other. Names are 64 hexadecimal digits, and nothing else gets here.
 *
 * Every implementation must pass `blobStorageContract` in `blob-storage.contract.ts`. All of them
 * throw `OperatorError` (`storage-unusable`, `storage-full`) where the storage does not do its part.
 */
export type BlobStorage = {
  /** How long a finished blob is, in bytes; `undefined` where there is none of this name. */
  sizeOf(name: BlobName): Promise<number | undefined>;

  /**
   * Reads a range of a finished blob, as parts of bounded size. The range must lie within it.
   *
   * @throws OperatorError `blob-missing` where there is none, or it is shorter.
   */
  read(name: BlobName, range: ByteRange): AsyncIterable<Uint8Array>;

  /** Begins to write a blob of this size. */
  begin(name: BlobName, sizeBytes: number): Promise<Writing>;

  /**
   * Writes what comes next, and gives what to go on with, also after a crash: when it resolves,
   * the bytes are durable. All parts but the last are of `partBytes(sizeBytes)`.
   */
  append(writing: Writing, bytes: Uint8Array): Promise<Writing>;

  /** Whether all that was written is still there to go on with. */
  isThere(writing: Writing): Promise<boolean>;

  /** Shows a blob that has been written as a whole, under its name; done again, it is no mistake. */
  finish(writing: Writing): Promise<void>;

  /** Forgets what has been written and was not finished; does nothing where it is gone. */
  abandon(writing: Writing): Promise<void>;

  /** Removes a finished blob; does nothing where there is none. */
  remove(name: BlobName): Promise<void>;

  /** How many bytes one part of a blob of this size has. */
  partBytes(sizeBytes: number): number;

  close(): Promise<void>;
};

/** Some bytes of a blob. */
export type ByteRange = { readonly offsetBytes: number; readonly lengthBytes: number };

declare const brand: unique symbol;

/** The name of a blob: 64 lower-case hexadecimal digits, which no path and no URL can mistake. */
export type BlobName = string & { readonly [brand]: "BlobName" };

/** Reads a name, refusing anything that is not 64 lower-case hexadecimal digits. */
export function parseBlobName(text: string): BlobName | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? (text as BlobName) : undefined;
}

/** A name that nobody has. */
export function randomBlobName(): BlobName {
  return randomBytes(32).toString("hex") as BlobName;
}

/** A blob that is being written: plain data, so that it can be gone on with after a restart. */
export type Writing = {
  readonly name: BlobName;
  readonly sizeBytes: number;
  readonly doneBytes: number;
  /** By which the storage knows it. */
  readonly mark: string;
  /** What the storage was told of each part, where it wants to hear it again. */
  readonly parts: readonly string[];
};

/** The usual size of a part: what is lost at most when the server is killed. */
export const PART_BYTES: number = 8 * 1024 * 1024;

/** Most bytes of what `read` gives at a time. */
export const READ_BYTES_MAX: number = 256 * 1024;

/** The error about a blob that is not there, or shorter than it should be. */
export function blobMissing(name: BlobName): OperatorError {
  const sentence = `The file storage does not have the package ${name}: publish it again.`;
  return new OperatorError("blob-missing", sentence);
}
