import { Bitset } from "../base/bitset.ts";
import type { ContentId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { Manifest } from "../content/manifest.ts";
import type {
  CacheLimits,
  HeldContent,
  PieceRange,
  StorageInput,
  StorageOutbox,
} from "../effects/storage.ts";
import type { Matter } from "./matter.ts";

type Stored = {
  readonly signed: Uint8Array;
  readonly manifest: Manifest;
  /** By index; what is not held is absent. */
  readonly pieces: (Uint8Array | undefined)[];
  finished: boolean;
};

/** A change of the disk that is not durable before the device has been told so. */
type Write = {
  readonly answer: StorageInput | undefined;
  readonly pieceBytes: number;
  readonly undo: () => void;
};

/** Most changes by which nobody waits for an answer that are not durable yet. */
const UNANSWERED_MAX = 4;

/**
 * A device's content store in memory. What it answered for survives a power cut; of what it did not
 * answer for yet, the last changes may be gone.
 */
export class SimStore implements StorageOutbox {
  readonly #matter: Matter;
  readonly #contents = new Map<ContentId, Stored>();
  readonly #delivered = new Set<ContentId>();
  readonly #writes: Write[] = [];
  /** Whether the disk has no room for anything more. */
  full = false;
  /** How often a piece was hashed again. */
  rechecks = 0;
  /** What must not be let go of, as the brain last said. */
  protectedIds: readonly ContentId[] = [];
  /** What the cache is to keep to, as the brain last said; it never needs room here. */
  limits: CacheLimits | undefined;
  /** What the brain has asked to be remembered; survives a crash. */
  readonly remembered: Map<string, Uint8Array> = new Map();
  /** Carries an answer to the device that is running, after the time the disk takes. */
  answer: (input: StorageInput) => void = () => {};

  constructor(matter: Matter) {
    this.#matter = matter;
  }

  /** What survives a crash. */
  held(): readonly HeldContent[] {
    return [...this.#contents].map(([contentId, { signed, pieces, finished, manifest }]) => {
      const set = new Bitset(manifest.pieces.length);
      for (const [piece, bytes] of pieces.entries()) if (bytes !== undefined) set.add(piece);
      const delivered = this.#delivered.has(contentId);
      return { contentId, manifest: signed, pieces: set.toBytes(), finished, delivered };
    });
  }

  isFinished(contentId: ContentId): boolean {
    return this.#contents.get(contentId)?.finished ?? false;
  }

  /** Puts a whole content there, as a publication does. */
  fill(contentId: ContentId, signed: Uint8Array, pieces: readonly Uint8Array[]): void {
    const decoded = this.#matter.readManifest(signed);
    if (!decoded.ok) return;
    const { manifest } = decoded.value;
    this.#contents.set(contentId, { signed, manifest, pieces: [...pieces], finished: true });
  }

  createContent(contentId: ContentId, signed: Uint8Array): void {
    const decoded = this.#matter.readManifest(signed);
    if (!decoded.ok) {
      const problem = "the manifest is not acceptable";
      this.answer({ kind: "content-refused", contentId, cause: "manifest", problem });
      return;
    }
    const { manifest } = decoded.value;
    if (this.full) {
      this.answer({ kind: "content-refused", contentId, cause: "disk", problem: FULL_PROBLEM });
      return;
    }
    if (!this.#contents.has(contentId)) {
      this.#contents.set(contentId, { signed, manifest, pieces: [], finished: false });
    }
    const pieces = this.#piecesOf(contentId);
    this.#write({ kind: "content-created", contentId, pieces }, () => {
      const created = this.#contents.get(contentId);
      if (created?.pieces.every((bytes) => bytes === undefined)) this.#contents.delete(contentId);
    });
  }

  storePiece(contentId: ContentId, piece: number, bytes: Uint8Array): void {
    const stored = this.#contents.get(contentId);
    const wanted = stored?.manifest.pieces[piece];
    if (stored === undefined || wanted === undefined) return;
    const kept = this.#matter.verified(wanted, bytes);
    if (kept === undefined) {
      const problem = "the piece does not verify";
      this.answer({ kind: "piece-rejected", contentId, piece, cause: "mismatch", problem });
      return;
    }
    if (this.full) {
      const problem = FULL_PROBLEM;
      this.answer({ kind: "piece-rejected", contentId, piece, cause: "disk", problem });
      return;
    }
    const before = stored.pieces[piece];
    stored.pieces[piece] = kept;
    const undo = (): void => {
      stored.pieces[piece] = before;
    };
    this.#write({ kind: "piece-stored", contentId, piece }, undo, bytes.length);
  }

  readPiece(ticket: number, contentId: ContentId, range: PieceRange): void {
    const piece = this.#contents.get(contentId)?.pieces[range.piece];
    const end = range.offsetBytes + range.lengthBytes;
    const whole = piece?.length === range.lengthBytes;
    const bytes = whole ? piece : piece?.subarray(range.offsetBytes, end);
    this.answer({ kind: "piece-read", ticket, bytes });
  }

  finishContent(contentId: ContentId): void {
    const stored = this.#contents.get(contentId);
    if (stored === undefined) return;
    const { pieces, manifest } = stored;
    let whole = true;
    for (const [piece, wanted] of manifest.pieces.entries()) {
      const bytes = pieces[piece];
      if (bytes !== undefined && this.#matter.verified(wanted, bytes) !== undefined) continue;
      pieces[piece] = undefined;
      whole = false;
    }
    if (!whole) {
      const held = this.#piecesOf(contentId);
      const problem = "the complete transfer does not verify";
      this.answer({ kind: "content-unfinished", contentId, pieces: held, problem });
      return;
    }
    const wasDelivered = this.#delivered.has(contentId);
    stored.finished = true;
    this.#delivered.add(contentId);
    this.#write({ kind: "content-finished", contentId }, () => {
      stored.finished = false;
      if (!wasDelivered) this.#delivered.delete(contentId);
    });
  }

  recheckPiece(contentId: ContentId, piece: number): void {
    this.rechecks += 1;
    const stored = this.#contents.get(contentId);
    const bytes = stored?.pieces[piece];
    const wanted = stored?.manifest.pieces[piece];
    const intact =
      bytes !== undefined &&
      wanted !== undefined &&
      this.#matter.verified(wanted, bytes) !== undefined;
    if (!intact && stored !== undefined) stored.pieces[piece] = undefined;
    this.answer({ kind: "piece-rechecked", contentId, piece, intact });
  }

  /** The simulated disk never needs room: contents go when a test says so. */
  protectContents(contentIds: readonly ContentId[]): void {
    this.protectedIds = contentIds;
  }

  limitCache(limits: CacheLimits): void {
    this.limits = limits;
  }

  purge(contentId: ContentId): void {
    this.evict(contentId);
  }

  /** Lets go of the pieces of a content. */
  evict(contentId: ContentId): void {
    const stored = this.#contents.get(contentId);
    if (stored === undefined) return;
    stored.pieces.length = 0;
    stored.finished = false;
    this.answer({ kind: "content-evicted", contentId });
  }

  /** Flips a bit of a piece that is held, as a disk does. */
  rot(contentId: ContentId, piece: number): void {
    const stored = this.#contents.get(contentId);
    const bytes = stored?.pieces[piece]?.slice();
    if (stored === undefined || bytes === undefined) return;
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    stored.pieces[piece] = bytes;
  }

  /** What the disk holds of a piece. */
  bytesOf(contentId: ContentId, piece: number): Uint8Array | undefined {
    return this.#contents.get(contentId)?.pieces[piece];
  }

  /** The device has been told something: what was done before that is durable. */
  onTold(input: StorageInput): void {
    const at = this.#writes.findIndex(({ answer }) => answer === input);
    if (at >= 0) this.#writes.splice(0, at + 1);
  }

  /**
   * The power goes: of the last changes that nobody was told of, some were made and some not. A
   * piece that was half written does not stand in the index, and so was not.
   *
   * @returns How many changes are gone.
   */
  cutPower(prng: Prng): number {
    const lost = prng.below(this.#writes.length + 1);
    const writes = this.#writes.splice(0);
    for (const { undo } of writes.slice(writes.length - lost).reverse()) undo();
    return lost;
  }

  /** Bytes of pieces that it was given and has not answered for. */
  get waitingBytes(): number {
    return this.#writes.reduce((bytes, write) => bytes + write.pieceBytes, 0);
  }

  /** Whether a content has been handed over. */
  isDelivered(contentId: ContentId): boolean {
    return this.#delivered.has(contentId);
  }

  remember(name: string, bytes: Uint8Array): void {
    const before = this.remembered.get(name);
    this.remembered.set(name, bytes);
    this.#writes.push({
      answer: undefined,
      pieceBytes: 0,
      undo: () => {
        if (before === undefined) this.remembered.delete(name);
        else this.remembered.set(name, before);
      },
    });
    // Nobody is told when it is durable: the latest few may not be.
    while (this.#writes.length > UNANSWERED_MAX && this.#writes[0]?.answer === undefined) {
      this.#writes.shift();
    }
  }

  #piecesOf(contentId: ContentId): Uint8Array {
    const pieces = this.held().find((held) => held.contentId === contentId)?.pieces;
    return pieces ?? new Uint8Array(0);
  }

  #write(answer: StorageInput, undo: () => void, pieceBytes = 0): void {
    this.#writes.push({ answer, pieceBytes, undo });
    this.answer(answer);
  }
}

const FULL_PROBLEM = "the disk has no room";
