import { setImmediate } from "node:timers/promises";
import { equalBytes } from "../../base/bytes.ts";
import { MIB } from "../../base/units.ts";
import type { ManifestPiece } from "../../content/manifest.ts";
import { diskProblem, sha256, writeTogether } from "./disk.ts";
import type { HandleCache } from "./handle-cache.ts";
import type { RecentPieces } from "./recent-pieces.ts";
import type { StoreIndex } from "./store-index.ts";
import {
  blobPath,
  hold,
  pieceOf,
  type StorageReport,
  type StoredContent,
} from "./stored-content.ts";

/** How long pieces are gathered before they are written... */
const GATHER_MS = 100;

/** ... unless there are so many bytes of them. */
const GATHERED_BYTES_MAX: number = 4 * MIB;

/** A piece whose bytes are to be kept. */
export type PieceToStore = {
  readonly content: StoredContent;
  readonly piece: number;
  readonly bytes: Uint8Array;
};

/**
 * Writes pieces so that a piece counts only when nothing can take it away any more: verified in
 * memory, written, the file synced, and then noted in the index; only then is it reported.
 *
 * A sync costs the same for one piece as for many, and whoever hears of pieces has as much to do for
 * one as for many. So all that came since the last batch began makes up the next one, which begins a
 * tenth of a second later, or as soon as there is much of it.
 */
export class PieceWriter {
  readonly #index: StoreIndex;
  readonly #handles: HandleCache;
  readonly #batchBytesMax: number;
  readonly #report: StorageReport;
  readonly #recent: RecentPieces;
  readonly #onHeld: (content: StoredContent) => void;
  readonly #onNoRoom: (content: StoredContent) => void;
  #queue: PieceToStore[] = [];
  #batch: Promise<void> | undefined;
  #begunAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: {
    readonly index: StoreIndex;
    readonly handles: HandleCache;
    /** Most bytes of a batch, unless its first piece alone has more. */
    readonly batchBytesMax: number;
    /** Keeps at hand what has been stored. */
    readonly recent: RecentPieces;
    /** Told what became of each piece. */
    readonly report: StorageReport;
    /** Told that more of a content is held. */
    readonly onHeld: (content: StoredContent) => void;
    /** Told that the disk did not take a piece of a content. */
    readonly onNoRoom: (content: StoredContent) => void;
  }) {
    this.#index = parts.index;
    this.#handles = parts.handles;
    this.#batchBytesMax = parts.batchBytesMax;
    this.#recent = parts.recent;
    this.#report = parts.report;
    this.#onHeld = parts.onHeld;
    this.#onNoRoom = parts.onNoRoom;
  }

  /** Takes a piece. */
  push(job: PieceToStore): void {
    this.#queue.push(job);
    this.#plan();
  }

  /** Waits until the batch under way, if there is one, is over. */
  async settled(): Promise<void> {
    await this.#batch;
  }

  /** Waits until nothing is left to write. */
  async drained(): Promise<void> {
    while (this.#batch !== undefined || this.#queue.length > 0) {
      if (this.#batch === undefined) this.#startBatch();
      await this.#batch;
    }
  }

  /**
   * Writes, syncs and notes pieces that have been verified.
   *
   * @throws What the disk or the index refuses with; then none of them counts.
   */
  async keep(content: StoredContent, jobs: readonly PieceToStore[]): Promise<void> {
    await this.#handles.use(blobPath(content), "r+", async (file) => {
      for (const { offsetBytes, parts } of runsOf(content, jobs)) {
        await writeTogether(file, parts, offsetBytes);
      }
      await file.datasync();
    });
    await this.#index.addPieces(
      jobs.map(({ piece }) => ({
        contentId: content.contentId,
        piece,
        sha256: pieceOf(content, piece)?.sha256 ?? new Uint8Array(),
      })),
    );
    for (const { piece } of jobs) hold(content, piece);
  }

  /** Begins the next batch, or sees to it that it begins in time. */
  #plan(): void {
    if (this.#batch !== undefined || this.#queue.length === 0) return;
    const waitMs = this.#begunAtMs + GATHER_MS - performance.now();
    const queuedBytes = this.#queue.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (waitMs <= 0 || queuedBytes >= GATHERED_BYTES_MAX) this.#startBatch();
    else this.#timer ??= setTimeout(() => this.#startBatch(), waitMs);
  }

  #startBatch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#begunAtMs = performance.now();
    this.#batch = this.#commit(this.#takeBatch()).finally(() => {
      this.#batch = undefined;
      this.#plan();
    });
  }

  #takeBatch(): readonly PieceToStore[] {
    let bytes = 0;
    const beyond = this.#queue.findIndex((job, index) => {
      bytes += job.bytes.length;
      return index > 0 && bytes > this.#batchBytesMax;
    });
    return this.#queue.splice(0, beyond < 0 ? this.#queue.length : beyond);
  }

  async #commit(batch: readonly PieceToStore[]): Promise<void> {
    const sound = await this.#verify(batch);
    const groups = new Map<StoredContent, PieceToStore[]>();
    for (const job of sound) {
      const group = groups.get(job.content) ?? [];
      groups.set(job.content, group);
      group.push(job);
    }
    await Promise.all([...groups].map(([content, jobs]) => this.#commitContent(content, jobs)));
  }

  async #commitContent(content: StoredContent, jobs: readonly PieceToStore[]): Promise<void> {
    const { contentId } = content;
    try {
      await this.keep(content, jobs);
    } catch (error) {
      const problem = diskProblem("write a piece", error);
      this.#onNoRoom(content);
      for (const { piece } of jobs) {
        this.#report({ kind: "piece-rejected", contentId, piece, cause: "disk", problem });
      }
      return;
    }
    for (const { piece, bytes } of jobs) {
      this.#recent.add(content, piece, bytes);
      this.#report({ kind: "piece-stored", contentId, piece });
    }
    this.#onHeld(content);
  }

  /** The pieces of a batch whose bytes are right and that are not held yet. */
  async #verify(batch: readonly PieceToStore[]): Promise<PieceToStore[]> {
    const sound: PieceToStore[] = [];
    let hashedBytes = 0;
    for (const job of batch) {
      const { content, piece, bytes } = job;
      const { contentId } = content;
      const problem = problemOf(job);
      if (problem !== undefined) {
        this.#report({ kind: "piece-rejected", contentId, piece, ...problem });
      } else if (content.held.has(piece)) {
        this.#report({ kind: "piece-stored", contentId, piece });
      } else {
        sound.push(job);
      }
      hashedBytes += bytes.length;
      if (hashedBytes < HASHED_BYTES_MAX) continue;
      // Others on this thread have packets to answer.
      hashedBytes = 0;
      await setImmediate();
    }
    return sound;
  }
}

