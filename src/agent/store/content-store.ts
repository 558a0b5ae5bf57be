import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ContentId } from "../../base/ids.ts";
import { MIB } from "../../base/units.ts";
import type { Manifest } from "../../content/manifest.ts";
import { verifySignedManifest } from "../../content/signed-manifest.ts";
import type { HeldContent, StorageOutbox } from "../../effects/storage.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { manifestCrypto } from "../../runtime/publisher-key.ts";
import { importBlob } from "./blob-import.ts";
import { addContent, CONTENTS, discardContent, loadContents } from "./content-folders.ts";
import { recoverDeliveries } from "./delivery.ts";
import { diskProblem, errorCode, readFully } from "./disk.ts";
import { finishContent } from "./finish.ts";
import { HandleCache } from "./handle-cache.ts";
import { PieceWriter } from "./piece-writer.ts";
import { Serial } from "./serial.ts";
import { copySharedPieces } from "./shared-pieces.ts";
import { StoreIndex } from "./store-index.ts";
import type { StoreParts } from "./store-parts.ts";
import { StoreRoom } from "./store-room.ts";
import {
  blobPath,
  openFlags,
  pieceOf,
  type StorageReport,
  type StoredContent,
} from "./stored-content.ts";

/** What a store is opened with. */
export type ContentStoreOptions = {
  /** The store's own folder; made where it is not there. */
  readonly folder: string;
  /** Where contents are handed over, as `<name>/<version>/...`; made where it is not there. */
  readonly deliveryFolder: string;
  /** The publishers that this device accepts: Ed25519 public keys, 32 bytes each. */
  readonly pinnedPublishers: readonly Uint8Array[];
  /** Told what became of each request. Must not throw. */
  readonly onInput: StorageReport;
  readonly limits?: Partial<ContentStoreLimits>;
};

/** Bounds of a store. */
export type ContentStoreLimits = {
  /** How many files of contents may be open at a time. */
  readonly openFilesMax: number;
  /** Most bytes of pieces that are synced together. */
  readonly batchBytesMax: number;
  /** What a new content must leave free on the disk. */
  readonly spareBytes: number;
};

/** The bounds that hold where an option is not given. */
export const CONTENT_STORE_LIMITS: ContentStoreLimits = {
  openFilesMax: 64,
  batchBytesMax: 8 * MIB,
  spareBytes: 32 * MIB,
};

/**
 * The device's contents on disk: `<folder>/contents/<contentId>/content` (the complete transfer,
 * with each piece at its offset) and `manifest`, and `<folder>/index.sqlite`, which alone says what
 * is held. A crash or power loss at any moment loses at most what had not been reported.
 *
 * Requests return at once and are answered through `onInput`; nothing is answered after `close`.
 */
