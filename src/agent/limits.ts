import { MIB } from "../base/units.ts";
import type { AgentSettings } from "./settings.ts";
import type { RoomLimits } from "./store/store-room.ts";

/** A day, in milliseconds. */
const DAY_MS = 86_400_000;

/** The limits that an agent's settings give its cache. */
export function cacheLimits({
  cache,
}: Pick<AgentSettings, "cache">): Pick<
  RoomLimits,
  "ageMsMax" | "diskPercent" | "cacheBytesMax" | "spareBytes"
> {
  return {
    ageMsMax: cache.maxAgeDays === 0 ? Number.POSITIVE_INFINITY : cache.maxAgeDays * DAY_MS,
    diskPercent: cache.diskPercent,
    cacheBytesMax: cache.maxMib === undefined ? Number.POSITIVE_INFINITY : cache.maxMib * MIB,
    spareBytes: cache.minFreeMib * MIB,
  };
}
