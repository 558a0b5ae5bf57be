import { ByteReader } from "../base/byte-reader.ts";
import { ByteWriter } from "../base/byte-writer.ts";
import { err, ok, type Result } from "../base/result.ts";

/** The largest datagram we send before path-MTU discovery has said otherwise, in bytes. */
export const DATAGRAM_BYTES_INITIAL = 1200;

/** Length of the header of a record's datagram, in bytes. */
export const RECORD_HEADER_BYTES = 16;

/** Length of the header of a handshake datagram, in bytes. */
export const HANDSHAKE_HEADER_BYTES = 15;

/** Most bytes a cookie may have. */
export const COOKIE_BYTES_MAX = 64;

/** Most protocol versions a HELLO may name. */
export const VERSIONS_MAX = 16;

/**
 * The two lanes of records. What is lost on the `reliable` lane is sent again; what is lost on the
 * `once` lane (acknowledgements, closes) is superseded. Each lane numbers its records for itself.
 */
export type Lane = "reliable" | "once";

/** One datagram, parsed. Byte strings are views of the datagram. */
export type Datagram =
  | {
      readonly kind: "hello";
      readonly channel: number;
      /** The id the initiator wants to be answered under. */
      readonly source: number;
      /** Whether the initiator wants every channel answered to the port that this came from. */
      readonly singlePort: boolean;
      readonly versions: readonly number[];
      /** Empty in the first HELLO, then what the RETRY said. */
      readonly cookie: Uint8Array;
      /** The first bytes of the TLS handshake; empty without a cookie. */
      readonly tls: Uint8Array;
    }
  | {
      readonly kind: "retry";
      readonly channel: number;
      readonly destination: number;
      readonly cookie: Uint8Array;
    }
  | {
      /** The responder speaks none of the versions that the HELLO named. */
      readonly kind: "unsupported";
      readonly channel: number;
      readonly destination: number;
      readonly versions: readonly number[];
    }
  | {
      readonly kind: "handshake";
      readonly channel: number;
      readonly destination: number;
      readonly source: number;
      /** Where `tls` lies in the stream of TLS bytes of this direction. */
      readonly offsetBytes: number;
      /** How much of the other direction has arrived without a gap. */
      readonly receivedBytes: number;
      readonly tls: Uint8Array;
    }
  | RecordDatagram;

/** A datagram that was read, and how long it was: another one may follow it (DG3). */
export type ReadDatagram = Datagram & { readonly lengthBytes: number };

/** A fragment of a sealed record. */
export type RecordDatagram = {
  readonly kind: "record";
  readonly channel: number;
  readonly lane: Lane;
  /** The lowest bit of the key phase. */
  readonly phase: 0 | 1;
  readonly destination: number;
  readonly packet: number;
  readonly record: number;
  readonly fragment: number;
  /** Whether this is the record's last fragment. */
  readonly last: boolean;
  readonly payload: Uint8Array;
  /** When it arrived, where that is known more exactly than by the step that applies it. */
  arrivedAtUs?: number | undefined;
};

/** Why bytes are not a datagram of ours. Every one is a peer's doing: counted, never thrown. */
export type DatagramError = "truncated" | "unknown-kind" | "malformed";

const KIND = { hello: 0, handshake: 1, reliable: 2, once: 3 } as const;
const GREETING = { hello: 1, retry: 2, unsupported: 3 } as const;
const LAST_BIT = 0x20;
const PHASE_BIT = 0x10;

/** Where a packet number stands in a record's datagram. */
const PACKET_AT = 5;

/** Writes a HELLO, padded with zeros to `DATAGRAM_BYTES_INITIAL`. */
export function encodeHello(hello: {
  readonly channel: number;
  readonly source: number;
  readonly singlePort: boolean;
  readonly versions: readonly number[];
  readonly cookie: Uint8Array;
  readonly tls: Uint8Array;
}): Uint8Array {
  const writer = greeting(GREETING.hello, hello.channel, 0);
  writer.u32(hello.source);
  writer.u8(hello.singlePort ? 1 : 0);
  writeVersions(writer, hello.versions);
  writer.u8(hello.cookie.length);
  writer.bytes(hello.cookie);
  writer.u16(hello.tls.length);
  writer.bytes(hello.tls);
  const padded = new Uint8Array(Math.max(DATAGRAM_BYTES_INITIAL, writer.length));
  padded.set(writer.written());
  return padded;
}

