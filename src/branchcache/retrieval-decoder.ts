import { ByteReader } from "../base/byte-reader.ts";
import { err, ok, type Result } from "../base/result.ts";
import type { PeerDistVersion } from "./http-negotiation.ts";
import { BLOCKS_PER_SEGMENT } from "./limits.ts";
import {
  ANY_SEGMENT_ID_BYTES_MAX,
  RANGES_MAX,
  REQUEST_BYTES_MAX,
  RESPONSE_BYTES_MAX,
  SEALED_BLOCK_BYTES_MAX,
} from "./retrieval-limits.ts";
import {
  type BlockCipher,
  CIPHER_NUMBERS,
  FIRST_TYPE_OF_V2,
  type IndexRange,
  REQUEST_TYPES,
  RESPONSE_TYPES,
  type RetrievalRequest,
  type RetrievalResponse,
  SIZE_BYTES,
  type WithCipher,
} from "./retrieval-message.ts";

/** Why a message was refused. */
export type RetrievalError =
  | "too-long"
  | "truncated"
  | "wrong-size"
  | "unknown-version"
  | "unknown-type"
  | "unknown-cipher"
  | "wrong-ranges"
  | "wrong-field"
  | "trailing-bytes";

/** Reads what a client posted (RR2 to RR6). Segment ids and blobs are views of `bytes`. */
export function decodeRequest(
  bytes: Uint8Array,
): Result<WithCipher<RetrievalRequest>, RetrievalError> {
  if (bytes.length > REQUEST_BYTES_MAX) return err("too-long");
  return decode(bytes, readRequest);
}

/** Reads a response with the size before it (RR2 to RR6). Its block is a view of `bytes`. */
export function decodeResponse(
  bytes: Uint8Array,
): Result<WithCipher<RetrievalResponse>, RetrievalError> {
  if (bytes.length > SIZE_BYTES + RESPONSE_BYTES_MAX) return err("too-long");
  const reader = new ByteReader(bytes);
  const size = reader.u32();
  if (reader.failed) return err("truncated");
  if (size !== reader.remaining) return err("wrong-size");
  return decode(bytes.subarray(SIZE_BYTES), readResponse);
}

function decode<M extends object>(
  bytes: Uint8Array,
  readBody: (reader: ByteReader, type: number) => M | RetrievalError,
): Result<WithCipher<M>, RetrievalError> {
  const reader = new ByteReader(bytes);
  const { major } = readVersion(reader);
  const type = reader.u32();
  const length = reader.u32();
  const cipher = CIPHERS[reader.u32()];
  if (reader.failed) return err("truncated");
  if (major < 1 || major > 2) return err("unknown-version");
  if (length !== bytes.length) return err("wrong-size");
  if (cipher === undefined) return err("unknown-cipher");
  // A message belongs to one version; its minor number says nothing.
  if (major !== (type < FIRST_TYPE_OF_V2 ? 1 : 2)) return err("unknown-version");
  const message = readBody(reader, type);
  if (reader.failed) return err("truncated");
  if (typeof message === "string") return err(message);
  return reader.remaining > 0 ? err("trailing-bytes") : ok({ cipher, message });
}

const CIPHERS = Object.keys(CIPHER_NUMBERS) as readonly BlockCipher[];

function readRequest(reader: ByteReader, type: number): RetrievalRequest | RetrievalError {
  switch (type) {
    case REQUEST_TYPES.negotiate:
      return { kind: "negotiate", least: readVersion(reader), most: readVersion(reader) };
    case REQUEST_TYPES["get-block-list"]:
      return readBlockRequest(reader, "get-block-list");
    case REQUEST_TYPES["get-blocks"]:
      return readBlockRequest(reader, "get-blocks");
    case REQUEST_TYPES["get-segment-list"]:
      return readSegmentListRequest(reader);
    default:
      return "unknown-type";
  }
}

function readBlockRequest(
  reader: ByteReader,
  kind: "get-block-list" | "get-blocks",
): RetrievalRequest | RetrievalError {
  const segmentId = readSegmentId(reader);
  const ranges = readRanges(reader, BLOCKS_PER_SEGMENT);
  // What would verify a block is of no use to anybody, and may be missing altogether.
  if (kind === "get-blocks" && reader.remaining > 0) reader.bytes(reader.u32());
  if (segmentId === undefined) return "wrong-field";
  if (ranges === undefined || ranges.length === 0) return "wrong-ranges";
  return { kind, segmentId, ranges };
}

