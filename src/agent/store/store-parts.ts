import type { HandleCache } from "./handle-cache.ts";
import type { PieceWriter } from "./piece-writer.ts";
import type { RunningChecks } from "./running-check.ts";
import type { Serial } from "./serial.ts";
import type { StoreIndex } from "./store-index.ts";

/** What the operations of a store work with. */
export type StoreParts = {
  /** The store's own folder. */
  readonly folder: string;
  readonly deliveryFolder: string;
  readonly index: StoreIndex;
  readonly handles: HandleCache;
  readonly writer: PieceWriter;
  /** The checks that run along with downloads. */
  readonly checks: RunningChecks;
  /** Contents are moved to their place one at a time: two may have the same one. */
  readonly deliveryTurn: Serial;
  /** Most bytes that are synced together. */
  readonly batchBytesMax: number;
};
