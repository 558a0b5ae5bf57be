import { encodeUtf8 } from "../base/utf8.ts";
import type { Segment } from "../branchcache/content-information.ts";
import type { Place } from "../branchcache/holdings.ts";
import {
  CONTENT_TAG_BYTES,
  decodeHostedCacheAnswer,
  encodeBatchedOffer,
  HOSTED_CACHE_PATH_V2,
  OFFERS_PER_BATCH,
} from "../branchcache/hosted-cache-message.ts";
import { Posting } from "./posting.ts";

/** What our offers say which application they are of. */
const CONTENT_TAG: Uint8Array = encodeUtf8("Branchline".padEnd(CONTENT_TAG_BYTES, "\0"));

/** How long a hosted cache may take to answer an offer, in milliseconds. */
const ANSWER_MS = 10_000;

/**
 * Offers segments to a hosted cache, which then fetches them from us.
 *
 * @param own - Where we serve, and send from.
 * @returns How many segments it was ready to take.
 */
export async function offerSegments(
  hosted: Place,
  segments: readonly Segment[],
  own: { readonly address?: string | undefined; readonly port: number },
): Promise<number> {
  const posting = new Posting(own.address);
  let taken = 0;
  try {
    for (let at = 0; at < segments.length; at += OFFERS_PER_BATCH) {
      const batch = segments.slice(at, at + OFFERS_PER_BATCH);
      const bytes = encodeBatchedOffer({
        kind: "batched-offer",
        port: own.port,
        segments: batch.map((segment) => ({
          version: segment.version,
          blockSizeBytes: segment.blockSizeBytes,
          lengthBytes: segment.lengthBytes,
          contentTag: CONTENT_TAG,
          segmentId: segment.id,
        })),
      });
      const answer = await post(posting, hosted, bytes);
      if (answer === undefined || decodeHostedCacheAnswer(answer) !== "ok") return taken;
      taken += batch.length;
    }
    return taken;
  } finally {
    posting.close();
  }
}

async function post(
  posting: Posting,
  place: Place,
  bytes: Uint8Array,
): Promise<Uint8Array | undefined> {
  return await new Promise((resolve) => {
    const timer = setTimeout(() => {
      posting.abandon(1);
      resolve(undefined);
    }, ANSWER_MS);
    posting.post(1, { place, path: HOSTED_CACHE_PATH_V2, bytes }, (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}
