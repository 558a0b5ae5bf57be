import { ByteReader } from "../base/byte-reader.ts";
import type { ByteWriter } from "../base/byte-writer.ts";
import { decodeUtf8, encodeUtf8 } from "../base/utf8.ts";

/** Packets `[first, last]` that have arrived. */
export type PacketRange = { readonly first: number; readonly last: number };

/** What a receiver says of the packets and records that have reached it. */
export type AckFrame = {
  readonly kind: "ack";
  /** Newest first. */
  readonly ranges: readonly PacketRange[];
  /** How long the newest packet waited for this acknowledgement. */
  readonly delayUs: number;
  /** How many bytes of unfinished records the receiver is ready to hold. */
  readonly windowBytes: number;
  /** Every record of the reliable lane below this number is done. */
  readonly recordFloor: number;
  /** Bit `n` (top bit first): whether record `recordFloor + n` is done. */
  readonly recordsDone: Uint8Array;
  /** Whether from now on every record must fit into one datagram. */
  readonly single: boolean;
};

/**
 * When packets reached a receiver, in the order in which they came; all in whole microseconds by its
 * own clock. Those that follow each other must do so closely ({@link followsClosely}).
 */
export type ArrivalsFrame = {
  readonly kind: "arrivals";
  readonly arrived: readonly { readonly packet: number; readonly atUs: number }[];
  /** When the receiver said so. */
  readonly saidAtUs: number;
};

/** What a sealed record is made of. */
export type Frame =
  | AckFrame
  | ArrivalsFrame
  /** Asks to be told at once when it arrived, and says for how long the line has been busy. */
  | { readonly kind: "probe"; readonly busyMs: number }
  /** A part of the stream of messages. */
  | { readonly kind: "stream"; readonly offsetBytes: number; readonly data: Uint8Array }
  /** A part of what a request asked for. */
  | {
      readonly kind: "block";
      readonly requestId: number;
      readonly offsetBytes: number;
      readonly data: Uint8Array;
    }
  /** The record will not come under this number again: what it said has been sealed anew. */
  | { readonly kind: "abandon"; readonly record: number }
  /** Asks for an acknowledgement and nothing else. */
  | { readonly kind: "ping" }
  | { readonly kind: "close"; readonly code: number; readonly reason: string }
  /** Asks for a response with the same token: it shows that this came through, and where. */
  | { readonly kind: "challenge" | "response"; readonly token: Uint8Array };

/** Most packet ranges in one acknowledgement. */
export const ACK_RANGES_MAX = 32;

/** Most bytes of the bitmap of done records. */
export const ACK_BITMAP_BYTES_MAX = 128;

/** Most bytes of the reason of a close. */
export const CLOSE_REASON_BYTES_MAX = 255;

/** What a stream frame adds to its data, in bytes. */
export const STREAM_OVERHEAD_BYTES = 11;

/** What a block frame adds to its data, in bytes. */
export const BLOCK_OVERHEAD_BYTES = 11;

/** Most packets of which one frame says when they arrived: what surely fits beside an ACK. */
export const ARRIVALS_MAX = 64;

/** Length of the token of a challenge. */
export const TOKEN_BYTES = 8;

const TYPE = {
  padding: 0,
  ack: 1,
  stream: 2,
  block: 3,
  abandon: 4,
  ping: 5,
  close: 6,
  challenge: 7,
  response: 8,
  arrivals: 9,
  probe: 10,
} as const;

/** Fills a record's plaintext up with zeros, which end it. */
export function writePadding(writer: ByteWriter, lengthBytes: number): void {
  writer.bytes(new Uint8Array(Math.max(0, lengthBytes)));
}

/** Appends a frame to a record's plaintext. */
export function writeFrame(writer: ByteWriter, frame: Frame): void {
  writer.u8(TYPE[frame.kind]);
  switch (frame.kind) {
    case "ack":
      writeAck(writer, frame);
      break;
    case "arrivals":
      writeArrivals(writer, frame);
      break;
    case "probe":
      writer.u32(frame.busyMs);
      break;
    case "stream":
      writer.u64(frame.offsetBytes);
      writer.u16(frame.data.length);
      writer.bytes(frame.data);
      break;
    case "block":
      writer.u32(frame.requestId);
      writer.u32(frame.offsetBytes);
      writer.u16(frame.data.length);
      writer.bytes(frame.data);
      break;
    case "abandon":
      writer.u32(frame.record);
      break;
    case "ping":
      break;
    case "challenge":
    case "response":
      writer.bytes(frame.token);
      break;
    case "close":
      writer.u16(frame.code);
      writeShort(writer, encodeUtf8(frame.reason).subarray(0, CLOSE_REASON_BYTES_MAX));
      break;
  }
}

