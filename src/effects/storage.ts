import type { ContentId } from "../base/ids.ts";

/**
 * The device's content store as an effect: one folder of contents, of which only what has been
 * verified and synced to disk counts.
 */

/** What the store holds of a content. */
export type HeldContent = {
  readonly contentId: ContentId;
  /** The signed manifest, as it travels. */
  readonly manifest: Uint8Array;
  /** A bitset over the pieces. */
  readonly pieces: Uint8Array;
  /** Whether the complete transfer has been verified. */
  readonly finished: boolean;
  /**
   * Whether it has been handed over; on the device that published it only once it is deployed. One
   * that is delivered and of which nothing is held has been let go of since then.
   */
  readonly delivered: boolean;
};

/** What the store tells a machine. `problem` is a sentence for the operator. */
export type StorageInput =
  /** `createContent` is done: what is held of it from the start, from this or other contents. */
  | {
      readonly kind: "content-created";
      readonly contentId: ContentId;
      readonly pieces: Uint8Array;
    }
  /** The content cannot be kept: its manifest is not acceptable, or the disk has no room. */
  | {
      readonly kind: "content-refused";
      readonly contentId: ContentId;
      readonly cause: "manifest" | "disk";
      readonly problem: string;
    }
  /** A piece is verified, written and synced. */
  | { readonly kind: "piece-stored"; readonly contentId: ContentId; readonly piece: number }
  /** A piece does not count: its bytes were wrong, or could not be written. */
  | {
      readonly kind: "piece-rejected";
      readonly contentId: ContentId;
      readonly piece: number;
      readonly cause: "mismatch" | "disk";
      readonly problem: string;
    }
  /** What `readPiece` asked for; `undefined` where it could not be read. */
  | {
      readonly kind: "piece-read";
      readonly ticket: number;
      readonly bytes: Uint8Array | undefined;
    }
  /** Every file and the complete transfer are verified, and the content has been handed over. */
  | { readonly kind: "content-finished"; readonly contentId: ContentId }
  /**
   * The complete transfer did not verify or could not be handed over. Pieces that were found
   * wrong are no longer held; `pieces` says which are.
   */
  | {
      readonly kind: "content-unfinished";
      readonly contentId: ContentId;
      readonly pieces: Uint8Array;
      readonly problem: string;
    }
  /** Answers `recheckPiece`: whether the piece on disk is still what it should be. */
  | {
      readonly kind: "piece-rechecked";
      readonly contentId: ContentId;
      readonly piece: number;
      readonly intact: boolean;
    }
  /** The cache has let go of a content, by age, for room, or because the operator asked. */
  | { readonly kind: "content-evicted"; readonly contentId: ContentId };

/** A part of a piece. */
export type PieceRange = {
  readonly piece: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
};

/** What a cache must keep to; what is absent it keeps to as its own settings say. */
export type CacheLimits = {
  /** How long a content may lie unused, in days; 0: for ever. */
  readonly maxAgeDays?: number;
  /** How much of its disk the cache may take. */
  readonly diskPercent?: number;
  /** What it leaves free on its disk, in MiB. */
  readonly minFreeMib?: number;
  /** Whether a new content begins with the pieces of it that other contents have. */
  readonly reusesPieces: boolean;
};

/** What a machine may ask of the store; each is answered by an input. */
export type StorageOutbox = {
  /**
   * Checks a signed manifest (its id, its publisher's signature) and makes room for its content.
   */
  createContent(contentId: ContentId, manifest: Uint8Array): void;

  /** Verifies a piece and keeps it. The machine no longer touches `bytes`. */
  storePiece(contentId: ContentId, piece: number, bytes: Uint8Array): void;

  /** Reads a range of a piece that is held. */
  readPiece(ticket: number, contentId: ContentId, range: PieceRange): void;

  /** Verifies the complete transfer and hands it over. All pieces are held. */
  finishContent(contentId: ContentId): void;

  /** Lets go of what is held of a content, protected or not; `content-evicted` answers. */
  purge(contentId: ContentId): void;

  /** Hashes a piece that is held once more; one that is wrong is no longer held afterwards. */
  recheckPiece(contentId: ContentId, piece: number): void;

  /** Says which contents the cache must not let go of; replaces what was said before. */
  protectContents(contentIds: readonly ContentId[]): void;

  /** Has the cache keep to other limits from now on, and lets go of what is beyond them. */
  limitCache(limits: CacheLimits): void;

  /** Keeps `bytes` under a short name over restarts; the latest word on a name counts. */
  remember(name: string, bytes: Uint8Array): void;
};
