import type { ContentId } from "../base/ids.ts";

/** A content in a device's cache, as far as it matters for letting go of it. */
export type CachedContent = {
  readonly contentId: ContentId;
  /** What it takes of the cache's share: its whole size, also while it is still being fetched. */
  readonly sizeBytes: number;
  /** What the disk gains with it: nothing where what was handed over is the same file. */
  readonly freedBytes: number;
  readonly lastUsedAtMs: number;
  /** The operator wants it kept. */
  readonly pinned: boolean;
  /** Others rely on it: it may be the office's last copy of what a deployment needs. */
  readonly protected: boolean;
  /** It is being fetched, served or read. */
  readonly inUse: boolean;
};

/** What the cache must keep to, and what is asked of it. */
export type CacheNeed = {
  readonly nowMs: number;
  /** How long a content may lie unused; infinite where there is no limit. */
  readonly ageMsMax: number;
  /** Most bytes of all contents together. */
  readonly cacheBytesMax: number;
  /** What is about to come in; 0 where the limits alone are to be kept. */
  readonly neededBytes: number;
  /** What the disk lacks for that and for what must stay free; 0 or less where it lacks nothing. */
  readonly lackingBytes: number;
};

/** What is to be let go of. */
export type CacheVerdict = {
  readonly evict: readonly ContentId[];
  /** By how much the limit would be exceeded all the same; 0 where it is kept. */
  readonly excessBytes: number;
  /** What the disk would lack all the same; 0 where it lacks nothing. */
  readonly lackingBytes: number;
};

/** Why a content is not let go of; `undefined` where it may be. */
export type KeptBecause = "pinned" | "protected" | "in-use";

/** Why a content is not let go of, whatever it lacks; `undefined` where it may be. */
export function whyKept(
  content: Pick<CachedContent, "pinned" | "protected" | "inUse">,
): KeptBecause | undefined {
  if (content.pinned) return "pinned";
  if (content.protected) return "protected";
  return content.inUse ? "in-use" : undefined;
}

/**
 * Says which contents a cache lets go of: all that lay unused for too long, and then those that were
 * used longest ago until there is room. What is pinned, protected or in use always stays.
 *
 * Where there would not be room for what is to come in whatever is let go of, nothing is let go of
 * for it: a package that cannot be had must not cost those that are there.
 */
export function judgeCache(contents: readonly CachedContent[], need: CacheNeed): CacheVerdict {
  const free = contents.filter((content) => whyKept(content) === undefined).sort(byLastUse);
  const tooOld = (content: CachedContent): boolean =>
    need.nowMs - content.lastUsedAtMs > need.ageMsMax;
  const aged = free.filter(tooOld);
  const usedBytes = contents.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0);
  const start = {
    excessBytes: usedBytes + need.neededBytes - need.cacheBytesMax,
    lackingBytes: need.lackingBytes,
  };
  const afterAge = aged.reduce(without, start);
  const [chosen, left] = chooseOldest(
    free.filter((content) => !tooOld(content)),
    afterAge,
  );
  const vain = need.neededBytes > 0 && (left.excessBytes > 0 || left.lackingBytes > 0);
  return {
    evict: [...aged, ...(vain ? [] : chosen)].map(({ contentId }) => contentId),
    excessBytes: Math.max(0, left.excessBytes),
    lackingBytes: Math.max(0, left.lackingBytes),
  };
}

type Shortage = { readonly excessBytes: number; readonly lackingBytes: number };

function chooseOldest(
  oldestFirst: readonly CachedContent[],
  shortage: Shortage,
): readonly [chosen: readonly CachedContent[], left: Shortage] {
  const chosen: CachedContent[] = [];
  let left = shortage;
  for (const content of oldestFirst) {
    const helps =
      (left.excessBytes > 0 && content.sizeBytes > 0) ||
      (left.lackingBytes > 0 && content.freedBytes > 0);
    if (!helps) continue;
    chosen.push(content);
    left = without(left, content);
  }
  return [chosen, left];
}

function without(shortage: Shortage, content: CachedContent): Shortage {
  return {
    excessBytes: shortage.excessBytes - content.sizeBytes,
    lackingBytes: shortage.lackingBytes - content.freedBytes,
  };
}

/** The same order whatever order the contents come in. */
function byLastUse(a: CachedContent, b: CachedContent): number {
  return a.lastUsedAtMs - b.lastUsedAtMs || (a.contentId < b.contentId ? -1 : 1);
}