/** Reads all frames of a record's plaintext; `undefined` where it is not made of frames. */
export function readFrames(plaintext: Uint8Array): readonly Frame[] | undefined {
  const reader = new ByteReader(plaintext);
  const frames: Frame[] = [];
  while (reader.remaining > 0) {
    const type = reader.u8();
    if (type === TYPE.padding) break;
    const frame = readFrame(type, reader);
    if (frame === undefined || reader.failed) return undefined;
    frames.push(frame);
  }
  return frames;
}

function readFrame(type: number, reader: ByteReader): Frame | undefined {
  switch (type) {
    case TYPE.ack:
      return readAck(reader);
    case TYPE.arrivals:
      return readArrivals(reader);
    case TYPE.probe:
      return { kind: "probe", busyMs: reader.u32() };
    case TYPE.stream:
      return { kind: "stream", offsetBytes: reader.u64(), data: reader.bytes(reader.u16()) };
    case TYPE.block:
      return {
        kind: "block",
        requestId: reader.u32(),
        offsetBytes: reader.u32(),
        data: reader.bytes(reader.u16()),
      };
    case TYPE.abandon:
      return { kind: "abandon", record: reader.u32() };
    case TYPE.ping:
      return { kind: "ping" };
    case TYPE.challenge:
      return { kind: "challenge", token: reader.bytes(TOKEN_BYTES) };
    case TYPE.response:
      return { kind: "response", token: reader.bytes(TOKEN_BYTES) };
    case TYPE.close: {
      const code = reader.u16();
      // A reason cut within a character is still a close.
      return { kind: "close", code, reason: decodeUtf8(reader.bytes(reader.u8())) ?? "" };
    }
    default:
      return undefined;
  }
}

function writeAck(writer: ByteWriter, ack: AckFrame): void {
  writer.u8(ack.single ? 1 : 0);
  writer.u32(ack.delayUs);
  writer.u32(ack.windowBytes);
  writer.u8(ack.ranges.length);
  for (const { first, last } of ack.ranges) {
    writer.u32(first);
    writer.u32(last);
  }
  writer.u32(ack.recordFloor);
  writeShort(writer, ack.recordsDone);
}

function readAck(reader: ByteReader): AckFrame | undefined {
  const single = reader.u8() === 1;
  const delayUs = reader.u32();
  const windowBytes = reader.u32();
  const rangeCount = reader.u8();
  if (rangeCount > ACK_RANGES_MAX) return undefined;
  const ranges = Array.from({ length: rangeCount }, () => ({
    first: reader.u32(),
    last: reader.u32(),
  }));
  const recordFloor = reader.u32();
  const recordsDone = reader.bytes(reader.u8());
  const sound = ranges.every(({ first, last }) => first <= last);
  if (!sound || recordsDone.length > ACK_BITMAP_BYTES_MAX) return undefined;
  return {
    kind: "ack",
    ranges,
    delayUs,
    windowBytes,
    recordFloor,
    recordsDone,
    single,
  };
}

/** The first packet and the times in full; then what each differs by from the one before. */
function writeArrivals(writer: ByteWriter, { arrived, saidAtUs }: ArrivalsFrame): void {
  const [first] = arrived;
  writer.u64(saidAtUs);
  writer.u8(arrived.length);
  writer.u32(first?.packet ?? 0);
  writer.u32(Math.min(0xff_ff_ff_ff, saidAtUs - (first?.atUs ?? saidAtUs)));
  for (const [index, { packet, atUs }] of arrived.entries()) {
    const before = arrived[index - 1];
    if (before === undefined) continue;
    writer.u16((packet - before.packet) & 0xff_ff);
    writer.u16((atUs - before.atUs) & 0xff_ff);
  }
}

function readArrivals(reader: ByteReader): ArrivalsFrame | undefined {
  const saidAtUs = reader.u64();
  const count = reader.u8();
  if (count > ARRIVALS_MAX) return undefined;
  let packet = reader.u32();
  let atUs = saidAtUs - reader.u32();
  const arrived: { packet: number; atUs: number }[] = [];
  for (let index = 0; index < count; index += 1) {
    if (index > 0) {
      packet += signed(reader.u16());
      atUs += signed(reader.u16());
    }
    arrived.push({ packet, atUs });
  }
  return { kind: "arrivals", arrived, saidAtUs };
}

/** Whether the difference between two that follow each other can be told. */
export function followsClosely(
  before: { readonly packet: number; readonly atUs: number },
  next: { readonly packet: number; readonly atUs: number },
): boolean {
  return isShort(next.packet - before.packet) && isShort(next.atUs - before.atUs);
}

function isShort(difference: number): boolean {
  return signed(difference & 0xff_ff) === difference;
}

function signed(bits: number): number {
  return (bits << 16) >> 16;
}

function writeShort(writer: ByteWriter, bytes: Uint8Array): void {
  writer.u8(bytes.length);
  writer.bytes(bytes);
}
