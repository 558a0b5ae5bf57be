import type { StoreIndex } from "./store-index.ts";
import { HOUR_MS, type StoredContent } from "./stored-content.ts";

/** Has the index know in which hour each content was last used, where it does not. */
export function recordUse(index: StoreIndex, contents: Iterable<StoredContent>): void {
  const used = [...contents].filter(
    ({ usedAtMs, indexedHour }) => hourOf(usedAtMs) !== indexedHour,
  );
  index.use(used.map(({ contentId, usedAtMs }) => ({ contentId, usedAtHour: hourOf(usedAtMs) })));
  for (const content of used) content.indexedHour = hourOf(content.usedAtMs);
}

function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS);
}
