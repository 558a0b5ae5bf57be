import { ByteReader } from "../base/byte-reader.ts";
import { ByteWriter } from "../base/byte-writer.ts";
import { err, ok, type Result } from "../base/result.ts";
import type { ByteRange, ContentInformationError } from "./content-information.ts";
import { SEGMENT_V2_BYTES_MAX } from "./limits.ts";

/** Content information of version 2 (MS-PCCRC 2.4). */
export type ContentInformationV2 = {
  readonly version: 2;
  /** Where the first listed segment begins. */
  readonly startBytes: number;
  /** Which segment of the content that is, from 0. */
  readonly indexOfFirstSegment: number;
  readonly offsetInFirstSegmentBytes: number;
  /** 0: to the end of the last segment. */
  readonly lengthOfRangeBytes: number;
  readonly segments: readonly SegmentV2[];
};

/** A segment of version 2, which is one block. */
export type SegmentV2 = {
  readonly lengthBytes: number;
  readonly hashOfData: Uint8Array;
  readonly secret: Uint8Array;
};

/** How many segments one chunk lists where we write it; others choose for themselves. */
const SEGMENTS_PER_CHUNK = 1_024;

/** Writes version 2 (CI9). */
export function encodeContentInformationV2(information: ContentInformationV2): Uint8Array {
  const { segments } = information;
  const writer = new ByteWriter(HEADER_BYTES + segments.length * (SEGMENT_BYTES + 1) + 5);
  writer.u8(0);
  writer.u8(2);
  writer.u8(HASH_TRUNCATED_SHA512);
  writer.u64(information.startBytes);
  writer.u64(information.indexOfFirstSegment);
  writer.u32(information.offsetInFirstSegmentBytes);
  writer.u64(information.lengthOfRangeBytes);
  for (let at = 0; at < segments.length; at += SEGMENTS_PER_CHUNK) {
    const chunk = segments.slice(at, at + SEGMENTS_PER_CHUNK);
    writer.u8(CHUNK_OF_SEGMENTS);
    writer.u32(chunk.length * SEGMENT_BYTES);
    for (const { lengthBytes, hashOfData, secret } of chunk) {
      writer.u32(lengthBytes);
      writer.bytes(hashOfData);
      writer.bytes(secret);
    }
  }
  return writer.written();
}

/** Reads version 2, refusing whatever does not add up (CI9, CI10). The digests are views. */
export function decodeContentInformationV2(
  bytes: Uint8Array,
): Result<ContentInformationV2, ContentInformationError> {
  const reader = new ByteReader(bytes);
  const version = reader.u16();
  if (version !== VERSION) return err(reader.failed ? "truncated" : "unknown-version");
  if (reader.u8() !== HASH_TRUNCATED_SHA512)
    return err(reader.failed ? "truncated" : "unknown-hash");
  const header = {
    startBytes: reader.u64(),
    indexOfFirstSegment: reader.u64(),
    offsetInFirstSegmentBytes: reader.u32(),
    lengthOfRangeBytes: reader.u64(),
  };
  const segments: SegmentV2[] = [];
  while (!reader.failed && reader.remaining > 0) {
    const problem = readChunk(reader, segments);
    if (problem !== undefined) return err(problem);
  }
  if (reader.failed) return err("truncated");
  if (segments.length === 0 || !segments.every(isSound)) return err("wrong-segments");
  const information: ContentInformationV2 = { version: 2, ...header, segments };
  return rangeOfV2(information) === undefined ? err("wrong-range") : ok(information);
}

/** Which part of the content is described; `undefined` where the fields contradict (CI10). */
export function rangeOfV2(information: ContentInformationV2): ByteRange | undefined {
  const { segments, offsetInFirstSegmentBytes, lengthOfRangeBytes } = information;
  const startBytes = information.startBytes + offsetInFirstSegmentBytes;
  const lastEndBytes = segments.reduce(
    (total, { lengthBytes }) => total + lengthBytes,
    information.startBytes,
  );
  const endBytes = lengthOfRangeBytes === 0 ? lastEndBytes : startBytes + lengthOfRangeBytes;
  const isInside =
    offsetInFirstSegmentBytes < (segments[0]?.lengthBytes ?? 0) && endBytes <= lastEndBytes;
  const isSafe = Number.isSafeInteger(lastEndBytes);
  return isInside && isSafe && startBytes < endBytes ? { startBytes, endBytes } : undefined;
}

/** 2.0: minor version, then major. */
const VERSION = 0x00_02;

/** SHA-512 of which 32 bytes are kept: the only hash of this version. */
const HASH_TRUNCATED_SHA512 = 0x04;

const CHUNK_OF_SEGMENTS = 0x00;

const HEADER_BYTES = 31;

/** What one segment takes in a chunk. */
const SEGMENT_BYTES = 68;

function readChunk(reader: ByteReader, segments: SegmentV2[]): ContentInformationError | undefined {
  const isList = reader.u8() === CHUNK_OF_SEGMENTS;
  const lengthBytes = reader.u32();
  if (reader.failed || lengthBytes > reader.remaining) return "truncated";
  const count = lengthBytes / SEGMENT_BYTES;
  if (!isList || count < 1 || !Number.isInteger(count)) return "wrong-segments";
  for (let index = 0; index < count; index += 1) segments.push(readSegment(reader));
  return undefined;
}

function readSegment(reader: ByteReader): SegmentV2 {
  return { lengthBytes: reader.u32(), hashOfData: reader.bytes(32), secret: reader.bytes(32) };
}

function isSound({ lengthBytes }: SegmentV2): boolean {
  return lengthBytes > 0 && lengthBytes <= SEGMENT_V2_BYTES_MAX;
}
