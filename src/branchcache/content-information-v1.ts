import { err, ok, type Result } from "../base/result.ts";
import { LittleReader, LittleWriter } from "./byte-order.ts";
import type { ByteRange, ContentInformationError } from "./content-information.ts";
import type { HashName } from "./crypto.ts";
import { BLOCK_BYTES, SEGMENT_V1_BYTES } from "./limits.ts";
import { schemeV1 } from "./scheme.ts";

/** Content information of version 1 (MS-PCCRC 2.3). */
export type ContentInformationV1 = {
  readonly version: 1;
  readonly hash: HashName;
  readonly offsetInFirstSegmentBytes: number;
  /** 0: to the end of the last segment. */
  readonly readBytesInLastSegment: number;
  readonly segments: readonly SegmentV1[];
};

/** A segment of version 1. */
export type SegmentV1 = {
  readonly offsetBytes: number;
  /** Of the whole segment, even where only a part of it is asked for. */
  readonly lengthBytes: number;
  readonly blockSizeBytes: number;
  readonly hashOfData: Uint8Array;
  readonly secret: Uint8Array;
  /** One digest behind the other, from block 0 up to the end of the range. */
  readonly blockHashes: Uint8Array;
};

/** Writes version 1 (CI6). */
export function encodeContentInformationV1(information: ContentInformationV1): Uint8Array {
  const { digestBytes } = schemeV1(information.hash);
  const { segments } = information;
  const lengthBytes = segments.reduce(
    (total, { blockHashes }) => total + 16 + 2 * digestBytes + 4 + blockHashes.length,
    HEADER_BYTES,
  );
  const writer = new LittleWriter(lengthBytes);
  writer.u16(VERSION);
  writer.u32(HASH_NUMBERS[information.hash]);
  writer.u32(information.offsetInFirstSegmentBytes);
  writer.u32(information.readBytesInLastSegment);
  writer.u32(segments.length);
  for (const segment of segments) {
    writer.u64(segment.offsetBytes);
    writer.u32(segment.lengthBytes);
    writer.u32(segment.blockSizeBytes);
    writer.append(segment.hashOfData);
    writer.append(segment.secret);
  }
  for (const { blockHashes } of segments) {
    writer.u32(blockHashes.length / digestBytes);
    writer.append(blockHashes);
  }
  return writer.bytes;
}

/** Reads version 1, refusing whatever does not add up (CI6 to CI8). The digests are views. */
export function decodeContentInformationV1(
  bytes: Uint8Array,
): Result<ContentInformationV1, ContentInformationError> {
  const reader = new LittleReader(bytes);
  if (reader.u16() !== VERSION) return err(reader.failed ? "truncated" : "unknown-version");
  const hash = HASH_NAMES.get(reader.u32());
  if (hash === undefined) return err(reader.failed ? "truncated" : "unknown-hash");
  const offsetInFirstSegmentBytes = reader.u32();
  const readBytesInLastSegment = reader.u32();
  const count = reader.u32();
  const { digestBytes } = schemeV1(hash);
  // Nothing is reserved for segments that the bytes cannot hold.
  if (reader.failed || count * (20 + 2 * digestBytes) > reader.remaining) return err("truncated");
  if (count === 0) return err("wrong-segments");
  const described = Array.from({ length: count }, () => readDescription(reader, digestBytes));
  if (!areSound(described)) return err("wrong-segments");
  const segments = described.map((segment) => ({
    ...segment,
    blockHashes: readBlockHashes(reader, digestBytes, segment.lengthBytes),
  }));
  if (reader.failed) return err("truncated");
  if (reader.remaining > 0) return err("trailing-bytes");
  const information: ContentInformationV1 = {
    version: 1,
    hash,
    offsetInFirstSegmentBytes,
    readBytesInLastSegment,
    segments,
  };
  const range = rangeOfV1(information);
  if (range === undefined) return err("wrong-range");
  const complete = segments.every((segment) => listsAll(segment, digestBytes, range));
  return complete ? ok(information) : err("wrong-blocks");
}

/** Which part of the content is described; `undefined` where the fields contradict (CI7). */
export function rangeOfV1(information: ContentInformationV1): ByteRange | undefined {
  const { segments, offsetInFirstSegmentBytes, readBytesInLastSegment } = information;
  const first = segments[0];
  const last = segments.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const startBytes = first.offsetBytes + offsetInFirstSegmentBytes;
  // With one segment the bytes are counted from where reading starts, else from where it begins.
  const from = segments.length === 1 ? startBytes : last.offsetBytes;
  const lastEndBytes = last.offsetBytes + last.lengthBytes;
  const endBytes = readBytesInLastSegment === 0 ? lastEndBytes : from + readBytesInLastSegment;
  const isInside = offsetInFirstSegmentBytes < first.lengthBytes && endBytes <= lastEndBytes;
  return isInside && startBytes < endBytes ? { startBytes, endBytes } : undefined;
}

/** 1.0: the low byte is the minor version, and comes first. */
const VERSION = 0x01_00;

const HEADER_BYTES = 18;

const HASH_NUMBERS: Readonly<Record<HashName, number>> = {
  sha256: 0x80_0c,
  sha384: 0x80_0d,
  sha512: 0x80_0e,
};

const HASH_NAMES: ReadonlyMap<number, HashName> = new Map([
  [HASH_NUMBERS.sha256, "sha256"],
  [HASH_NUMBERS.sha384, "sha384"],
  [HASH_NUMBERS.sha512, "sha512"],
]);

type Description = Omit<SegmentV1, "blockHashes">;

function readDescription(reader: LittleReader, digestBytes: number): Description {
  return {
    offsetBytes: reader.u64(),
    lengthBytes: reader.u32(),
    blockSizeBytes: reader.u32(),
    hashOfData: reader.bytes(digestBytes),
    secret: reader.bytes(digestBytes),
  };
}

/** Segments lie one behind the other, and their sizes are those of the specification. */
function areSound(segments: readonly Description[]): boolean {
  return segments.every(({ offsetBytes, lengthBytes, blockSizeBytes }, index) => {
    const before = segments[index - 1];
    const follows = before === undefined || before.offsetBytes + before.lengthBytes === offsetBytes;
    const isSized = lengthBytes > 0 && lengthBytes <= SEGMENT_V1_BYTES;
    const isSafe = Number.isSafeInteger(offsetBytes + lengthBytes);
    return follows && isSized && isSafe && blockSizeBytes === BLOCK_BYTES;
  });
}

function readBlockHashes(
  reader: LittleReader,
  digestBytes: number,
  segmentBytes: number,
): Uint8Array {
  const count = reader.u32();
  // More blocks than the segment has are read as bytes that are not there.
  const isPossible = count <= Math.ceil(segmentBytes / BLOCK_BYTES);
  return reader.bytes(isPossible ? count * digestBytes : Number.POSITIVE_INFINITY);
}

/** Whether the list reaches from block 0 to the end of the range (CI8). */
function listsAll(segment: SegmentV1, digestBytes: number, range: ByteRange): boolean {
  const endInSegment = Math.min(segment.lengthBytes, range.endBytes - segment.offsetBytes);
  return segment.blockHashes.length / digestBytes >= Math.ceil(endInSegment / BLOCK_BYTES);
}
