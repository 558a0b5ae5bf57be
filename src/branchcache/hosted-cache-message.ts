import { ByteReader } from "../base/byte-reader.ts";
import { ByteWriter } from "../base/byte-writer.ts";
import { err, ok, type Result } from "../base/result.ts";
import {
  type ContentInformationV1,
  decodeContentInformationV1,
  encodeContentInformationV1,
} from "./content-information-v1.ts";
import { BLOCK_BYTES, SEGMENT_ID_BYTES, SEGMENT_V1_BYTES, SEGMENT_V2_BYTES_MAX } from "./limits.ts";

/** What a client tells a hosted cache over TLS, in version 1.0 (MS-PCHC 2.2.1). */
export type HostedCacheRequestV1 =
  | { readonly kind: "initial-offer"; readonly port: number; readonly segmentId: Uint8Array }
  | {
      readonly kind: "segment-info";
      readonly port: number;
      readonly contentTag: Uint8Array;
      /** Of one segment. */
      readonly information: ContentInformationV1;
    };

/** What it tells it in version 2.0. */
export type HostedCacheRequestV2 = {
  readonly kind: "batched-offer";
  /** Where the client serves what it offers. */
  readonly port: number;
  readonly segments: readonly OfferedSegment[];
};

/** One segment of a batched offer. */
export type OfferedSegment = {
  readonly version: 1 | 2;
  readonly blockSizeBytes: number;
  readonly lengthBytes: number;
  readonly contentTag: Uint8Array;
  readonly segmentId: Uint8Array;
};

/** What a hosted cache answers (MS-PCHC 2.2.2). */
export type HostedCacheAnswer = "ok" | "interested";

/** Why a request was refused. */
export type HostedCacheError = "truncated" | "unknown-version" | "unknown-type" | "wrong-field";

/** Where version 1.0 is posted to, over TLS; the case of letters does not matter. */
export const HOSTED_CACHE_PATH_V1 = "/C574AC30-5794-4AEE-B1BB-6651C5315029/";

/** Where version 2.0 is posted to. */
export const HOSTED_CACHE_PATH_V2 = "/0131501b-d67f-491b-9a40-c4bf27bcb4d4/";

/** How many segments one batched offer has at most. */
export const OFFERS_PER_BATCH = 128;

/** The length of a content tag, which names the application. */
export const CONTENT_TAG_BYTES = 16;

/** The most bytes of a request: one segment's content information, with SHA-512. */
export const OFFER_BYTES_MAX = 65_536;

/** Writes a request of version 1.0 (HC2, HC3). */
export function encodeHostedCacheRequestV1(request: HostedCacheRequestV1): Uint8Array {
  const writer = begin(1, request.kind === "initial-offer" ? TYPE_INITIAL : TYPE_INFO, request);
  if (request.kind === "initial-offer") {
    writer.bytes(request.segmentId);
    return writer.written();
  }
  writer.bytes(request.contentTag);
  writer.bytes(encodeContentInformationV1(request.information));
  return writer.written();
}

/** Writes a batched offer of at most {@link OFFERS_PER_BATCH} segments (HC4). */
export function encodeBatchedOffer(request: HostedCacheRequestV2): Uint8Array {
  const writer = begin(2, TYPE_BATCH, request);
  for (const segment of request.segments) {
    writer.u32(segment.blockSizeBytes);
    writer.u32(segment.lengthBytes);
    writer.u16(segment.contentTag.length);
    writer.bytes(segment.contentTag);
    writer.u8(segment.version === 1 ? HASH_SHA256 : HASH_TRUNCATED_SHA512);
    writer.bytes(segment.segmentId);
  }
  return writer.written();
}

