import { MIB } from "../base/units.ts";
import type { AgentSettings } from "./settings.ts";
import { ageMs, type RoomLimits } from "./store/store-room.ts";

/** The limits that an agent's settings give its cache. */
export function cacheLimits({
  cache,
}: Pick<AgentSettings, "cache">): Pick<
  RoomLimits,
  "ageMsMax" | "diskPercent" | "cacheBytesMax" | "spareBytes"
> {
  return {
    ageMsMax: ageMs(cache.maxAgeDays),
    diskPercent: cache.diskPercent,
    cacheBytesMax: cache.maxMib === undefined ? Number.POSITIVE_INFINITY : cache.maxMib * MIB,
    spareBytes: cache.minFreeMib * MIB,
  };
}
