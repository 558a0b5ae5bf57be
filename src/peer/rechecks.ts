import type { ContentId, DeviceId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import type { Doubt } from "../wire/messages.ts";
import type { Act, Core } from "./core.ts";
import type { Link } from "./link.ts";

/** How many pieces are hashed again at a time. */
export const RECHECKS_MAX = 8;

/** How many wait for that. */
const WAITING_MAX = 256;

/** A piece is hashed again at most this often. */
export const RECHECK_US: number = 60 * SECOND;

/** Of how many pieces it is known when they were last hashed again. */
const RECENT_MAX = 4_096;

/** How many doubts a device may have in vain, and how long until it has one more. */
const IN_VAIN = { most: 16, oneUs: 10 * SECOND } as const;

/** How many doubters are known. */
const DOUBTERS_MAX = 1_024;

type Recheck = {
  readonly contentId: ContentId;
  readonly piece: number;
  /** Who doubts it; `undefined` where we do. */
  readonly doubter: DeviceId | undefined;
  readonly atUs: number;
};

/**
 * Hashes pieces of our own once more where somebody got wrong bytes of us, or where one could not
 * be read: a disk that rots is not malice, if its owner says so first. Bounded so that doubts
 * without cause cost us little.
 */
export class Rechecks {
  readonly #core: Core;
  readonly #waiting: Recheck[] = [];
  readonly #underWay = new Map<string, Recheck>();
  /** When pieces were last hashed again, the oldest first. */
  readonly #recent = new Map<string, number>();
  /** What each device may still doubt in vain, as of a time. */
  readonly #credit = new Map<DeviceId, { readonly left: number; readonly atUs: number }>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** A peer got wrong bytes of us, as it says: that counts only for what we have sent it. */
  onDoubt(act: Act, link: Link, doubt: Doubt): void {
    const contentId = link.served.get(doubt.handle);
    if (contentId === undefined || link.sent.get(contentId)?.has(doubt.piece) !== true) return;
    if (this.#creditOf(act.nowUs, link.deviceId) < 1) return;
    this.#add(act, { contentId, piece: doubt.piece, doubter: link.deviceId, atUs: act.nowUs });
  }

  /** A piece of ours could not be read. */
  onUnreadable(act: Act, contentId: ContentId, piece: number): void {
    this.#add(act, { contentId, piece, doubter: undefined, atUs: act.nowUs });
  }

  /** The store has hashed a piece again. */
  onRechecked(
    act: Act,
    {
      contentId,
      piece,
      intact,
    }: { readonly contentId: ContentId; readonly piece: number; readonly intact: boolean },
  ): void {
    const key = `${contentId} ${piece}`;
    const doubter = this.#underWay.get(key)?.doubter;
    this.#underWay.delete(key);
    if (intact && doubter !== undefined) this.#charge(act.nowUs, doubter);
    this.#advance(act);
  }

  #add(act: Act, recheck: Recheck): void {
    const key = `${recheck.contentId} ${recheck.piece}`;
    const lastUs = this.#recent.get(key) ?? Number.NEGATIVE_INFINITY;
    if (act.nowUs - lastUs < RECHECK_US || this.#waiting.length >= WAITING_MAX) return;
    this.#recent.delete(key);
    this.#recent.set(key, act.nowUs);
    if (this.#recent.size > RECENT_MAX) {
      const [oldest] = this.#recent.keys();
      if (oldest !== undefined) this.#recent.delete(oldest);
    }
    this.#waiting.push(recheck);
    this.#advance(act);
  }

  #advance(act: Act): void {
    // A content that the store has let go of meanwhile is not answered for.
    for (const [key, { atUs }] of this.#underWay) {
      if (act.nowUs - atUs > RECHECK_US) this.#underWay.delete(key);
    }
    while (this.#underWay.size < RECHECKS_MAX) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const { contentId, piece, doubter } = next;
      if (this.#core.contents.get(contentId)?.known?.held.has(piece) !== true) continue;
      if (doubter !== undefined && this.#creditOf(act.nowUs, doubter) < 1) continue;
      this.#underWay.set(`${contentId} ${piece}`, next);
      act.outbox.recheckPiece(contentId, piece);
    }
  }

  #creditOf(nowUs: number, deviceId: DeviceId): number {
    const known = this.#credit.get(deviceId);
    if (known === undefined) return IN_VAIN.most;
    return Math.min(IN_VAIN.most, known.left + (nowUs - known.atUs) / IN_VAIN.oneUs);
  }

  #charge(nowUs: number, deviceId: DeviceId): void {
    const left = this.#creditOf(nowUs, deviceId) - 1;
    this.#credit.delete(deviceId);
    this.#credit.set(deviceId, { left, atUs: nowUs });
    if (this.#credit.size <= DOUBTERS_MAX) return;
    const [oldest] = this.#credit.keys();
    if (oldest !== undefined) this.#credit.delete(oldest);
  }
}
