import { createHash, type Hash } from "node:crypto";
import { Chunker } from "../../content/chunker.ts";
import type { Manifest, ManifestPiece } from "../../content/manifest.ts";

/** Cuts the complete transfer into pieces and hashes them and the whole, as its bytes come. */
export class TransferBuilder {
  readonly #chunker = new Chunker();
  readonly #total: Hash = createHash("sha256");
  readonly #pieces: ManifestPiece[] = [];
  #piece: Hash = createHash("sha256");
  #pieceStartBytes = 0;
  #doneBytes = 0;

  /** How many bytes have come. */
  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Takes the next bytes; does not keep them. */
  add(bytes: Uint8Array): void {
    this.#total.update(bytes);
    let from = 0;
    for (const cut of this.#chunker.feed(bytes)) {
      this.#piece.update(bytes.subarray(from, cut));
      this.#endPiece(this.#doneBytes + cut);
      from = cut;
    }
    this.#piece.update(bytes.subarray(from));
    this.#doneBytes += bytes.length;
  }

  /** What the manifest says of the transfer, all of which has come. */
  finish(): Pick<Manifest, "sizeBytes" | "sha256" | "pieces"> {
    if (this.#chunker.pendingBytes > 0) this.#endPiece(this.#doneBytes);
    return {
      sizeBytes: this.#doneBytes,
      sha256: new Uint8Array(this.#total.digest()),
      pieces: this.#pieces,
    };
  }

  #endPiece(endBytes: number): void {
    const offsetBytes = this.#pieceStartBytes;
    const sha256 = new Uint8Array(this.#piece.digest());
    this.#pieces.push({ offsetBytes, sizeBytes: endBytes - offsetBytes, sha256 });
    this.#piece = createHash("sha256");
    this.#pieceStartBytes = endBytes;
  }
}