/** Writes a RETRY. */
export function encodeRetry(channel: number, destination: number, cookie: Uint8Array): Uint8Array {
  const writer = greeting(GREETING.retry, channel, destination);
  writer.u8(cookie.length);
  writer.bytes(cookie);
  return writer.written();
}

/** Writes the answer to a HELLO whose versions we do not speak. */
export function encodeUnsupported(
  channel: number,
  destination: number,
  versions: readonly number[],
): Uint8Array {
  const writer = greeting(GREETING.unsupported, channel, destination);
  writeVersions(writer, versions);
  return writer.written();
}

/** Writes a datagram of the TLS handshake. */
export function encodeHandshake(handshake: {
  readonly channel: number;
  readonly destination: number;
  readonly source: number;
  readonly offsetBytes: number;
  readonly receivedBytes: number;
  readonly tls: Uint8Array;
}): Uint8Array {
  const writer = new ByteWriter(HANDSHAKE_HEADER_BYTES + handshake.tls.length);
  writer.u8((KIND.handshake << 6) | handshake.channel);
  writer.u32(handshake.destination);
  writer.u32(handshake.source);
  writer.u16(handshake.offsetBytes);
  writer.u16(handshake.receivedBytes);
  writer.u16(handshake.tls.length);
  writer.bytes(handshake.tls);
  return writer.written();
}

/** Writes the header of a record's datagram at `at`; the payload stands behind it already. */
export function writeRecordHeader(
  image: DataView,
  at: number,
  header: Omit<RecordDatagram, "kind" | "payload"> & { readonly lengthBytes: number },
): void {
  image.setUint8(at, firstByte(header) | (header.last ? LAST_BIT : 0));
  image.setUint32(at + 1, header.destination);
  image.setUint32(at + PACKET_AT, header.packet);
  image.setUint32(at + 9, header.record);
  image.setUint8(at + 13, header.fragment);
  image.setUint16(at + 14, header.lengthBytes);
}

/** Gives a written datagram of a record a new packet number: it is about to be sent again. */
export function rewritePacketNumber(image: DataView, at: number, packet: number): void {
  image.setUint32(at + PACKET_AT, packet);
}

/** Written anew for each record. */
const AAD = new Uint8Array(9);
const AAD_VIEW = new DataView(AAD.buffer);

/**
 * What the tag of a record vouches for besides its text: all header fields the fragments share.
 * Good until the next call.
 */
export function recordAad(
  record: Pick<RecordDatagram, "channel" | "lane" | "phase" | "destination" | "record">,
): Uint8Array {
  AAD_VIEW.setUint8(0, firstByte(record));
  AAD_VIEW.setUint32(1, record.destination);
  AAD_VIEW.setUint32(5, record.record);
  return AAD;
}

/** Reads the datagram that begins at `at`. */
export function decodeDatagram(bytes: Uint8Array, at = 0): Result<ReadDatagram, DatagramError> {
  if ((bytes[at] ?? 0) >= KIND.reliable << 6) return readRecord(bytes, at);
  const reader = new ByteReader(at === 0 ? bytes : bytes.subarray(at));
  const first = reader.u8();
  const destination = reader.u32();
  return first >> 6 === KIND.hello
    ? readGreeting(reader, first & 15, destination)
    : readHandshake(reader, first & 15, destination);
}

function firstByte(record: Pick<RecordDatagram, "channel" | "lane" | "phase">): number {
  return (KIND[record.lane] << 6) | (record.phase === 1 ? PHASE_BIT : 0) | record.channel;
}

