import { err, type Result } from "../base/result.ts";
import { type ContentInformationV1, decodeContentInformationV1 } from "./content-information-v1.ts";
import { type ContentInformationV2, decodeContentInformationV2 } from "./content-information-v2.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { segmentId } from "./derivation.ts";
import { CONTENT_INFORMATION_BYTES_MAX } from "./limits.ts";
import { type HashScheme, SCHEME_V1, SCHEME_V2, schemeV1 } from "./scheme.ts";

/** Which content has which segments, and their secrets (MS-PCCRC 2.3 and 2.4). */
export type ContentInformation = ContentInformationV1 | ContentInformationV2;

/** A part of a content, in bytes; the end is not in it. */
export type ByteRange = { readonly startBytes: number; readonly endBytes: number };

/** A segment of either version, as those see it who fetch or serve its blocks. */
export type Segment = {
  readonly version: 1 | 2;
  readonly scheme: HashScheme;
  /** HoHoDk. */
  readonly id: Uint8Array;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly blockSizeBytes: number;
  readonly hashOfData: Uint8Array;
  readonly secret: Uint8Array;
  /** One digest behind the other, of as many blocks as are listed, from block 0 on. */
  readonly blockHashes: Uint8Array;
};

/** Reads content information of either version, whichever the first bytes name (CI6, CI9). */
export function decodeContentInformation(
  bytes: Uint8Array,
): Result<ContentInformation, ContentInformationError> {
  if (bytes.length > CONTENT_INFORMATION_BYTES_MAX) return err("too-long");
  if (bytes[0] === 0 && bytes[1] === 1) return decodeContentInformationV1(bytes);
  if (bytes[0] === 0 && bytes[1] === 2) return decodeContentInformationV2(bytes);
  return err("unknown-version");
}

/** Why content information was refused. */
export type ContentInformationError =
  | "too-long"
  | "unknown-version"
  | "unknown-hash"
  | "truncated"
  | "trailing-bytes"
  | "wrong-segments"
  | "wrong-blocks"
  | "wrong-range"
  | "wrong-hash-of-data";

/** The segments with their ids, in order; of either version. */
export function segmentsOf(
  crypto: BranchCacheCrypto,
  information: ContentInformation,
): readonly Segment[] {
  if (information.version === 2) {
    let offsetBytes = information.startBytes;
    return information.segments.map((segment) => {
      const own = { ...segment, offsetBytes };
      offsetBytes += segment.lengthBytes;
      return {
        ...own,
        version: 2,
        scheme: SCHEME_V2,
        id: segmentId(crypto, SCHEME_V2, segment),
        blockSizeBytes: segment.lengthBytes,
        blockHashes: segment.hashOfData,
      };
    });
  }
  const scheme = information.hash === "sha256" ? SCHEME_V1 : schemeV1(information.hash);
  return information.segments.map((segment) => ({
    ...segment,
    version: 1,
    scheme,
    id: segmentId(crypto, scheme, segment),
  }));
}

/** How many blocks a segment has, listed or not. */
export function blockCount(segment: {
  readonly lengthBytes: number;
  readonly blockSizeBytes: number;
}): number {
  return Math.ceil(segment.lengthBytes / segment.blockSizeBytes);
}

/** How long a block of a segment is. */
export function blockLength(
  segment: { readonly lengthBytes: number; readonly blockSizeBytes: number },
  blockIndex: number,
): number {
  return Math.min(
    segment.blockSizeBytes,
    segment.lengthBytes - blockIndex * segment.blockSizeBytes,
  );
}

/** The digest that a listed block must have; empty where it is not listed. */
export function blockHash(segment: Segment, blockIndex: number): Uint8Array {
  const { digestBytes } = segment.scheme;
  return segment.blockHashes.subarray(blockIndex * digestBytes, (blockIndex + 1) * digestBytes);
}

/** How many blocks of a segment are listed. */
export function listedBlocks(segment: Segment): number {
  return segment.blockHashes.length / segment.scheme.digestBytes;
}
