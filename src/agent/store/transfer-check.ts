import { createHash, type Hash } from "node:crypto";
import { equalBytes } from "../../base/bytes.ts";
import type { Manifest, ManifestFile } from "../../content/manifest.ts";

/** Bytes of one file, as they lie in the complete transfer. */
export type FilePart = {
  readonly file: ManifestFile;
  readonly bytes: Uint8Array;
  /** The part ends the file. */
  readonly last: boolean;
};

/**
 * Splits the complete transfer, which is all files one behind the other, at the files' ends.
 * Files without bytes have no part.
 */
export class FileSplitter {
  readonly #files: readonly ManifestFile[];
  #index = 0;
  #fileBytesDone = 0;

  constructor(files: readonly ManifestFile[]) {
    this.#files = files.filter((file) => file.sizeBytes > 0);
  }

  /** Takes the next bytes of the transfer. Bytes behind the last file are dropped. */
  *parts(bytes: Uint8Array): Generator<FilePart, void> {
    for (let at = 0; at < bytes.length; ) {
      const file = this.#files[this.#index];
      if (file === undefined) return;
      const take = Math.min(bytes.length - at, file.sizeBytes - this.#fileBytesDone);
      this.#fileBytesDone += take;
      const last = this.#fileBytesDone === file.sizeBytes;
      if (last) {
        this.#index += 1;
        this.#fileBytesDone = 0;
      }
      yield { file, bytes: bytes.subarray(at, at + take), last };
      at += take;
    }
  }
}

/** Checks the complete transfer and each of its files against the manifest, in one pass. */
export class TransferCheck {
  readonly #manifest: Manifest;
  readonly #total: Hash = createHash("sha256");
  #file: Hash = createHash("sha256");
  #wrongFile: ManifestFile | undefined;
  #bytes = 0;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    const empty = createHash("sha256").digest();
    this.#wrongFile = manifest.files.find(
      (file) => file.sizeBytes === 0 && !equalBytes(file.sha256, empty),
    );
  }

  /** Takes the next bytes of the transfer, as they lie. */
  addWhole(bytes: Uint8Array): void {
    this.#total.update(bytes);
    this.#bytes += bytes.length;
  }

  /** Takes the next bytes of a file. */
  addPart({ file, bytes, last }: FilePart): void {
    // With a single file, the hash of the whole is that of the file.
    if (this.#manifest.files.length === 1) return;
    this.#file.update(bytes);
    if (!last) return;
    if (!equalBytes(this.#file.digest(), file.sha256)) this.#wrongFile ??= file;
    this.#file = createHash("sha256");
  }

  /** What is wrong with what came, as a sentence; `undefined` where all is as it should be. */
  problem(): string | undefined {
    const { sizeBytes, sha256, files } = this.#manifest;
    if (this.#bytes !== sizeBytes) return `It has ${this.#bytes} bytes instead of ${sizeBytes}.`;
    const total = this.#total.digest();
    const only = files.length === 1 ? files[0] : undefined;
    const wrong = only && !equalBytes(total, only.sha256) ? only : this.#wrongFile;
    if (wrong !== undefined) return `The file ${JSON.stringify(wrong.path)} has the wrong bytes.`;
    return equalBytes(total, sha256) ? undefined : "The complete transfer has the wrong bytes.";
  }
}
