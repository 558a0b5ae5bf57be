import { stat, statfs } from "node:fs/promises";
import type { ContentId } from "../../base/ids.ts";
import { MIB } from "../../base/units.ts";
import type { Manifest } from "../../content/manifest.ts";
import type { CacheLimits } from "../../effects/storage.ts";
import {
  type CachedContent,
  type CacheVerdict,
  judgeCache,
  type KeptBecause,
  whyKept,
} from "../../swarm/cache-policy.ts";
import { freeBytesOf } from "./disk.ts";
import { Serial } from "./serial.ts";
import { blobPath, HOUR_MS, type StoredContent } from "./stored-content.ts";

/** Bounds of what a store takes of the disk. */
export type RoomLimits = {
  /** What a new content must leave free on the disk. */
  readonly spareBytes: number;
  /** How much of the disk all contents together may take. */
  readonly diskPercent: number;
  /** The same in bytes, where that is less. */
  readonly cacheBytesMax: number;
  /** How long a content may lie unused, in milliseconds. */
  readonly ageMsMax: number;
  /** For how long after a read or a piece a content counts as in use, in milliseconds. */
  readonly quietMs: number;
  /** How long to wait, in milliseconds, for the first word on what others rely on. */
  readonly protectionWaitMs: number;
};

/** An age in days, in milliseconds; 0 days are for ever. */
export function ageMs(days: number): number {
  return days === 0 ? Number.POSITIVE_INFINITY : days * 24 * HOUR_MS;
}

/** What a room works with. */
export type RoomOptions = {
  readonly folder: string;
  readonly deliveryFolder: string;
  readonly limits: RoomLimits;
  readonly nowMs: () => number;
  /** What the store has. */
  readonly contents: () => Iterable<StoredContent>;
  /** Lets go of a content; answers at once with `false` where something is under way with it. */
  readonly evict: (content: StoredContent) => Promise<boolean>;
};

/**
 * Keeps the store within its limits: says before a content is begun whether there is room for all
 * of it, makes room where it may, and lets go of what is too old.
 *
 * Node cannot reserve blocks, and to write zeros first would write everything twice. So the files
 * are sparse, and what is promised to them and not yet written is counted here.
 */
