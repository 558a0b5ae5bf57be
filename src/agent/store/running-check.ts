import { Delivery } from "./delivery.ts";
import { readFully } from "./disk.ts";
import type { StoreParts } from "./store-parts.ts";
import { blobPath, openFlags, pieceOf, type StoredContent } from "./stored-content.ts";
import { FileSplitter, TransferCheck } from "./transfer-check.ts";

/** What a check of a content works with. */
export type CheckParts = Pick<StoreParts, "deliveryFolder" | "handles" | "deliveryTurn">;

/**
 * Reads a content back from the disk from its beginning on, as far as its pieces are held, checks it
 * and builds what is to be handed over. It runs along with the download, so that behind the last
 * piece little is left to do. One pass: what is handed over is what was checked.
 */
export class RunningCheck {
  readonly #content: StoredContent;
  readonly #parts: CheckParts;
  readonly #check: TransferCheck;
  readonly #splitter: FileSplitter;
  readonly #buffer: Uint8Array;
  #delivery: Delivery | undefined;
  #doneBytes = 0;
  /** Pieces before this one are held, and end at `#heldBytes`. */
  #nextPiece = 0;
  #heldBytes = 0;
  #running: Promise<void> | undefined;
  #error: unknown;
  #stopped = false;

  constructor(content: StoredContent, parts: CheckParts) {
    this.#content = content;
    this.#parts = parts;
    this.#check = new TransferCheck(content.manifest);
    this.#splitter = new FileSplitter(content.manifest.files);
    this.#buffer = new Uint8Array(Math.min(CHUNK_BYTES, content.manifest.sizeBytes));
  }

  /** It met an error of the disk on its way, and cannot go on. */
  get failed(): boolean {
    return this.#error !== undefined;
  }

  /** Goes on, in the background, with what has become held. */
  advance(): void {
    if (this.#running !== undefined || this.failed || this.#stopped) return;
    if (!this.#moreIsHeld()) return;
    this.#running = this.#run()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#running = undefined;
        this.advance();
      });
  }

  /**
   * Checks the rest and hands everything over. All pieces are held.
   *
   * @returns What is wrong, as a sentence; `undefined` where all is right and in its place.
   * @throws What the disk refuses with.
   */
  async finish(): Promise<string | undefined> {
    try {
      while (this.#running !== undefined) await this.#running;
      if (this.failed) throw this.#error;
      if (this.#moreIsHeld()) await this.#run();
      const problem = this.#check.problem() ?? (await this.#problemOfLength());
      if (problem !== undefined) return problem;
      const delivery = await this.#begun();
      await this.#parts.deliveryTurn.run(() => delivery.complete());
      return undefined;
    } finally {
      await this.abandon();
    }
  }

  /** Ends it because the disk needs the room: whoever finishes the content begins anew. */
  async giveUp(): Promise<void> {
    await this.abandon();
    this.#error ??= new Error("The disk had no room for it.");
  }

  /** Ends it, and removes what it has built. */
  async abandon(): Promise<void> {
    this.#stopped = true;
    while (this.#running !== undefined) await this.#running;
    await this.#delivery?.abandon();
    this.#delivery = undefined;
  }

  /** Reads what is held behind what is done. Returns at its end, or when it is stopped. */
  async #run(): Promise<void> {
    const delivery = await this.#begun();
    while (this.#moreIsHeld() && !this.#stopped && !this.#content.removed) {
      const lengthBytes = Math.min(this.#buffer.length, this.#heldBytes - this.#doneBytes);
      const chunk = this.#buffer.subarray(0, lengthBytes);
      const readBytes = await this.#parts.handles.use(
        blobPath(this.#content),
        openFlags(this.#content),
        (file) => readFully(file, chunk, this.#doneBytes),
      );
      // A file that is too short has the wrong bytes behind its end, whichever they are.
      chunk.fill(0, readBytes);
      this.#check.addWhole(chunk);
      for (const part of this.#splitter.parts(chunk)) {
        this.#check.addPart(part);
        await delivery.add(part);
      }
      this.#doneBytes += lengthBytes;
    }
  }

  /** Keeps the error for whoever finishes the content, and nothing of what has been built. */
  async #fail(error: unknown): Promise<void> {
    this.#error = error;
    await this.#delivery?.abandon();
    this.#delivery = undefined;
  }

  async #begun(): Promise<Delivery> {
    this.#delivery ??= await Delivery.begin(this.#parts.deliveryFolder, this.#content);
    return this.#delivery;
  }

  #moreIsHeld(): boolean {
    const { held } = this.#content;
    while (held.has(this.#nextPiece) && this.#nextPiece < held.size) {
      this.#heldBytes += pieceOf(this.#content, this.#nextPiece)?.sizeBytes ?? 0;
      this.#nextPiece += 1;
    }
    return this.#heldBytes > this.#doneBytes;
  }

  /** A file that is longer than it should be would be handed over with its tail. */
  async #problemOfLength(): Promise<string | undefined> {
    const { sizeBytes } = this.#content.manifest;
    const thereBytes = await this.#parts.handles.use(
      blobPath(this.#content),
      openFlags(this.#content),
      async (file) => (await file.stat()).size,
    );
    return thereBytes === sizeBytes ? undefined : `It has ${thereBytes} bytes, not ${sizeBytes}.`;
  }
}

/** The checks that run along with downloads. */
export class RunningChecks {
  readonly #checks = new Map<StoredContent, RunningCheck>();
  readonly #parts: CheckParts;

  constructor(parts: CheckParts) {
    this.#parts = parts;
  }

  /** More of a content is held. */
  onHeld(content: StoredContent): void {
    if (content.finished || content.removed) return;
    let check = this.#checks.get(content);
    if (check === undefined) {
      check = new RunningCheck(content, this.#parts);
      this.#checks.set(content, check);
    }
    check.advance();
  }

  /** The disk has no room for a piece of a content: what has been built of it goes. */
  onNoRoom(content: StoredContent): void {
    // Its own errors it keeps for whoever finishes the content.
    this.#checks
      .get(content)
      ?.giveUp()
      .catch(() => undefined);
  }

  /** The check of a content, to be finished or abandoned by whoever takes it. */
  async take(content: StoredContent): Promise<RunningCheck> {
    const check = this.#checks.get(content);
    this.#checks.delete(content);
    if (check !== undefined && !check.failed) return check;
    await check?.abandon();
    return new RunningCheck(content, this.#parts);
  }

  /** Ends the check of a content: what it has read is not so any more. */
  async drop(content: StoredContent): Promise<void> {
    const check = this.#checks.get(content);
    this.#checks.delete(content);
    await check?.abandon();
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await Promise.all([...this.#checks.keys()].map((content) => this.drop(content)));
  }
}

/** How much is read and hashed at a time: half a millisecond's work with SHA extensions. */
const CHUNK_BYTES = 1_048_576;