export class ContentStore implements StorageOutbox {
  readonly #options: ContentStoreOptions;
  readonly #parts: StoreParts;
  readonly #room: StoreRoom;
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
      const store = new ContentStore(options, index);
      for (const content of await loadContents(folder, index, options.pinnedPublishers)) {
        store.#contents.set(content.contentId, content);
      }
      return store;
    } catch (error) {
      await index?.close();
      throw unusable(folder, error);
    }
  }

  private constructor(options: ContentStoreOptions, index: StoreIndex) {
    const limits = { ...CONTENT_STORE_LIMITS, ...options.limits };
    const { folder, deliveryFolder } = options;
    const { batchBytesMax } = limits;
    const handles = new HandleCache(limits.openFilesMax);
    const report = options.onInput;
    const writer = new PieceWriter({ index, handles, batchBytesMax, report });
    const deliveryTurn = new Serial();
    this.#options = options;
    this.#parts = { folder, deliveryFolder, index, handles, writer, deliveryTurn, batchBytesMax };
    this.#room = new StoreRoom({ folder, deliveryFolder, spareBytes: limits.spareBytes });
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

  createContent(contentId: ContentId, manifest: Uint8Array): void {
    void this.#inTurn(contentId, () => this.#create(contentId, manifest));
  }

  storePiece(contentId: ContentId, piece: number, bytes: Uint8Array): void {
    const content = this.#contents.get(contentId);
    if (this.#closed) return;
    if (content !== undefined) {
      this.#parts.writer.push({ content, piece, bytes });
      return;
    }
    const problem = "The content is not in the store.";
    this.#options.onInput({ kind: "piece-rejected", contentId, piece, cause: "disk", problem });
  }

  readPiece(
    ticket: number,
    contentId: ContentId,
    range: { readonly piece: number; readonly offsetBytes: number; readonly lengthBytes: number },
  ): void {
    void this.#track(async () => {
      const bytes = await this.#read(this.#contents.get(contentId), range);
      this.#options.onInput({ kind: "piece-read", ticket, bytes });
    });
  }

  finishContent(contentId: ContentId): void {
    void this.#inTurn(contentId, () => this.#finish(contentId));
  }

  recheckPiece(_contentId: ContentId, _piece: number): void {}

  protectContents(_contentIds: readonly ContentId[]): void {}

  remember(_name: string, _bytes: Uint8Array): void {}

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
        await importBlob({ content, blob, onBytes }, this.#parts);
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
    this.#closed = true;
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
    await this.#parts.writer.drained();
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
    let content = this.#contents.get(contentId);
    if (content !== undefined) return { content };
    try {
      const problem = await this.#room.admit(
        { manifest, handedOver },
        () => this.#contents.values(),
        async () => {
          content = await addContent(this.#parts.folder, this.#parts.index, {
            contentId,
            manifest,
            // The machine's bytes may be a view of much more.
            signed: signed.slice(),
          });
          if (handedOver) await copySharedPieces(content, this.#contents, this.#parts);
          this.#contents.set(contentId, content);
        },
      );
      if (content === undefined) return { problem: problem ?? "" };
      return { content };
    } catch (error) {
      const problem = diskProblem("begin the content", error);
      if (content !== undefined) await this.#removeIfPossible(content);
      return { problem };
    }
  }

  async #finish(contentId: ContentId): Promise<void> {
    const { onInput } = this.#options;
    const content = this.#contents.get(contentId);
    const problem =
      content === undefined
        ? "The content is not in the store."
        : await finishContent(content, this.#parts);
    if (problem === undefined) {
      onInput({ kind: "content-finished", contentId });
      return;
    }
    const pieces = content?.held.toBytes() ?? new Uint8Array();
    onInput({ kind: "content-unfinished", contentId, pieces, problem });
  }

  async #remove(content: StoredContent): Promise<void> {
    content.removed = true;
    this.#contents.delete(content.contentId);
    // A batch that began before the mark may still write.
    await this.#parts.writer.settled();
    const { folder, index, handles } = this.#parts;
    await handles.forget(blobPath(content));
    await discardContent(folder, index, content.contentId);
    // A read that came in between has opened the file again.
    await handles.forget(blobPath(content));
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
    range: { readonly piece: number; readonly offsetBytes: number; readonly lengthBytes: number },
  ): Promise<Uint8Array | undefined> {
    const piece = content && pieceOf(content, range.piece);
    const { offsetBytes, lengthBytes } = range;
    if (content === undefined || piece === undefined || !content.held.has(range.piece)) {
      return undefined;
    }
    if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes + lengthBytes > piece.sizeBytes) {
      return undefined;
    }
    try {
      return await this.#parts.handles.use(blobPath(content), openFlags(content), async (file) => {
        const bytes = new Uint8Array(lengthBytes);
        const readBytes = await readFully(file, bytes, piece.offsetBytes + offsetBytes);
        // It may have been removed or found damaged while the read was under way.
        const sound = !content.removed && content.held.has(range.piece);
        return sound && readBytes === lengthBytes ? bytes : undefined;
      });
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
    await this.#track(() => turn.run(task));
    if (turn.idle) this.#turns.delete(contentId);
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

function unusable(folder: string, error: unknown): unknown {
  if (errorCode(error) === undefined || !(error instanceof Error)) return error;
  return new OperatorError(
    "store-unusable",
    `The content store ${folder} cannot be opened: ${error.message}. Check the folder's ` +
      "permissions and the free space on its disk.",
    { cause: error },
  );
}