export class StoreRoom {
  readonly #options: RoomOptions;
  #limits: RoomLimits;
  /** Whether a new content begins with the pieces of it that others have. */
  reusesPieces = true;
  readonly #turn = new Serial();
  readonly #openedAtMs: number;
  #protected: ReadonlySet<ContentId> | undefined;
  /** What contents need that have been admitted and are not yet in the store. */
  #admittedBytes = 0;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#openedAtMs = options.nowMs();
  }

  /** Keeps to other limits from now on; what they do not name is as it was at the start. */
  limit({ maxAgeDays, diskPercent, minFreeMib, reusesPieces }: CacheLimits): void {
    this.reusesPieces = reusesPieces;
    this.#limits = {
      ...this.#options.limits,
      ...(maxAgeDays === undefined ? {} : { ageMsMax: ageMs(maxAgeDays) }),
      ...(diskPercent === undefined ? {} : { diskPercent }),
      ...(minFreeMib === undefined ? {} : { spareBytes: minFreeMib * MIB }),
    };
  }

  /** Says which contents others rely on. */
  protect(contentIds: readonly ContentId[]): void {
    this.#protected = new Set(contentIds);
  }

  /** Why a content is kept, whatever room lacks; `undefined` where it may go. */
  whyKept(content: StoredContent): KeptBecause | undefined {
    return whyKept(this.#asCached(content, 0));
  }

  /**
   * Runs `make`, which puts a content into the store, if there is room for the content or room can
   * be made.
   *
   * @param handedOver - Whether the content will also be handed over.
   * @returns A sentence about the room that lacks; `undefined` where `make` has run.
   */
  async admit(
    wanted: { readonly manifest: Manifest; readonly handedOver: boolean },
    make: () => Promise<void>,
  ): Promise<string | undefined> {
    const { sizeBytes } = wanted.manifest;
    const problem = await this.#turn.run(async () => {
      const lacking = await this.#problem(wanted);
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

  /** Lets go of what is too old, and of what the limits and the disk have no room for any more. */
  async enforce(): Promise<void> {
    await this.#turn.run(async () => {
      await this.#judge(0, await this.#lackingBytes(0));
    });
  }

  /** How many more bytes of contents there is room for, without letting go of any. */
  async usableBytes(): Promise<number> {
    const { folder } = this.#options;
    const limits = this.#limits;
    const freeBytes = (await freeBytesOf(folder)) - limits.spareBytes - this.#promisedBytes();
    return Math.max(0, Math.min(freeBytes, (await this.#limitBytes()) - this.#usedBytes()));
  }

  async #problem({
    manifest,
    handedOver,
  }: {
    readonly manifest: Manifest;
    readonly handedOver: boolean;
  }): Promise<string | undefined> {
    const { folder, deliveryFolder } = this.#options;
    const copyBytes = handedOver && manifest.files.length > 1 ? manifest.sizeBytes : 0;
    const together = (await stat(folder)).dev === (await stat(deliveryFolder)).dev;
    if (!together) {
      const lack = await this.#lack(deliveryFolder, copyBytes);
      if (lack !== undefined) return lack;
    }
    const ownBytes = manifest.sizeBytes + (together ? copyBytes : 0);
    const neededBytes = manifest.sizeBytes + this.#admittedBytes;
    const verdict = await this.#judge(neededBytes, await this.#lackingBytes(ownBytes));
    if (verdict.excessBytes > 0) return await this.#limitSentence(manifest);
    return await this.#lack(folder, ownBytes + this.#promisedBytes());
  }

  async #judge(neededBytes: number, lackingBytes: number): Promise<CacheVerdict> {
    const { contents, evict, nowMs } = this.#options;
    const limits = this.#limits;
    const stored = [...contents()].filter((content) => !content.evicted);
    const cached = await Promise.all(
      stored.map(async (content) =>
        this.#asCached(content, lackingBytes > 0 ? await freedBytes(content) : 0),
      ),
    );
    const verdict = judgeCache(cached, {
      nowMs: nowMs(),
      ageMsMax: limits.ageMsMax,
      cacheBytesMax: await this.#limitBytes(),
      neededBytes,
      lackingBytes,
    });
    const gone = new Set(verdict.evict);
    let stayedBytes = 0;
    for (const content of stored.filter(({ contentId }) => gone.has(contentId))) {
      // Meanwhile somebody may have begun to use it.
      const went = this.whyKept(content) === undefined && (await evict(content));
      if (!went) stayedBytes += content.manifest.sizeBytes;
    }
    return { ...verdict, excessBytes: verdict.excessBytes + stayedBytes };
  }

  #asCached(content: StoredContent, freed: number): CachedContent {
    const { contentId, manifest, usedAtMs, pinned, users, finished } = content;
    const { nowMs } = this.#options;
    const limits = this.#limits;
    const quietMs = finished ? limits.quietMs : Math.max(limits.quietMs, UNFINISHED_QUIET_MS);
    const idleMs = nowMs() - content.activeAtMs;
    return {
      contentId,
      sizeBytes: manifest.sizeBytes,
      freedBytes: freed,
      lastUsedAtMs: usedAtMs,
      pinned,
      protected: this.#isProtected(contentId),
      inUse: users > 0 || (limits.quietMs > 0 && idleMs < quietMs),
    };
  }

  /** As long as nobody has said what others rely on, it may be anything. */
  #isProtected(contentId: ContentId): boolean {
    if (this.#protected !== undefined) return this.#protected.has(contentId);
    const { nowMs } = this.#options;
    const limits = this.#limits;
    return nowMs() - this.#openedAtMs < limits.protectionWaitMs;
  }

  /** What the disk lacks so that so much more can be written; below 0 where it lacks nothing. */
  async #lackingBytes(ownBytes: number): Promise<number> {
    const { folder } = this.#options;
    const limits = this.#limits;
    return ownBytes + this.#promisedBytes() + limits.spareBytes - (await freeBytesOf(folder));
  }

  #promisedBytes(): number {
    let promisedBytes = this.#admittedBytes;
    for (const content of this.#options.contents()) promisedBytes += content.missingBytes;
    return promisedBytes;
  }

  #usedBytes(): number {
    let usedBytes = this.#admittedBytes;
    for (const { evicted, manifest } of this.#options.contents()) {
      if (!evicted) usedBytes += manifest.sizeBytes;
    }
    return usedBytes;
  }

  async #limitBytes(): Promise<number> {
    const { folder } = this.#options;
    const limits = this.#limits;
    const { blocks, bsize } = await statfs(folder);
    return Math.min(limits.cacheBytesMax, Math.floor((blocks * bsize * limits.diskPercent) / 100));
  }

  async #limitSentence({ sizeBytes }: Manifest): Promise<string> {
    const limits = this.#limits;
    const limitBytes = await this.#limitBytes();
    const byDisk = limitBytes !== limits.cacheBytesMax;
    const which = byDisk
      ? `cache.disk_percent = ${limits.diskPercent}, or a profile's`
      : "cache.max_mib";
    const tooLow =
      byDisk && limits.diskPercent === 100
        ? "The disk itself is too small: put the data folder on a larger one."
        : "Raise that limit.";
    const inTheWay =
      sizeBytes > limitBytes
        ? tooLow
        : `Contents that have to stay take ${this.#usedBytes()} bytes: raise that limit, or ` +
          'unpin or purge contents ("branchline agent cache list" says why each is kept).';
    return (
      `The package needs ${sizeBytes} bytes, and the cache may take ${limitBytes} in all ` +
      `(${which}). ${inTheWay}`
    );
  }

  async #lack(folder: string, neededBytes: number): Promise<string | undefined> {
    const { spareBytes } = this.#limits;
    const freeBytes = await freeBytesOf(folder);
    if (neededBytes + spareBytes <= freeBytes) return undefined;
    return (
      `The disk of ${folder} has no room: ${neededBytes} bytes are needed and ` +
      `${spareBytes} must stay free, but only ${freeBytes} are free. Free some space.`
    );
  }
}

/** For how long a download that stands still counts as in use: a line may be cut for a while. */
const UNFINISHED_QUIET_MS = HOUR_MS;

/** What the disk gains when a content goes: nothing where its file has another name as well. */
async function freedBytes(content: StoredContent): Promise<number> {
  try {
    const { nlink } = await stat(blobPath(content));
    return nlink > 1 ? content.missingBytes : content.manifest.sizeBytes;
  } catch {
    return 0;
  }
}
