import { MIB } from "../../base/units.ts";
import type { RoomLimits } from "./store-room.ts";
import type { StorageReport } from "./stored-content.ts";

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
  /** The wall clock, in milliseconds since 1970. */
  readonly nowMs?: () => number;
  /** Told of what went wrong where nobody waits for it. */
  readonly onFault?: (error: unknown) => void;
};

/** Bounds of a store. */
export type ContentStoreLimits = RoomLimits & {
  /** How many files of contents may be open at a time. */
  readonly openFilesMax: number;
  /** Most bytes of pieces that are synced together. */
  readonly batchBytesMax: number;
};

/** The bounds that hold where an option is not given. */
export const CONTENT_STORE_LIMITS: ContentStoreLimits = {
  openFilesMax: 64,
  batchBytesMax: 8 * MIB,
  spareBytes: 32 * MIB,
  diskPercent: 100,
  cacheBytesMax: Number.POSITIVE_INFINITY,
  ageMsMax: Number.POSITIVE_INFINITY,
  quietMs: 10_000,
  protectionWaitMs: 60_000,
};
