import { ByteReader } from "../base/byte-reader.ts";
import { ByteWriter } from "../base/byte-writer.ts";

/** How long ago a segment came to be in the first cache that had it (MS-PCCRR 2.2.6; RR7). */
export type SegmentAge = { readonly index: number; readonly ageUs: number };

/** Writes ages for a list of segments; what is beyond its fields is left out or cut. */
export function encodeSegmentAges(ages: readonly SegmentAge[]): Uint8Array {
  const listed = ages.filter(({ index }) => index <= 0xff).slice(0, 0xff);
  const writer = new ByteWriter(4 + 4 * listed.length);
  writer.u16(BLOB_VERSION);
  writer.u8(HUNDREDTHS);
  writer.u8(listed.length);
  for (const { index, ageUs } of listed) {
    const age = Math.min(AGE_MAX, Math.max(0, Math.floor(ageUs / 10_000)));
    writer.u8(index);
    writer.u8(age & 0xff);
    writer.u8((age >>> 8) & 0xff);
    writer.u8(age >>> 16);
  }
  return writer.written();
}

/** Reads ages; none where the bytes are of another version or do not add up. */
export function decodeSegmentAges(blob: Uint8Array): readonly SegmentAge[] {
  const reader = new ByteReader(blob);
  const version = reader.u16();
  const unitUs = UNITS_US[reader.u8()] ?? 0;
  const count = reader.u8();
  if (reader.failed || version !== BLOB_VERSION || unitUs === 0) return [];
  if (count * 4 > reader.remaining) return [];
  return Array.from({ length: count }, () => {
    const index = reader.u8();
    const age = reader.u8() + 0x1_00 * reader.u8() + 0x1_00_00 * reader.u8();
    return { index, ageUs: age * unitUs };
  });
}

const BLOB_VERSION = 1;
const HUNDREDTHS = 3;
const AGE_MAX = 0xff_ff_ff;

/** Seconds, tenths, hundredths and thousandths of them, from unit 1 on. */
const UNITS_US = [0, 1_000_000, 100_000, 10_000, 1_000] as const;
