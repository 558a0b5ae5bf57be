import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Bitset } from "../../base/bitset.ts";
import type { ContentId } from "../../base/ids.ts";
import type { Manifest } from "../../content/manifest.ts";
import { verifySignedManifest } from "../../content/signed-manifest.ts";
import type { CacheLimits, HeldContent, PieceRange, StorageOutbox } from "../../effects/storage.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { manifestCrypto } from "../../runtime/publisher-key.ts";
import { importBlob } from "./blob-import.ts";
import { type CacheEntry, cacheEntry } from "./cache-entry.ts";
import {
  addContent,
  CONTENTS,
  type ContentRecord,
  discardContent,
  evictContent,
  loadContents,
  type NewContent,
} from "./content-folders.ts";
import { recoverDeliveries } from "./delivery.ts";
import { diskProblem, errorCode, readFully, storeUnusable } from "./disk.ts";
import { finishContent, recheckPiece } from "./finish.ts";
import { HandleCache } from "./handle-cache.ts";
import { MEMORY, Memory } from "./memory.ts";
import { PieceWriter } from "./piece-writer.ts";
import { RecentPieces } from "./recent-pieces.ts";
import { RunningChecks } from "./running-check.ts";
import { Seals } from "./seal.ts";
import { Serial } from "./serial.ts";
import { copySharedPieces } from "./shared-pieces.ts";
import { StoreIndex } from "./store-index.ts";
import { CONTENT_STORE_LIMITS, type ContentStoreOptions } from "./store-options.ts";
import type { StoreParts } from "./store-parts.ts";
import { StoreRoom } from "./store-room.ts";
import { blobPath, openFlags, pieceOf, type StoredContent } from "./stored-content.ts";
import { recordUse } from "./use-record.ts";

/** How often the limits are looked at, in milliseconds. */
const ENFORCE_MS = 60_000;

/**
 * The device's contents on disk: `<folder>/contents/<contentId>/content` (the complete transfer,
 * with each piece at its offset) and `manifest`, and `<folder>/index.sqlite`, which alone says what
 * is held. What the brain asked to be remembered lies in `<folder>/memory`. A crash or power loss at any moment loses at most what had not been reported.
 *
 * Requests return at once and are answered through `onInput`; nothing is answered after `close`.
 */
export class ContentStore implements StorageOutbox {
  readonly #options: ContentStoreOptions;
  readonly #parts: StoreParts;
  readonly #room: StoreRoom;
  readonly #recent = new RecentPieces();
  readonly #memory: Memory;
  readonly #seals: Seals;
  readonly #nowMs: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #contents = new Map<ContentId, StoredContent>();
  /** What is done to one content is done in order. */
  readonly #turns = new Map<ContentId, Serial>();
  readonly #tasks = new Set<Promise<unknown>>();
  #closed = false;

  /**
   * Opens a store, and removes from it what a crash has left half-done.
   *
   * @throws OperatorError `store-in-use`, `store-damaged`, `store-too-new`, `store-unusable`.
   */
  static async open(options: ContentStoreOptions): Promise<ContentStore> {
    const { folder, deliveryFolder } = options;
    let index: StoreIndex | undefined;
    try {
      await mkdir(join(folder, CONTENTS), { recursive: true, mode: 0o700 });
      await mkdir(deliveryFolder, { recursive: true });
      index = StoreIndex.open(folder);
      await recoverDeliveries(deliveryFolder);
      const memory = await Memory.open(join(folder, MEMORY));
      const store = new ContentStore(options, index, memory);
      for (const content of await loadContents(folder, index, options.pinnedPublishers)) {
        store.#contents.set(content.contentId, content);
      }
      return store;
    } catch (error) {
      await index?.close();
      throw storeUnusable(folder, error);
    }
  }