function greeting(type: number, channel: number, destination: number): ByteWriter {
  const writer = new ByteWriter(128);
  writer.u8((KIND.hello << 6) | channel);
  writer.u32(destination);
  writer.u8(type);
  return writer;
}

function writeVersions(writer: ByteWriter, versions: readonly number[]): void {
  writer.u8(versions.length);
  for (const version of versions) writer.u8(version);
}

function readVersions(reader: ByteReader): readonly number[] {
  const count = reader.u8();
  return count > VERSIONS_MAX ? [] : [...reader.bytes(count)];
}

function readGreeting(
  reader: ByteReader,
  channel: number,
  destination: number,
): Result<ReadDatagram, DatagramError> {
  const type = reader.u8();
  if (type === GREETING.hello) return readHello(reader, channel);
  if (type === GREETING.retry) {
    const cookie = reader.bytes(reader.u8());
    const sound = !reader.failed && cookie.length <= COOKIE_BYTES_MAX;
    const lengthBytes = reader.at;
    return sound
      ? ok({ kind: "retry", lengthBytes, channel, destination, cookie })
      : err("malformed");
  }
  if (type !== GREETING.unsupported) return err(reader.failed ? "truncated" : "unknown-kind");
  const versions = readVersions(reader);
  return reader.failed || versions.length === 0
    ? err("malformed")
    : ok({ kind: "unsupported", lengthBytes: reader.at, channel, destination, versions });
}

function readHello(reader: ByteReader, channel: number): Result<ReadDatagram, DatagramError> {
  const source = reader.u32();
  const singlePort = reader.u8() === 1;
  const versions = readVersions(reader);
  const cookie = reader.bytes(reader.u8());
  const tls = reader.bytes(reader.u16());
  // A HELLO that is not padded could make our answer the larger one: it gets none.
  if (reader.failed || reader.at + reader.remaining < DATAGRAM_BYTES_INITIAL) {
    return err("truncated");
  }
  if (versions.length === 0 || cookie.length > COOKIE_BYTES_MAX) return err("malformed");
  // Its padding is all that is left: nothing follows a HELLO.
  const lengthBytes = reader.at + reader.remaining;
  return ok({ kind: "hello", lengthBytes, channel, source, singlePort, versions, cookie, tls });
}

function readHandshake(
  reader: ByteReader,
  channel: number,
  destination: number,
): Result<ReadDatagram, DatagramError> {
  const source = reader.u32();
  const offsetBytes = reader.u16();
  const receivedBytes = reader.u16();
  const tls = reader.bytes(reader.u16());
  if (reader.failed) return err("truncated");
  return ok({
    kind: "handshake",
    lengthBytes: reader.at,
    channel,
    destination,
    source,
    offsetBytes,
    receivedBytes,
    tls,
  });
}

/** Reads a record's datagram: there are thousands a second, so without a reader. */
function readRecord(bytes: Uint8Array, at: number): Result<ReadDatagram, DatagramError> {
  const payloadAt = at + RECORD_HEADER_BYTES;
  const length = ((bytes[payloadAt - 2] ?? 0) << 8) | (bytes[payloadAt - 1] ?? 0);
  if (length === 0 || payloadAt + length > bytes.length) return err("truncated");
  const first = bytes[at] ?? 0;
  return ok({
    kind: "record",
    lengthBytes: RECORD_HEADER_BYTES + length,
    channel: first & 15,
    lane: first >> 6 === KIND.reliable ? "reliable" : "once",
    phase: (first & PHASE_BIT) === 0 ? 0 : 1,
    destination: readU32(bytes, at + 1),
    packet: readU32(bytes, at + PACKET_AT),
    record: readU32(bytes, at + 9),
    fragment: bytes[at + 13] ?? 0,
    last: (first & LAST_BIT) !== 0,
    payload: bytes.subarray(payloadAt, payloadAt + length),
    arrivedAtUs: undefined,
  });
}

function readU32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  const low = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  return high * 0x1_00_00 + low;
}
