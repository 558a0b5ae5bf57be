import type {
  AgentCacheEntry,
  AgentCacheView,
  CachePurge,
  CachePurged,
} from "../api/agent-schemas.ts";
import { RequestRefused } from "../runtime/http/problem.ts";
import type { CacheEntry } from "./store/cache-entry.ts";
import type { ContentStore } from "./store/content-store.ts";

/** Everything that lies in the cache. */
export async function showCache(store: ContentStore): Promise<AgentCacheView> {
  const contents = store.cacheEntries().map(entryView);
  return { usableBytes: await store.usableBytes(), contents };
}

/**
 * Says whether a content is to be kept.
 *
 * @throws RequestRefused `content-unknown`, `content-ambiguous`.
 */
export function pinContent(store: ContentStore, prefix: string, pinned: boolean): AgentCacheEntry {
  const { contentId } = contentWithPrefix(store.cacheEntries(), prefix);
  store.pin(contentId, pinned);
  return entryView(contentWithPrefix(store.cacheEntries(), contentId));
}

/**
 * Lets go of one content, or of all that nothing keeps.
 *
 * @throws RequestRefused `content-unknown`, `content-ambiguous`, `content-kept`.
 */
export async function purgeCache(store: ContentStore, wish: CachePurge): Promise<CachePurged> {
  const all = store.cacheEntries();
  const asked =
    wish.contentId === undefined
      ? all.filter(({ heldBytes }) => heldBytes > 0)
      : [contentWithPrefix(all, wish.contentId)];
  const kept = wish.force ? [] : asked.filter(({ keptBecause }) => keptBecause !== undefined);
  const [refused] = kept;
  if (wish.contentId !== undefined && refused !== undefined) throw refusal(refused);
  const purged = asked.filter((entry) => !kept.includes(entry));
  for (const { contentId } of purged) await store.purge(contentId);
  return { purged: purged.map(entryView), kept: kept.map(entryView) };
}

/**
 * The one whose id begins so.
 *
 * @throws RequestRefused `content-unknown`, `content-ambiguous`.
 */
export function contentWithPrefix<C extends { readonly contentId: string }>(
  contents: readonly C[],
  prefix: string,
): C {
  const wanted = prefix.toLowerCase();
  const [content, ...others] = contents.filter(({ contentId }) => contentId.startsWith(wanted));
  if (content === undefined) {
    const detail = `This device has no content whose id begins with ${prefix}: list them to see.`;
    throw new RequestRefused(404, "content-unknown", detail);
  }
  if (others.length === 0) return content;
  const detail = `More than one content id begins with ${prefix}: give more digits.`;
  throw new RequestRefused(409, "content-ambiguous", detail);
}

function refusal({ name, version, keptBecause }: CacheEntry): RequestRefused {
  const reason = {
    pinned: "it is pinned: unpin it first",
    protected:
      "others rely on it: it may be the office's last copy of what a deployment needs, or it is " +
      "still to be handed over",
    "in-use": "it is being fetched, served or read: try again when it is not",
  }[keptBecause ?? "in-use"];
  const detail = `${name} ${version} is kept, because ${reason}. With --force it goes all the same.`;
  return new RequestRefused(409, "content-kept", detail);
}

function entryView({ keptBecause, ...entry }: CacheEntry): AgentCacheEntry {
  return keptBecause === undefined ? entry : { ...entry, keptBecause };
}
