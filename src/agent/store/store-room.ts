import { stat } from "node:fs/promises";
import type { Manifest } from "../../content/manifest.ts";
import { freeBytesOf } from "./disk.ts";
import { Serial } from "./serial.ts";
import type { StoredContent } from "./stored-content.ts";

/**
 * Says before a content is begun whether the disk has room for all of it.
 *
 * Node cannot reserve blocks, and to write zeros first would write everything twice. So the files
 * are sparse, and what is promised to them and not yet written is counted here.
 */
export class StoreRoom {
  readonly #folder: string;
  readonly #deliveryFolder: string;
  readonly #spareBytes: number;
  readonly #turn = new Serial();
  /** What contents need that have been admitted and are not yet in the store. */
  #admittedBytes = 0;

  constructor(options: {
    readonly folder: string;
    readonly deliveryFolder: string;
    /** What must stay free on the disk. */
    readonly spareBytes: number;
  }) {
    this.#folder = options.folder;
    this.#deliveryFolder = options.deliveryFolder;
    this.#spareBytes = options.spareBytes;
  }

  /**
   * Runs `make`, which puts a content into the store, if there is room for the content.
   *
   * @param stored - What the store has, which may still need room.
   * @param handedOver - Whether the content will also be handed over.
   * @returns A sentence about the room that lacks; `undefined` where `make` has run.
   */
  async admit(
    wanted: { readonly manifest: Manifest; readonly handedOver: boolean },
    stored: () => Iterable<StoredContent>,
    make: () => Promise<void>,
  ): Promise<string | undefined> {
    const { sizeBytes } = wanted.manifest;
    const problem = await this.#turn.run(async () => {
      const lacking = await this.#problem(wanted, stored());
      if (lacking === undefined) this.#admittedBytes += sizeBytes;
      return lacking;
    });
    if (problem !== undefined) return problem;
    try {
      await make();
    } finally {
      this.#admittedBytes -= sizeBytes;
    }
    return undefined;
  }

  async #problem(
    { manifest, handedOver }: { readonly manifest: Manifest; readonly handedOver: boolean },
    stored: Iterable<StoredContent>,
  ): Promise<string | undefined> {
    let promisedBytes = this.#admittedBytes;
    for (const content of stored) promisedBytes += content.missingBytes;
    const copyBytes = handedOver && manifest.files.length > 1 ? manifest.sizeBytes : 0;
    const together = await this.#onOneDisk();
    const storeBytes = manifest.sizeBytes + (together ? copyBytes : 0) + promisedBytes;
    return (
      (await this.#lack(this.#folder, storeBytes)) ??
      (together ? undefined : await this.#lack(this.#deliveryFolder, copyBytes))
    );
  }

  async #lack(folder: string, neededBytes: number): Promise<string | undefined> {
    const freeBytes = await freeBytesOf(folder);
    if (neededBytes + this.#spareBytes <= freeBytes) return undefined;
    return (
      `The disk of ${folder} has no room: ${neededBytes} bytes are needed and ` +
      `${this.#spareBytes} must stay free, but only ${freeBytes} are free.`
    );
  }

  async #onOneDisk(): Promise<boolean> {
    return (await stat(this.#folder)).dev === (await stat(this.#deliveryFolder)).dev;
  }
}
