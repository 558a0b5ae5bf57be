import { mkdirSync, statfsSync } from "node:fs";
import { MIB } from "../base/units.ts";
import type { StoreLimits } from "./block-store.ts";
import type { CacheSettings } from "./settings.ts";

/** A day, in milliseconds. */
const DAY_MS = 86_400_000;

/** The limits that settings give a cache in `folder`, which is made where it is missing. */
export function storeLimits(folder: string, settings: CacheSettings): StoreLimits {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { blocks, bsize } = statfsSync(folder);
  const most = settings.maxMib === undefined ? Number.POSITIVE_INFINITY : settings.maxMib * MIB;
  const { maxAgeDays, diskPercent } = settings;
  return {
    bytesMax: Math.min(most, (blocks * bsize * diskPercent) / 100),
    ageMsMax: maxAgeDays === 0 ? Number.POSITIVE_INFINITY : maxAgeDays * DAY_MS,
  };
}
