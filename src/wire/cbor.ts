import { ByteReader } from "../base/byte-reader.ts";
import { ByteWriter } from "../base/byte-writer.ts";
import { decodeUtf8, encodeUtf8 } from "../base/utf8.ts";

/**
 * The values we exchange: a subset of CBOR (RFC 8949) without floats, tags, indefinite lengths or
 * integers beyond 53 bits. Maps have unsigned integers for keys.
 */
export type CborValue =
  | number
  | boolean
  | null
  | string
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<number, CborValue>;

/** How deep a value may be nested; deeper ones are refused before they cost stack. */
export const CBOR_DEPTH_MAX = 8;

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, simple: 7 } as const;
const SIMPLE = { false: 20, true: 21, null: 22 } as const;

/** Encodes a value deterministically (RFC 8949, section 4.2.1): shortest heads, sorted keys. */
export function encodeCbor(value: CborValue): Uint8Array {
  const writer = SCRATCH;
  writer.clear();
  writeValue(writer, value);
  const bytes = writer.written().slice();
  // What one long value needed is not kept for all the short ones.
  if (writer.capacity > SCRATCH_BYTES_MAX) SCRATCH = new ByteWriter();
  return bytes;
}

/** What is written into, again and again: most values are short, and there are many. */
let SCRATCH = new ByteWriter();

/** How much memory is kept for it. */
const SCRATCH_BYTES_MAX = 1 << 16;

/**
 * Decodes exactly one value that fills `bytes`.
 *
 * @returns `undefined` for anything that {@link encodeCbor} would not have written, so that a
 * value has one encoding and hashes of it mean what they seem to.
 */
export function decodeCbor(bytes: Uint8Array): CborValue | undefined {
  const reader = new ByteReader(bytes);
  const value = readValue(reader, 0);
  return reader.failed || reader.remaining > 0 ? undefined : value;
}

function writeValue(writer: ByteWriter, value: CborValue): void {
  if (typeof value === "number") writeInteger(writer, value);
  else if (typeof value === "boolean") writeHead(writer, MAJOR.simple, value ? 21 : 20);
  else if (value === null) writeHead(writer, MAJOR.simple, SIMPLE.null);
  else if (typeof value === "string") writeString(writer, MAJOR.text, encodeUtf8(value));
  else if (value instanceof Uint8Array) writeString(writer, MAJOR.bytes, value);
  else if (value instanceof Map) writeMap(writer, value);
  else writeArray(writer, value as readonly CborValue[]);
}

function writeInteger(writer: ByteWriter, value: number): void {
  if (value >= 0) writeHead(writer, MAJOR.unsigned, value);
  else writeHead(writer, MAJOR.negative, -1 - value);
}

function writeString(writer: ByteWriter, major: number, bytes: Uint8Array): void {
  writeHead(writer, major, bytes.length);
  writer.bytes(bytes);
}

function writeArray(writer: ByteWriter, values: readonly CborValue[]): void {
  writeHead(writer, MAJOR.array, values.length);
  for (const value of values) writeValue(writer, value);
}

function writeMap(writer: ByteWriter, map: ReadonlyMap<number, CborValue>): void {
  writeHead(writer, MAJOR.map, map.size);
  // The encodings of unsigned integers sort as the integers do.
  const entries = isSorted(map) ? map : [...map].sort(([a], [b]) => a - b);
  for (const [key, value] of entries) {
    writeHead(writer, MAJOR.unsigned, key);
    writeValue(writer, value);
  }
}

function isSorted(map: ReadonlyMap<number, CborValue>): boolean {
  let last = -1;
  for (const key of map.keys()) {
    if (key < last) return false;
    last = key;
  }
  return true;
}

function writeHead(writer: ByteWriter, major: number, argument: number): void {
  const top = major << 5;
  if (argument < 24) {
    writer.u8(top | argument);
  } else if (argument < 0x1_00) {
    writer.u8(top | 24);
    writer.u8(argument);
  } else if (argument < 0x1_00_00) {
    writer.u8(top | 25);
    writer.u16(argument);
  } else if (argument < 0x1_00_00_00_00) {
    writer.u8(top | 26);
    writer.u32(argument);
  } else {
    writer.u8(top | 27);
    writer.u64(argument);
  }
}

function readValue(reader: ByteReader, depth: number): CborValue | undefined {
  const first = reader.u8();
  const argument = readArgument(reader, first & 31);
  if (argument === undefined || reader.failed || depth > CBOR_DEPTH_MAX) return undefined;
  switch (first >> 5) {
    case MAJOR.unsigned:
      return argument;
    case MAJOR.negative:
      return Number.isSafeInteger(-1 - argument) ? -1 - argument : undefined;
    case MAJOR.bytes:
      return reader.bytes(argument);
    case MAJOR.text:
      return decodeUtf8(reader.bytes(argument));
    case MAJOR.array:
      return readArray(reader, argument, depth);
    case MAJOR.map:
      return readMap(reader, argument, depth);
    case MAJOR.simple:
      return readSimple(first & 31, argument);
    default:
      return undefined;
  }
}

/** Reads the rest of a head; `undefined` where a shorter one would have done. */
function readArgument(reader: ByteReader, low: number): number | undefined {
  if (low < 24) return low;
  if (low === 24) return atLeast(reader.u8(), 24);
  if (low === 25) return atLeast(reader.u16(), 0x1_00);
  if (low === 26) return atLeast(reader.u32(), 0x1_00_00);
  return low === 27 ? atLeast(reader.u64(), 0x1_00_00_00_00) : undefined;
}

function atLeast(value: number, minimum: number): number | undefined {
  return value >= minimum ? value : undefined;
}

function readSimple(low: number, argument: number): CborValue | undefined {
  if (low >= 24) return undefined;
  if (argument === SIMPLE.null) return null;
  if (argument === SIMPLE.true) return true;
  return argument === SIMPLE.false ? false : undefined;
}

function readArray(reader: ByteReader, count: number, depth: number): CborValue | undefined {
  // Every element takes a byte or more: a count beyond that is a lie, refused before it allocates.
  if (count > reader.remaining) return undefined;
  const values: CborValue[] = [];
  for (let index = 0; index < count; index += 1) {
    const value = readValue(reader, depth + 1);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

function readMap(reader: ByteReader, count: number, depth: number): CborValue | undefined {
  if (count > reader.remaining) return undefined;
  const map = new Map<number, CborValue>();
  let lastKey = -1;
  for (let index = 0; index < count; index += 1) {
    const key = readValue(reader, depth + 1);
    const value = readValue(reader, depth + 1);
    if (typeof key !== "number" || key <= lastKey || value === undefined) return undefined;
    map.set(key, value);
    lastKey = key;
  }
  return map;
}