/** Reads a request of version 1.0 (HC1 to HC3). */
export function decodeHostedCacheRequestV1(
  bytes: Uint8Array,
): Result<HostedCacheRequestV1, HostedCacheError> {
  const reader = new ByteReader(bytes);
  const header = readHeader(reader);
  if (reader.failed || bytes.length > OFFER_BYTES_MAX) return err("truncated");
  if (header.major !== 1) return err("unknown-version");
  if (header.port === 0) return err("wrong-field");
  if (header.type === TYPE_INITIAL) {
    const segmentId = reader.bytes(reader.remaining);
    if (segmentId.length !== SEGMENT_ID_BYTES) return err("wrong-field");
    return ok({ kind: "initial-offer", port: header.port, segmentId });
  }
  if (header.type !== TYPE_INFO) return err("unknown-type");
  const contentTag = reader.bytes(CONTENT_TAG_BYTES);
  const information = decodeContentInformationV1(reader.bytes(reader.remaining));
  if (reader.failed) return err("truncated");
  const isSingle = information.ok && information.value.segments.length === 1;
  if (!isSingle || information.value.hash !== "sha256") return err("wrong-field");
  return ok({
    kind: "segment-info",
    port: header.port,
    contentTag,
    information: information.value,
  });
}

/** Reads a request of version 2.0 (HC1, HC4). */
export function decodeHostedCacheRequestV2(
  bytes: Uint8Array,
): Result<HostedCacheRequestV2, HostedCacheError> {
  const reader = new ByteReader(bytes);
  const header = readHeader(reader);
  if (reader.failed || bytes.length > OFFER_BYTES_MAX) return err("truncated");
  if (header.major !== 2) return err("unknown-version");
  if (header.type !== TYPE_BATCH) return err("unknown-type");
  const segments: OfferedSegment[] = [];
  while (!reader.failed && reader.remaining > 0 && segments.length < OFFERS_PER_BATCH) {
    const segment = readOffer(reader);
    if (reader.failed) return err("truncated");
    if (segment === undefined) return err("wrong-field");
    segments.push(segment);
  }
  if (segments.length === 0 || reader.remaining > 0 || header.port === 0) return err("wrong-field");
  return ok({ kind: "batched-offer", port: header.port, segments });
}

/** Writes an answer: its size and its code, five bytes (HC5). */
export function encodeHostedCacheAnswer(answer: HostedCacheAnswer): Uint8Array {
  return Uint8Array.of(0, 0, 0, 1, ANSWERS.indexOf(answer));
}

/** Reads an answer; `undefined` for anything else. */
export function decodeHostedCacheAnswer(bytes: Uint8Array): HostedCacheAnswer | undefined {
  const reader = new ByteReader(bytes);
  const size = reader.u32();
  const answer = ANSWERS[reader.u8()];
  return reader.failed || reader.remaining > 0 || size !== 1 ? undefined : answer;
}

const ANSWERS: readonly HostedCacheAnswer[] = ["ok", "interested"];

const TYPE_INITIAL = 1;
const TYPE_INFO = 2;
const TYPE_BATCH = 3;

const HASH_SHA256 = 0x01;
const HASH_TRUNCATED_SHA512 = 0x04;

function begin(major: number, type: number, { port }: { readonly port: number }): ByteWriter {
  const writer = new ByteWriter();
  writer.u8(0);
  writer.u8(major);
  writer.u16(type);
  writer.u32(0);
  writer.u16(port);
  writer.bytes(new Uint8Array(6));
  return writer;
}

function readHeader(reader: ByteReader) {
  reader.u8();
  const major = reader.u8();
  const type = reader.u16();
  reader.u32();
  const port = reader.u16();
  reader.bytes(6);
  return { major, type, port };
}

/** One segment; `undefined` where its fields contradict. */
function readOffer(reader: ByteReader): OfferedSegment | undefined {
  const blockSizeBytes = reader.u32();
  const lengthBytes = reader.u32();
  const tagBytes = reader.u16();
  const contentTag = reader.bytes(tagBytes);
  const hash = reader.u8();
  const segmentId = reader.bytes(SEGMENT_ID_BYTES);
  if (tagBytes !== CONTENT_TAG_BYTES) return undefined;
  if (hash !== HASH_SHA256 && hash !== HASH_TRUNCATED_SHA512) return undefined;
  const version = hash === HASH_SHA256 ? 1 : 2;
  const lengthMax = version === 1 ? SEGMENT_V1_BYTES : SEGMENT_V2_BYTES_MAX;
  const isSized = lengthBytes > 0 && lengthBytes <= lengthMax;
  const isBlockSized =
    version === 1 ? blockSizeBytes === BLOCK_BYTES : blockSizeBytes === lengthBytes;
  if (!isSized || !isBlockSized) return undefined;
  return { version, blockSizeBytes, lengthBytes, contentTag, segmentId };
}