  private constructor(options: ContentStoreOptions, index: StoreIndex, memory: Memory) {
    const limits = { ...CONTENT_STORE_LIMITS, ...options.limits };
    const { folder, deliveryFolder, nowMs = Date.now } = options;
    const { batchBytesMax } = limits;
    const handles = new HandleCache(limits.openFilesMax);
    const report = options.onInput;
    const deliveryTurn = new Serial();
    const checks = new RunningChecks({ deliveryFolder, handles, deliveryTurn });
    const onHeld = (content: StoredContent): void => checks.onHeld(content);
    const onNoRoom = (content: StoredContent): void => checks.onNoRoom(content);
    const told = { recent: this.#recent, report, onHeld, onNoRoom };
    const writer = new PieceWriter({ index, handles, batchBytesMax, ...told });
    this.#options = options;
    this.#memory = memory;
    this.#seals = new Seals(nowMs);
    this.#nowMs = nowMs;
    const shared = { folder, deliveryFolder, index, handles, batchBytesMax };
    this.#parts = { ...shared, writer, checks, deliveryTurn };
    const contents = (): Iterable<StoredContent> => this.#contents.values();
    const evict = (content: StoredContent): Promise<boolean> => this.#evictIfIdle(content);
    this.#room = new StoreRoom({ folder, deliveryFolder, limits, nowMs, contents, evict });
    this.#timer = setInterval(() => this.#enforceLimits(), ENFORCE_MS);
  }

  /** What the store holds. */
  held(): readonly HeldContent[] {
    return [...this.#contents.values()].map(({ contentId, signed, held, ...state }) => ({
      contentId,
      manifest: signed,
      pieces: held.toBytes(),
      finished: state.finished,
      delivered: state.delivered,
    }));
  }

  /** What has been remembered, by name. */
  get remembered(): ReadonlyMap<string, Uint8Array> {
    return this.#memory.all;
  }

  /** What lies in the cache, for the operator. */
  cacheEntries(): readonly CacheEntry[] {
    return [...this.#contents.values()].map((content) =>
      cacheEntry(content, this.#room.whyKept(content)),
    );
  }

  /** How many more bytes of contents the store would take without letting go of any. */
  async usableBytes(): Promise<number> {
    return await this.#room.usableBytes();
  }

  createContent(contentId: ContentId, manifest: Uint8Array): void {
    void this.#inTurn(contentId, () => this.#create(contentId, manifest));
  }

  storePiece(contentId: ContentId, piece: number, bytes: Uint8Array): void {
    const content = this.#contents.get(contentId);
    if (this.#closed) return;
    if (content !== undefined && !content.evicted) {
      this.#touch(content);
      this.#parts.writer.push({ content, piece, bytes });
      return;
    }
    const problem = "The content is not in the store.";
    this.#options.onInput({ kind: "piece-rejected", contentId, piece, cause: "disk", problem });
  }

  readPiece(ticket: number, contentId: ContentId, range: PieceRange): void {
    const content = this.#closed ? undefined : this.#contents.get(contentId);
    const recent = this.#recent.read(content, range);
    if (content !== undefined && recent !== undefined) {
      this.#touch(content);
      this.#options.onInput({ kind: "piece-read", ticket, bytes: recent });
      return;
    }
    void this.#track(async () => {
      const bytes = await this.#read(content, range);
      this.#options.onInput({ kind: "piece-read", ticket, bytes });
    });
  }

  finishContent(contentId: ContentId): void {
    void this.#inTurn(contentId, () => this.#finish(contentId));
  }

  recheckPiece(contentId: ContentId, piece: number): void {
    void this.#track(async () => {
      const content = this.#contents.get(contentId);
      const intact = content !== undefined && (await this.#recheck(content, piece));
      this.#options.onInput({ kind: "piece-rechecked", contentId, piece, intact });
    });
  }

  protectContents(contentIds: readonly ContentId[]): void {
    this.#room.protect(contentIds);
    this.#enforceLimits();
  }

  limitCache(limits: CacheLimits): void {
    this.#room.limit(limits);
    this.#enforceLimits();
  }

  remember(name: string, bytes: Uint8Array): void {
    if (this.#closed) return;
    const problem = this.#memory.remember(name, bytes);
    if (problem !== undefined) this.#options.onFault?.(new Error(problem));
  }

  /** Notes whether the operator wants a content kept. */
  pin(contentId: ContentId, pinned: boolean): void {
    const content = this.#contents.get(contentId);
    if (content === undefined || this.#closed) return;
    this.#parts.index.pin(contentId, pinned);
    content.pinned = pinned;
  }

  /** Lets go of a content at the operator's word. What has been handed over stays where it is. */
  async purge(contentId: ContentId): Promise<void> {
    const content = this.#contents.get(contentId);
    if (content !== undefined && !content.evicted) await this.#evict(content);
  }

  /** Keeps to the limits now: lets go of what is too old or has no room any more. */
  async enforceLimits(): Promise<void> {
    await this.#track(async () => {
      recordUse(this.#parts.index, this.#contents.values());
      await this.#room.enforce();
    });
  }

  /**
   * Takes in a content whose complete transfer lies in a file, as on the device that publishes it:
   * every piece and file is verified while it is copied. The content is then finished, but not
   * handed over, and nothing is told through `onInput`.
   *
   * @param onBytes - Told how many bytes have been taken in so far.
   * @throws OperatorError `manifest-refused`, `store-full`, `blob-damaged`, `store-unusable`.
   */
  async importContent(
    contentId: ContentId,
    signed: Uint8Array,
    blob: string,
    onBytes: (bytes: number) => void = () => {},
  ): Promise<void> {
    if (this.#closed) throw new OperatorError("store-closed", "The content store is closed.");
    await this.#inTurn(contentId, async () => {
      const manifest = this.#verify(contentId, signed);
      if (!manifest.ok) throw new OperatorError("manifest-refused", manifest.error);
      const known = this.#contents.get(contentId);
      const { content, problem } = await this.#add(contentId, manifest.value, signed, false);
      if (content === undefined) throw new OperatorError("store-full", problem);
      try {
        await this.#using(content, () => importBlob({ content, blob, onBytes }, this.#parts));
      } catch (error) {
        if (known === undefined) await this.#removeIfPossible(content);
        throw error;
      }
    });
  }

  /** Removes a content. What has been handed over stays where it is. */
  async removeContent(contentId: ContentId): Promise<void> {
    await this.#inTurn(contentId, async () => {
      const content = this.#contents.get(contentId);
      if (content !== undefined) await this.#remove(content);
    });
  }

  /** Ends everything that is under way, answers it, and lets go of the folder. */
  async close(): Promise<void> {
    if (this.#closed) return;
    clearInterval(this.#timer);
    this.#closed = true;
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
    await this.#parts.writer.drained();
    await this.#parts.checks.close();
    await this.#memory.close();
    await this.#parts.handles.close();
    await this.#parts.index.close();
  }

  async #create(contentId: ContentId, signed: Uint8Array): Promise<void> {
    const { onInput } = this.#options;
    const manifest = this.#verify(contentId, signed);
    if (!manifest.ok) {
      const problem = manifest.error;
      onInput({ kind: "content-refused", contentId, cause: "manifest", problem });
      return;
    }
    const { content, problem } = await this.#add(contentId, manifest.value, signed, true);
    if (content === undefined) {
      onInput({ kind: "content-refused", contentId, cause: "disk", problem });
      return;
    }
    onInput({ kind: "content-created", contentId, pieces: content.held.toBytes() });
  }

  /** Puts a content into the store, with the pieces that others share with it. */
  async #add(
    contentId: ContentId,
    manifest: Manifest,
    signed: Uint8Array,
    handedOver: boolean,
  ): Promise<
    | { readonly content: StoredContent; readonly problem?: never }
    | { readonly content?: never; readonly problem: string }
  > {
    const known = this.#contents.get(contentId);
    if (known !== undefined && !known.evicted) return { content: known };
    const record = { delivered: false, pinned: false, ...known, usedAtMs: this.#nowMs() };
    let content: StoredContent | undefined;
    try {
      const problem = await this.#room.admit({ manifest, handedOver }, async () => {
        // The machine's bytes may be a view of much more.
        const added = { contentId, manifest, signed: signed.slice() };
        content = await this.#begin(added, record);
        if (handedOver && this.#room.reusesPieces) {
          await copySharedPieces(content, this.#contents, this.#parts);
        }
        this.#touch(content);
        this.#contents.set(contentId, content);
        if (handedOver) this.#parts.checks.onHeld(content);
      });
      if (content === undefined) return { problem: problem ?? "" };
      return { content };
    } catch (error) {
      const problem = diskProblem("begin the content", error);
      if (content !== undefined) await this.#removeIfPossible(content);
      return { problem };
    }
  }

  async #begin(added: NewContent, record: ContentRecord): Promise<StoredContent> {
    return await addContent(this.#parts.folder, this.#parts.index, added, record);
  }

  async #finish(contentId: ContentId): Promise<void> {
    const { onInput } = this.#options;
    const content = this.#contents.get(contentId);
    const problem =
      content === undefined
        ? "The content is not in the store."
        : await this.#using(content, () => finishContent(content, this.#parts));
    if (problem === undefined) {
      onInput({ kind: "content-finished", contentId });
      return;
    }
    const pieces = content?.held.toBytes() ?? new Uint8Array();
    onInput({ kind: "content-unfinished", contentId, pieces, problem });
  }

  async #remove(content: StoredContent): Promise<void> {
    const { folder, index } = this.#parts;
    this.#contents.delete(content.contentId);
    await this.#discard(content, () => discardContent(folder, index, content.contentId));
  }

  /** The room never waits for what is under way: that may itself be waiting for room. */
  async #evictIfIdle(content: StoredContent): Promise<boolean> {
    if (this.#turns.has(content.contentId)) return false;
    await this.#evict(content);
    return true;
  }

  /** Lets go of a content. That it has been handed over is kept, so that it is not fetched again. */
  async #evict(content: StoredContent): Promise<void> {
    const { contentId } = content;
    const { index } = this.#parts;
    await this.#inTurn(contentId, async () => {
      if (this.#contents.get(contentId) !== content || content.evicted) return;
      try {
        if (content.delivered) {
          this.#contents.set(contentId, evictedForm(content));
          await this.#discard(content, () => evictContent(index, content));
        } else {
          await this.#remove(content);
        }
      } catch (error) {
        // The files are gone; the next start tells the index.
        if (errorCode(error) === undefined) throw error;
      }
      this.#options.onInput({ kind: "content-evicted", contentId });
    });
  }

  async #discard(content: StoredContent, discard: () => Promise<void>): Promise<void> {
    content.removed = true;
    const { handles, writer, checks } = this.#parts;
    // A batch that began before the mark may still write.
    await writer.settled();
    await checks.drop(content);
    await handles.forget(blobPath(content));
    await discard();
    // A read that came in between has opened the file again.
    await handles.forget(blobPath(content));
  }

  async #recheck(content: StoredContent, piece: number): Promise<boolean> {
    try {
      return await this.#using(content, () => recheckPiece(content, piece, this.#parts));
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return false;
    }
  }

  #enforceLimits(): void {
    this.enforceLimits().catch((error: unknown) => this.#options.onFault?.(error));
  }

  /** Works with a content that the cache must not let go of meanwhile. */
  async #using<T>(content: StoredContent, work: () => Promise<T>): Promise<T> {
    this.#touch(content);
    content.users += 1;
    try {
      return await work();
    } finally {
      content.users -= 1;
    }
  }

  #touch(content: StoredContent): void {
    content.usedAtMs = this.#nowMs();
    content.activeAtMs = content.usedAtMs;
  }

  /** Removes what could not be begun; a disk that refuses this too keeps it to the next start. */
  async #removeIfPossible(content: StoredContent): Promise<void> {
    try {
      await this.#remove(content);
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
    }
  }

  async #read(
    content: StoredContent | undefined,
    range: PieceRange,
  ): Promise<Uint8Array | undefined> {
    const piece = content && pieceOf(content, range.piece);
    const { offsetBytes, lengthBytes } = range;
    if (content === undefined || piece === undefined || !content.held.has(range.piece)) {
      return undefined;
    }
    if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes + lengthBytes > piece.sizeBytes) {
      return undefined;
    }
    const { handles } = this.#parts;
    try {
      return await this.#using(content, () =>
        handles.use(blobPath(content), openFlags(content), async (file) => {
          const bytes = new Uint8Array(lengthBytes);
          const readBytes = await readFully(file, bytes, piece.offsetBytes + offsetBytes);
          if (!(await this.#seals.isSound(content, range.piece, file))) return undefined;
          // It may have been removed or found damaged while the read was under way.
          const sound = !content.removed && content.held.has(range.piece);
          return sound && readBytes === lengthBytes ? bytes : undefined;
        }),
      );
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return undefined;
    }
  }

  #verify(contentId: ContentId, signed: Uint8Array): ReturnType<typeof verifySignedManifest> {
    return verifySignedManifest(signed, contentId, this.#options.pinnedPublishers, manifestCrypto);
  }

  async #inTurn(contentId: ContentId, task: () => Promise<void>): Promise<void> {
    const turn = this.#turns.get(contentId) ?? new Serial();
    this.#turns.set(contentId, turn);
    try {
      await this.#track(() => turn.run(task));
    } finally {
      if (turn.idle) this.#turns.delete(contentId);
    }
  }

  /** Runs a task that `close` waits for; none begins after `close`. */
  async #track(task: () => Promise<void>): Promise<void> {
    if (this.#closed) return;
    const running = task();
    this.#tasks.add(running);
    try {
      await running;
    } finally {
      this.#tasks.delete(running);
    }
  }
}

/** A content of which only the manifest is left, and that it has been handed over. */
function evictedForm(content: StoredContent): StoredContent {
  const held = new Bitset(content.held.size);
  return { ...content, held, missingBytes: 0, finished: false, evicted: true, users: 0 };
}
