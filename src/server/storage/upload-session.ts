import { createHash, type Hash } from "node:crypto";
import { equalBytes } from "../../base/bytes.ts";
import { PIECE_BYTES_MAX } from "../../content/chunker.ts";
import type { Manifest } from "../../content/manifest.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { BlobStorage, Writing } from "./blob-storage.ts";

/** What an upload writes through. */
export type SessionParts = {
  readonly storage: BlobStorage;
  readonly manifest: Manifest;
  readonly writing: Writing;
  /** Notes down, durably, how far the storage is. */
  readonly save: (writing: Writing) => Promise<void>;
};

/**
 * The bytes of one package on their way: each piece is verified as it comes, and parts that end with
 * a piece go to the storage. In memory there is at most one part.
 */
export class UploadSession {
  readonly #parts: SessionParts;
  readonly #partBytes: number;
  #writing: Writing;
  #pending: Uint8Array = new Uint8Array();
  #pendingBytes = 0;
  #pieceIndex: number;
  #pieceBytes = 0;
  #pieceHash: Hash = createHash("sha256");
  /** Of all bytes; absent where some of them came before a restart. */
  #whole: Hash | undefined;

  constructor(parts: SessionParts) {
    const { manifest, writing, storage } = parts;
    this.#parts = parts;
    this.#writing = writing;
    this.#partBytes = storage.partBytes(manifest.sizeBytes);
    this.#whole = writing.doneBytes === 0 ? createHash("sha256") : undefined;
    const next = manifest.pieces.findIndex((piece) => piece.offsetBytes >= writing.doneBytes);
    this.#pieceIndex = next < 0 ? manifest.pieces.length : next;
  }

  /** How many bytes have come. */
  get haveBytes(): number {
    return this.#writing.doneBytes + this.#pendingBytes;
  }

  /** How far the storage is. */
  get writing(): Writing {
    return this.#writing;
  }

  get isWhole(): boolean {
    return this.#writing.doneBytes === this.#parts.manifest.sizeBytes;
  }

  /**
   * Whether the whole is what the manifest says, as far as it is known from what came.
   *
   * @returns `undefined` where it can only be found out by reading it all.
   */
  isRight(): boolean | undefined {
    const { sha256 } = this.#parts.manifest;
    return this.#whole && equalBytes(new Uint8Array(this.#whole.copy().digest()), sha256);
  }

  /**
   * Takes the next bytes.
   *
   * @throws RequestRefused `upload-wrong-bytes` or `upload-too-long`: the upload is worth nothing;
   * and as the storage does.
   */
  async take(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const piece = this.#parts.manifest.pieces[this.#pieceIndex];
      if (piece === undefined) throw tooLong(this.#parts.manifest);
      const some = bytes.subarray(at, at + piece.sizeBytes - this.#pieceBytes);
      this.#keep(some);
      at += some.length;
      if (this.#pieceBytes < piece.sizeBytes) continue;
      const digest = new Uint8Array(this.#pieceHash.digest());
      if (!equalBytes(digest, piece.sha256)) throw wrongBytes(piece.offsetBytes);
      this.#pieceHash = createHash("sha256");
      this.#pieceBytes = 0;
      this.#pieceIndex += 1;
      const isLast = this.#pieceIndex === this.#parts.manifest.pieces.length;
      if (isLast || this.#pendingBytes >= this.#partBytes) await this.#flush();
    }
  }

  #keep(some: Uint8Array): void {
    if (this.#pending.length === 0) {
      const left = this.#parts.manifest.sizeBytes - this.#writing.doneBytes;
      this.#pending = new Uint8Array(Math.min(left, this.#partBytes + PIECE_BYTES_MAX));
    }
    this.#pending.set(some, this.#pendingBytes);
    this.#pendingBytes += some.length;
    this.#pieceHash.update(some);
    this.#whole?.update(some);
    this.#pieceBytes += some.length;
  }

  async #flush(): Promise<void> {
    const { storage, save } = this.#parts;
    const part = this.#pending.subarray(0, this.#pendingBytes);
    const writing = await storage.append(this.#writing, part);
    await save(writing);
    this.#writing = writing;
    this.#pendingBytes = 0;
    this.#pending = new Uint8Array();
  }
}

/** What is told to whoever sends other bytes than the manifest says. */
function wrongBytes(offsetBytes: number): RequestRefused {
  const detail =
    `The bytes from ${offsetBytes} on are not those that the manifest says: has the package changed ` +
    "since it was signed? What was uploaded of it has been removed: publish it again.";
  return new RequestRefused(422, "upload-wrong-bytes", detail);
}

function tooLong({ sizeBytes }: Manifest): RequestRefused {
  const detail =
    `More was sent than the ${sizeBytes} bytes that the manifest says. What was uploaded of it has ` +
    "been removed: publish it again.";
  return new RequestRefused(422, "upload-too-long", detail);
}
