import { ByteWriter } from "../base/byte-writer.ts";
import { unreachable } from "../base/invariant.ts";
import type { PeerDistVersion } from "./http-negotiation.ts";

/** How a block is encrypted; a request names what it would like best (MS-PCCRR 2.2.3). */
export type BlockCipher = "none" | "aes-128" | "aes-192" | "aes-256";

/** Blocks that lie one behind the other in a segment, or segments in the list of a request. */
export type IndexRange = { readonly index: number; readonly count: number };

/** What a client posts (MS-PCCRR 2.2.4). */
export type RetrievalRequest =
  | { readonly kind: "negotiate"; readonly least: PeerDistVersion; readonly most: PeerDistVersion }
  | {
      /** Which of these blocks are there. */
      readonly kind: "get-block-list";
      readonly segmentId: Uint8Array;
      readonly ranges: readonly IndexRange[];
    }
  | {
      /** The first of these blocks. */
      readonly kind: "get-blocks";
      readonly segmentId: Uint8Array;
      readonly ranges: readonly IndexRange[];
    }
  | {
      /** Which of these segments are there. */
      readonly kind: "get-segment-list";
      readonly requestId: Uint8Array;
      readonly segmentIds: readonly Uint8Array[];
      readonly blob: Uint8Array;
    };

/** What it is answered (MS-PCCRR 2.2.5). */
export type RetrievalResponse =
  | { readonly kind: "negotiated"; readonly least: PeerDistVersion; readonly most: PeerDistVersion }
  | {
      readonly kind: "block-list";
      readonly segmentId: Uint8Array;
      readonly ranges: readonly IndexRange[];
      /** Of the next block that is there behind those asked for; 0 where there is none. */
      readonly nextBlockIndex: number;
    }
  | {
      readonly kind: "block";
      readonly segmentId: Uint8Array;
      readonly blockIndex: number;
      readonly nextBlockIndex: number;
      /** Encrypted as the header says; empty where the block is not there. */
      readonly block: Uint8Array;
      readonly iv: Uint8Array;
    }
  | {
      readonly kind: "segment-list";
      readonly requestId: Uint8Array;
      readonly ranges: readonly IndexRange[];
      /** The ages of segments, as `segment-ages.ts` reads them. */
      readonly blob: Uint8Array;
    };

/** A message with what its header says. */
export type WithCipher<M> = { readonly cipher: BlockCipher; readonly message: M };

/** Writes a request, the body of a POST (RR2 to RR5). */
export function encodeRequest({ cipher, message }: WithCipher<RetrievalRequest>): Uint8Array {
  const writer = begin(REQUEST_TYPES[message.kind], cipher, 0);
  switch (message.kind) {
    case "negotiate":
      writeVersion(writer, message.least);
      writeVersion(writer, message.most);
      break;
    case "get-block-list":
      writeField(writer, message.segmentId, 0);
      writeRanges(writer, message.ranges);
      break;
    case "get-blocks":
      writeField(writer, message.segmentId, 0);
      writeRanges(writer, message.ranges);
      writer.u32(0);
      break;
    case "get-segment-list":
      writer.bytes(message.requestId);
      writer.u32(message.segmentIds.length);
      for (const id of message.segmentIds) writeField(writer, id, 0);
      writer.u32(message.blob.length);
      writer.bytes(message.blob);
      break;
    default:
      unreachable(message);
  }
  return withSize(writer, 0);
}

/** Writes a response, the body of an HTTP answer, with the size before it (RR2 to RR5). */
export function encodeResponse({ cipher, message }: WithCipher<RetrievalResponse>): Uint8Array {
  const block = message.kind === "block" ? message.block.length : 0;
  const writer = begin(RESPONSE_TYPES[message.kind], cipher, SIZE_BYTES, block);
  switch (message.kind) {
    case "negotiated":
      writeVersion(writer, message.least);
      writeVersion(writer, message.most);
      break;
    case "block-list":
      writeField(writer, message.segmentId, SIZE_BYTES);
      writeRanges(writer, message.ranges);
      writer.u32(message.nextBlockIndex);
      break;
    case "block":
      writeField(writer, message.segmentId, SIZE_BYTES);
      writer.u32(message.blockIndex);
      writer.u32(message.nextBlockIndex);
      writeField(writer, message.block, SIZE_BYTES);
      writer.u32(0);
      writer.u32(message.iv.length);
      writer.bytes(message.iv);
      break;
    case "segment-list":
      writer.bytes(message.requestId);
      writeRanges(writer, message.ranges);
      writer.u32(message.blob.length);
      writer.bytes(message.blob);
      break;
    default:
      unreachable(message);
  }
  return withSize(writer, SIZE_BYTES);
}

/** The numbers of the ciphers in the header. */
export const CIPHER_NUMBERS: Readonly<Record<BlockCipher, number>> = {
  none: 0,
  "aes-128": 1,
  "aes-192": 2,
  "aes-256": 3,
};

/** The types of the requests. */
export const REQUEST_TYPES: Readonly<Record<RetrievalRequest["kind"], number>> = {
  negotiate: 0,
  "get-block-list": 2,
  "get-blocks": 3,
  "get-segment-list": 6,
};

/** The types of the responses. */
export const RESPONSE_TYPES: Readonly<Record<RetrievalResponse["kind"], number>> = {
  negotiated: 1,
  "block-list": 4,
  block: 5,
  "segment-list": 7,
};

/** From this type on a message belongs to version 2.0, whatever was negotiated (RR3). */
export const FIRST_TYPE_OF_V2 = 6;

/** The size before a response, in bytes. */
export const SIZE_BYTES = 4;

/** Where in the header the length of the message stands. */
const LENGTH_AT = 8;

function begin(type: number, cipher: BlockCipher, prefixBytes: number, more = 0): ByteWriter {
  const writer = new ByteWriter(128 + more);
  if (prefixBytes > 0) writer.u32(0);
  writeVersion(writer, { major: type < FIRST_TYPE_OF_V2 ? 1 : 2, minor: 0 });
  writer.u32(type);
  writer.u32(0);
  writer.u32(CIPHER_NUMBERS[cipher]);
  return writer;
}

function writeVersion(writer: ByteWriter, { major, minor }: PeerDistVersion): void {
  writer.u16(minor);
  writer.u16(major);
}

function writeRanges(writer: ByteWriter, ranges: readonly IndexRange[]): void {
  writer.u32(ranges.length);
  for (const { index, count } of ranges) {
    writer.u32(index);
    writer.u32(count);
  }
}

/** A length, the bytes, and zeros up to a multiple of four from the message's start (RR4). */
function writeField(writer: ByteWriter, bytes: Uint8Array, prefixBytes: number): void {
  writer.u32(bytes.length);
  writer.bytes(bytes);
  while ((writer.length - prefixBytes) % 4 !== 0) writer.u8(0);
}

/** Fills in the lengths that are known at the end. */
function withSize(writer: ByteWriter, prefixBytes: number): Uint8Array {
  const bytes = writer.written();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = bytes.length - prefixBytes;
  if (prefixBytes > 0) view.setUint32(0, length);
  view.setUint32(prefixBytes + LENGTH_AT, length);
  return bytes;
}
