import type { ContentId } from "../../src/base/ids.ts";
import { MIB } from "../../src/base/units.ts";
import type { Progress } from "../../src/wire/messages.ts";
import { OFFICE_DEVICES } from "./client-hosts.ts";

/** How often a device that fetches says how far it is: as often as agents do. */
export const REPORT_MS = 500;

/** What the content is that these devices seem to fetch. */
const PIECES = 64;
const PIECE_BYTES = MIB;

/** How long the quickest and the slowest take. */
const FETCH_MS = { min: 40_000, max: 80_000 } as const;

/** What a device reports that fetches one content; the first of each office is its RVP. */
export class Download {
  readonly contentId: ContentId;
  readonly #isRvp: boolean;
  readonly #beganMs: number;
  readonly #tookMs: number;
  #isComplete = false;

  constructor(contentId: ContentId, index: number, nowMs: number) {
    this.contentId = contentId;
    this.#isRvp = index % OFFICE_DEVICES === 0;
    this.#beganMs = nowMs;
    this.#tookMs = FETCH_MS.min + ((index * 7_919) % (FETCH_MS.max - FETCH_MS.min));
  }

  /** How far it is, and whether it is complete for the first time. */
  at(nowMs: number): { readonly progress: Progress; readonly isNews: boolean } {
    const share = Math.min(1, (nowMs - this.#beganMs) / this.#tookMs);
    const piecesHeld = Math.floor(share * PIECES);
    const heldBytes = piecesHeld * PIECE_BYTES;
    const isNews = share === 1 && !this.#isComplete;
    this.#isComplete = share === 1;
    const progress: Progress = {
      kind: "progress",
      contentId: this.contentId,
      state: share === 1 ? "complete" : "downloading",
      ...{ pieces: PIECES, piecesHeld, sizeBytes: PIECES * PIECE_BYTES, heldBytes },
      ...{ wanInBytes: this.#isRvp ? heldBytes : 0, lanInBytes: this.#isRvp ? 0 : heldBytes },
      ...{ wanOutBytes: 0, lanOutBytes: heldBytes, originInBytes: 0, farInBytes: [] },
      ...{ rvp: this.#isRvp, problem: "", lineBusyMs: 0, cacheInBytes: 0, hostedInBytes: 0 },
    };
    return { progress, isNews };
  }
}