/** How much is hashed before others on this thread get their turn: about a millisecond's work. */
const HASHED_BYTES_MAX: number = MIB;

/** Bytes that are one behind the other in a file. */
type Run = { readonly offsetBytes: number; readonly parts: Uint8Array[]; endBytes: number };

/** Pieces that follow each other are written in one call. */
function runsOf(content: StoredContent, jobs: readonly PieceToStore[]): readonly Run[] {
  const runs: Run[] = [];
  for (const { piece, bytes } of jobs.toSorted((a, b) => a.piece - b.piece)) {
    const { offsetBytes = 0 } = pieceOf(content, piece) ?? {};
    const last = runs.at(-1);
    if (last?.endBytes === offsetBytes) {
      last.parts.push(bytes);
      last.endBytes += bytes.length;
    } else {
      runs.push({ offsetBytes, parts: [bytes], endBytes: offsetBytes + bytes.length });
    }
  }
  return runs;
}

type Rejection = { readonly cause: "mismatch" | "disk"; readonly problem: string };

function problemOf({ content, piece, bytes }: PieceToStore): Rejection | undefined {
  const expected: ManifestPiece | undefined = pieceOf(content, piece);
  if (content.removed) return { cause: "disk", problem: "The content has been removed." };
  if (expected === undefined) {
    return { cause: "mismatch", problem: `The content has no piece ${piece}.` };
  }
  const right = bytes.length === expected.sizeBytes && equalBytes(sha256(bytes), expected.sha256);
  return right ? undefined : { cause: "mismatch", problem: `Piece ${piece} has the wrong bytes.` };
}
