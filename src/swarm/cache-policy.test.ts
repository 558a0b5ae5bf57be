import { describe, expect, test } from "vitest";
import type { ContentId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { type CachedContent, type CacheNeed, judgeCache, whyKept } from "./cache-policy.ts";

const NO_NEED: CacheNeed = {
  nowMs: 1_000,
  ageMsMax: Number.POSITIVE_INFINITY,
  cacheBytesMax: Number.POSITIVE_INFINITY,
  neededBytes: 0,
  lackingBytes: 0,
};

test("a cache within its limits lets go of nothing", () => {
  const contents = [content("a", 1, { sizeBytes: 50 }), content("b", 2, { sizeBytes: 50 })];

  expect(judgeCache(contents, { ...NO_NEED, cacheBytesMax: 100 })).toEqual({
    evict: [],
    excessBytes: 0,
    lackingBytes: 0,
  });
});

test("what lay unused for longer than the maximum age goes, whatever room there is", () => {
  const contents = [content("old", 99), content("young", 100), content("pinned", 1, PINNED)];

  expect(judgeCache(contents, { ...NO_NEED, ageMsMax: 900 }).evict).toEqual(["old"]);
});

test("for room, those go that were used longest ago, and no more of them than needed", () => {
  const contents = [
    content("c", 3, { sizeBytes: 40 }),
    content("a", 1, { sizeBytes: 40 }),
    content("b", 2, { sizeBytes: 40 }),
  ];

  const verdict = judgeCache(contents, { ...NO_NEED, cacheBytesMax: 120, neededBytes: 41 });

  expect(verdict).toMatchObject({ evict: ["a", "b"], excessBytes: 0 });
});

test("nothing goes for a content that could not come in all the same", () => {
  const contents = [content("a", 1, { sizeBytes: 40 }), content("p", 1, PINNED)];

  const verdict = judgeCache(contents, { ...NO_NEED, cacheBytesMax: 50, neededBytes: 50 });

  expect(verdict).toMatchObject({ evict: [], excessBytes: 10 });
});

test("limits that were lowered take what may go, and say what is still too much", () => {
  const contents = [content("a", 1, { sizeBytes: 40 }), content("p", 1, PINNED)];

  expect(judgeCache(contents, { ...NO_NEED, cacheBytesMax: 5 })).toMatchObject({
    evict: ["a"],
    excessBytes: 5,
  });
});

test("for a fuller disk nothing goes that would leave it as full as before", () => {
  const contents = [
    content("linked", 1, { freedBytes: 0 }),
    content("a", 2, { freedBytes: 10 }),
    content("b", 3, { freedBytes: 10 }),
  ];

  expect(judgeCache(contents, { ...NO_NEED, lackingBytes: 7 }).evict).toEqual(["a"]);
});

describe("whatever is in the cache and whatever is asked of it", () => {
  test.each(Array.from({ length: 200 }, (_, seed) => seed))("seed %i", (seed) => {
    const prng = new Prng(seed);
    const contents = Array.from({ length: prng.below(12) }, (_, index) => anyContent(prng, index));
    const need: CacheNeed = {
      nowMs: 1_000,
      ageMsMax: prng.below(3) === 0 ? prng.below(1_000) : Number.POSITIVE_INFINITY,
      cacheBytesMax: prng.below(400),
      neededBytes: prng.below(2) * prng.below(300),
      lackingBytes: prng.below(2) * prng.below(200),
    };

    const verdict = judgeCache(contents, need);

    const gone = new Set(verdict.evict);
    const stays = contents.filter(({ contentId }) => !gone.has(contentId));
    const leaves = contents.filter(({ contentId }) => gone.has(contentId));
    expect(gone.size).toBe(verdict.evict.length);
    // What must stay stays; what is too old and need not stay goes.
    expect(leaves.filter((one) => whyKept(one) !== undefined)).toEqual([]);
    const isOld = (one: CachedContent) => need.nowMs - one.lastUsedAtMs > need.ageMsMax;
    expect(stays.filter((one) => isOld(one) && whyKept(one) === undefined)).toEqual([]);
    // A verdict without a shortage keeps to the limits.
    const fits = verdict.excessBytes === 0 && verdict.lackingBytes === 0;
    const takenBytes = sum(stays, "sizeBytes") + need.neededBytes;
    if (fits) expect(takenBytes).toBeLessThanOrEqual(need.cacheBytesMax);
    if (fits) expect(sum(leaves, "freedBytes")).toBeGreaterThanOrEqual(need.lackingBytes);
    // One with a shortage is right: all that may go would not be enough.
    const free = contents.filter((one) => whyKept(one) === undefined);
    const leastBytes = sum(contents, "sizeBytes") - sum(free, "sizeBytes") + need.neededBytes;
    expect(verdict.excessBytes > 0).toBe(leastBytes > need.cacheBytesMax);
    expect(verdict.lackingBytes > 0).toBe(sum(free, "freedBytes") < need.lackingBytes);
    // No one that may go was used before one that went for room, unless it would not have helped.
    const forRoom = leaves.filter((one) => !isOld(one));
    for (const one of forRoom) {
      const passedOver = stays.filter(
        (other) => whyKept(other) === undefined && other.lastUsedAtMs < one.lastUsedAtMs,
      );
      expect(passedOver.every(({ freedBytes }) => freedBytes === 0)).toBe(true);
    }
    // The order in which they are listed changes nothing.
    expect(judgeCache(contents.toReversed(), need)).toEqual(verdict);
  });
});

const PINNED = { pinned: true, sizeBytes: 10 };

function content(
  name: string,
  lastUsedAtMs: number,
  change: Partial<CachedContent> = {},
): CachedContent {
  return {
    contentId: name as ContentId,
    sizeBytes: 10,
    freedBytes: 10,
    lastUsedAtMs,
    pinned: false,
    protected: false,
    inUse: false,
    ...change,
  };
}

function anyContent(prng: Prng, index: number): CachedContent {
  const sizeBytes = 1 + prng.below(100);
  return content(`content-${index}`, prng.below(1_000), {
    sizeBytes,
    freedBytes: prng.below(3) === 0 ? 0 : sizeBytes,
    pinned: prng.below(5) === 0,
    protected: prng.below(5) === 0,
    inUse: prng.below(5) === 0,
  });
}

function sum(contents: readonly CachedContent[], key: "sizeBytes" | "freedBytes"): number {
  return contents.reduce((total, content) => total + content[key], 0);
}