function readSegmentListRequest(reader: ByteReader): RetrievalRequest | RetrievalError {
  const requestId = reader.bytes(REQUEST_ID_BYTES);
  const count = reader.u32();
  // Nothing is reserved for ids that the bytes cannot hold.
  if (count < 1 || count * 8 > reader.remaining) return "wrong-field";
  const segmentIds: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) {
    const id = readSegmentId(reader);
    if (id === undefined) return "wrong-field";
    segmentIds.push(id);
  }
  const blob = reader.bytes(reader.u32());
  return { kind: "get-segment-list", requestId, segmentIds, blob };
}

function readResponse(reader: ByteReader, type: number): RetrievalResponse | RetrievalError {
  switch (type) {
    case RESPONSE_TYPES.negotiated:
      return { kind: "negotiated", least: readVersion(reader), most: readVersion(reader) };
    case RESPONSE_TYPES["block-list"]:
      return readBlockList(reader);
    case RESPONSE_TYPES.block:
      return readBlock(reader);
    case RESPONSE_TYPES["segment-list"]:
      return readSegmentList(reader);
    default:
      return "unknown-type";
  }
}

function readBlockList(reader: ByteReader): RetrievalResponse | RetrievalError {
  const segmentId = readSegmentId(reader);
  const ranges = readRanges(reader, BLOCKS_PER_SEGMENT);
  const nextBlockIndex = reader.u32();
  if (segmentId === undefined) return "wrong-field";
  if (ranges === undefined) return "wrong-ranges";
  return { kind: "block-list", segmentId, ranges, nextBlockIndex };
}

function readBlock(reader: ByteReader): RetrievalResponse | RetrievalError {
  const segmentId = readSegmentId(reader);
  const blockIndex = reader.u32();
  const nextBlockIndex = reader.u32();
  const block = readField(reader, SEALED_BLOCK_BYTES_MAX);
  readField(reader, SEALED_BLOCK_BYTES_MAX);
  const iv = reader.bytes(reader.u32());
  const isWrong = segmentId === undefined || block === undefined || iv.length > IV_BYTES_MAX;
  if (isWrong || blockIndex >= BLOCKS_PER_SEGMENT) return "wrong-field";
  return { kind: "block", segmentId, blockIndex, nextBlockIndex, block, iv };
}

function readSegmentList(reader: ByteReader): RetrievalResponse | RetrievalError {
  const requestId = reader.bytes(REQUEST_ID_BYTES);
  const ranges = readRanges(reader, SEGMENT_INDEXES_MAX);
  const blob = reader.bytes(reader.u32());
  return ranges === undefined ? "wrong-ranges" : { kind: "segment-list", requestId, ranges, blob };
}

/** The id of a request for segments, in bytes. */
const REQUEST_ID_BYTES = 16;

/** An initialisation vector has 16 bytes or none. */
const IV_BYTES_MAX = 16;

/** More segments than any request has room for. */
const SEGMENT_INDEXES_MAX: number = REQUEST_BYTES_MAX / 8;

function readVersion(reader: ByteReader): PeerDistVersion {
  const minor = reader.u16();
  return { major: reader.u16(), minor };
}

/** Ranges in `[0, limit)`; `undefined` where there are too many, or one is empty or too long. */
function readRanges(reader: ByteReader, limit: number): readonly IndexRange[] | undefined {
  const count = reader.u32();
  if (reader.failed || count > RANGES_MAX) return undefined;
  const ranges = Array.from({ length: count }, () => ({
    index: reader.u32(),
    count: reader.u32(),
  }));
  const isSound = ranges.every((range) => range.count > 0 && range.index + range.count <= limit);
  return isSound ? ranges : undefined;
}

function readSegmentId(reader: ByteReader): Uint8Array | undefined {
  const id = readField(reader, ANY_SEGMENT_ID_BYTES_MAX);
  return id === undefined || id.length === 0 ? undefined : id;
}

function readField(reader: ByteReader, lengthMax: number): Uint8Array | undefined {
  const length = reader.u32();
  if (reader.failed || length > lengthMax) return undefined;
  const bytes = reader.bytes(length);
  reader.bytes((4 - (reader.at % 4)) % 4);
  return bytes;
}
