import type { ByteRange } from "./content-information.ts";
import { type ContentInformationV1, rangeOfV1 } from "./content-information-v1.ts";
import type { ContentInformationV2 } from "./content-information-v2.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { segmentSecret, serverSecret } from "./derivation.ts";
import { BLOCK_BYTES, SEGMENT_V1_BYTES } from "./limits.ts";
import { SCHEME_V1, SCHEME_V2 } from "./scheme.ts";

/**
 * What a content's bytes hash to, without any secret: it may lie on disk, and stays true when the
 * server's secret changes.
 */
export type ContentHashes = ContentHashesV1 | ContentHashesV2;

export type ContentHashesV1 = {
  readonly version: 1;
  readonly lengthBytes: number;
  readonly segments: readonly {
    readonly lengthBytes: number;
    readonly hashOfData: Uint8Array;
    /** One digest behind the other. */
    readonly blockHashes: Uint8Array;
  }[];
};

export type ContentHashesV2 = {
  readonly version: 2;
  readonly lengthBytes: number;
  readonly segments: readonly { readonly lengthBytes: number; readonly hashOfData: Uint8Array }[];
};

/**
 * Content information of a part of a content, or of all of it.
 *
 * @param secretKey - The server's secret key K, not yet hashed.
 * @param range - Within the content and not empty. Absent: everything, written with zeros (CI7).
 * @returns `undefined` for an empty content, of which there is none.
 */
export function informationOf(
  crypto: BranchCacheCrypto,
  hashes: ContentHashes,
  secretKey: Uint8Array,
  range?: ByteRange,
): ContentInformationV1 | ContentInformationV2 | undefined {
  if (hashes.segments.length === 0) return undefined;
  return hashes.version === 1
    ? informationV1(crypto, hashes, secretKey, range)
    : informationV2(crypto, hashes, secretKey, range);
}

function informationV1(
  crypto: BranchCacheCrypto,
  hashes: ContentHashesV1,
  secretKey: Uint8Array,
  range: ByteRange | undefined,
): ContentInformationV1 {
  const secret = serverSecret(crypto, SCHEME_V1, secretKey);
  const { startBytes, endBytes } = range ?? { startBytes: 0, endBytes: hashes.lengthBytes };
  const firstIndex = Math.floor(startBytes / SEGMENT_V1_BYTES);
  const lastIndex = Math.floor((endBytes - 1) / SEGMENT_V1_BYTES);
  const segments = hashes.segments.slice(firstIndex, lastIndex + 1).map((segment, index) => {
    const offsetBytes = (firstIndex + index) * SEGMENT_V1_BYTES;
    const listed = Math.ceil(Math.min(segment.lengthBytes, endBytes - offsetBytes) / BLOCK_BYTES);
    return {
      offsetBytes,
      lengthBytes: segment.lengthBytes,
      blockSizeBytes: BLOCK_BYTES,
      hashOfData: segment.hashOfData,
      secret: segmentSecret(crypto, SCHEME_V1, {
        serverSecret: secret,
        hashOfData: segment.hashOfData,
      }),
      blockHashes: segment.blockHashes.subarray(0, listed * SCHEME_V1.digestBytes),
    };
  });
  const whole: ContentInformationV1 = {
    version: 1,
    hash: "sha256",
    offsetInFirstSegmentBytes: startBytes - firstIndex * SEGMENT_V1_BYTES,
    readBytesInLastSegment: 0,
    segments,
  };
  if (rangeOfV1(whole)?.endBytes === endBytes) return whole;
  const from = segments.length === 1 ? startBytes : lastIndex * SEGMENT_V1_BYTES;
  return { ...whole, readBytesInLastSegment: endBytes - from };
}

function informationV2(
  crypto: BranchCacheCrypto,
  hashes: ContentHashesV2,
  secretKey: Uint8Array,
  range: ByteRange | undefined,
): ContentInformationV2 {
  const secret = serverSecret(crypto, SCHEME_V2, secretKey);
  const { startBytes, endBytes } = range ?? { startBytes: 0, endBytes: hashes.lengthBytes };
  const segments: { lengthBytes: number; hashOfData: Uint8Array; secret: Uint8Array }[] = [];
  let at = 0;
  let indexOfFirstSegment = 0;
  let firstAt = 0;
  for (const [index, { lengthBytes, hashOfData }] of hashes.segments.entries()) {
    const isMeant = at < endBytes && at + lengthBytes > startBytes;
    if (isMeant && segments.length === 0) {
      indexOfFirstSegment = index;
      firstAt = at;
    }
    if (isMeant) {
      const own = segmentSecret(crypto, SCHEME_V2, { serverSecret: secret, hashOfData });
      segments.push({ lengthBytes, hashOfData, secret: own });
    }
    at += lengthBytes;
  }
  const listedEnd = segments.reduce((total, { lengthBytes }) => total + lengthBytes, firstAt);
  return {
    version: 2,
    startBytes: firstAt,
    indexOfFirstSegment,
    offsetInFirstSegmentBytes: startBytes - firstAt,
    lengthOfRangeBytes: listedEnd === endBytes ? 0 : endBytes - startBytes,
    segments,
  };
}
