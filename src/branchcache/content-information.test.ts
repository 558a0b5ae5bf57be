import { describe, expect, test } from "vitest";
import { branchCacheCrypto as crypto } from "../peerdist/node-crypto.ts";
import { informationOf } from "./content-hashes.ts";
import {
  blockCount,
  blockHash,
  blockLength,
  type ContentInformation,
  decodeContentInformation,
  listedBlocks,
  segmentsOf,
} from "./content-information.ts";
import { encodeContentInformationV1, rangeOfV1 } from "./content-information-v1.ts";
import { encodeContentInformationV2, rangeOfV2 } from "./content-information-v2.ts";
import { HashBuilderV1 } from "./hash-builder-v1.ts";
import { HashBuilderV2 } from "./hash-builder-v2.ts";
import { BLOCK_BYTES, SEGMENT_V1_BYTES } from "./limits.ts";
import {
  CAPTURED_KEY,
  CAPTURED_LENGTH_BYTES,
  CAPTURED_V1,
  CAPTURED_V2,
  SEGMENTS_V1,
  SEGMENTS_V2,
} from "./test-vectors.ts";

describe("what Windows sent", () => {
  test.each([
    { rule: "CI6: version 1", bytes: CAPTURED_V1, wanted: SEGMENTS_V1 },
    { rule: "CI9: version 2", bytes: CAPTURED_V2, wanted: SEGMENTS_V2 },
  ])("$rule is read to the captured segments, blocks and ids", ({ bytes, wanted }) => {
    const segments = segmentsOf(crypto, decoded(bytes));

    expect(
      segments.map((segment) => ({
        offsetBytes: segment.offsetBytes,
        lengthBytes: segment.lengthBytes,
        hashOfData: segment.hashOfData,
        secret: segment.secret,
        id: segment.id,
        blockHashes: Array.from({ length: blockCount(segment) }, (_, index) =>
          blockHash(segment, index),
        ),
      })),
    ).toEqual(wanted);
  });

  test("CI6, CI9: is written again to the same bytes", () => {
    expect(encoded(decoded(CAPTURED_V1))).toEqual(CAPTURED_V1);
    expect(encoded(decoded(CAPTURED_V2))).toEqual(CAPTURED_V2);
  });

  test("CI7, CI10: zeros mean everything", () => {
    const whole = { startBytes: 0, endBytes: CAPTURED_LENGTH_BYTES };

    expect(rangeOf(decoded(CAPTURED_V1))).toEqual(whole);
    expect(rangeOf(decoded(CAPTURED_V2))).toEqual(whole);
  });
});

describe("of a content of three segments", () => {
  const lengthBytes = 2 * SEGMENT_V1_BYTES + 3 * BLOCK_BYTES + 5;
  const content = noise(lengthBytes);
  const hashesV1 = built(new HashBuilderV1(crypto), content);
  const hashesV2 = built(new HashBuilderV2(crypto), content);

  test("CI11, CI12: hashes do not depend on how the content is cut into chunks", () => {
    const cuts = [1, 65_535, 65_537, 10_000_000];

    for (const cut of cuts) {
      expect(built(new HashBuilderV1(crypto), content.subarray(0, 1_000_000), cut)).toEqual(
        built(new HashBuilderV1(crypto), content.subarray(0, 1_000_000)),
      );
      expect(built(new HashBuilderV2(crypto), content.subarray(0, 1_000_000), cut)).toEqual(
        built(new HashBuilderV2(crypto), content.subarray(0, 1_000_000)),
      );
    }
  });

  test("CI12: segments of version 2 follow the bytes, from 32 to 128 KiB, about 64", () => {
    const lengths = hashesV2.segments.map((segment) => segment.lengthBytes);
    const shifted = built(new HashBuilderV2(crypto), content.subarray(1_000));
    const known = new Set(hashesV2.segments.map(({ hashOfData }) => hashOfData.join()));
    const shared = shifted.segments.filter(({ hashOfData }) => known.has(hashOfData.join()));

    expect(Math.max(...lengths)).toBeLessThanOrEqual(131_072);
    expect(Math.min(...lengths.slice(0, -1))).toBeGreaterThanOrEqual(32_768);
    expect(lengthBytes / lengths.length).toBeGreaterThan(50_000);
    expect(lengthBytes / lengths.length).toBeLessThan(75_000);
    expect(shared.length).toBeGreaterThan(shifted.segments.length - 10);
  });

  test.each([
    { startBytes: 0, endBytes: lengthBytes },
    { startBytes: 0, endBytes: 1 },
    { startBytes: 100_000, endBytes: lengthBytes },
    { startBytes: 70_000, endBytes: 140_000 },
    { startBytes: SEGMENT_V1_BYTES - 1, endBytes: SEGMENT_V1_BYTES + 1 },
    { startBytes: SEGMENT_V1_BYTES, endBytes: 2 * SEGMENT_V1_BYTES },
    { startBytes: 5, endBytes: lengthBytes - 5 },
    { startBytes: lengthBytes - 1, endBytes: lengthBytes },
  ])("CI7, CI8, CI10: a range of it comes back as it was asked for: %o", (range) => {
    for (const hashes of [hashesV1, hashesV2]) {
      const information = informationOf(crypto, hashes, CAPTURED_KEY, range);
      const again = decoded(encoded(information));

      expect(rangeOf(again)).toEqual(range);
      for (const segment of segmentsOf(crypto, again)) {
        const last = Math.min(segment.offsetBytes + segment.lengthBytes, range.endBytes);
        const wanted = Math.ceil((last - segment.offsetBytes) / segment.blockSizeBytes);
        expect(listedBlocks(segment)).toBe(wanted);
        for (let index = 0; index < wanted; index += 1) {
          const from = segment.offsetBytes + index * segment.blockSizeBytes;
          const block = content.subarray(from, from + blockLength(segment, index));
          const hash = crypto.hash(segment.scheme.hash, block).subarray(0, 32);
          expect(blockHash(segment, index)).toEqual(hash);
        }
      }
    }
  });

  test("CI7: everything is written with zeros", () => {
    const v1 = informationOf(crypto, hashesV1, CAPTURED_KEY);
    const v2 = informationOf(crypto, hashesV2, CAPTURED_KEY);

    expect(v1).toMatchObject({ offsetInFirstSegmentBytes: 0, readBytesInLastSegment: 0 });
    expect(v2).toMatchObject({
      startBytes: 0,
      offsetInFirstSegmentBytes: 0,
      lengthOfRangeBytes: 0,
    });
  });
});

test("CI6: an empty content has no content information", () => {
  expect(informationOf(crypto, new HashBuilderV1(crypto).finish(), CAPTURED_KEY)).toBeUndefined();
  expect(informationOf(crypto, new HashBuilderV2(crypto).finish(), CAPTURED_KEY)).toBeUndefined();
});

describe("what does not add up is refused", () => {
  test.each([
    { rule: "CI6: no version", bytes: CAPTURED_V1, at: 1, to: [3], error: "unknown-version" },
    { rule: "CI6: another hash", bytes: CAPTURED_V1, at: 2, to: [0], error: "unknown-hash" },
    { rule: "CI6: many segments", bytes: CAPTURED_V1, at: 17, to: [255], error: "truncated" },
    { rule: "CI6: no segment", bytes: CAPTURED_V1, at: 14, to: [0], error: "wrong-segments" },
    { rule: "CI6: blocks of 0", bytes: CAPTURED_V1, at: 32, to: [0], error: "wrong-segments" },
    {
      rule: "CI8: too few blocks",
      bytes: CAPTURED_V1,
      at: 26,
      to: [0, 0, 3],
      error: "wrong-blocks",
    },
    { rule: "CI8: too many blocks", bytes: CAPTURED_V1, at: 98, to: [3], error: "truncated" },
    {
      rule: "CI7: a start behind the end",
      bytes: CAPTURED_V1,
      at: 6,
      to: [255, 255, 255],
      error: "wrong-range",
    },
    {
      rule: "CI7: an end behind the end",
      bytes: CAPTURED_V1,
      at: 10,
      to: [255, 255, 255],
      error: "wrong-range",
    },
    { rule: "CI9: another hash", bytes: CAPTURED_V2, at: 2, to: [1], error: "unknown-hash" },
    { rule: "CI9: another chunk", bytes: CAPTURED_V2, at: 31, to: [1], error: "wrong-segments" },
    { rule: "CI9: a chunk cut short", bytes: CAPTURED_V2, at: 35, to: [0x44], error: "truncated" },
    {
      rule: "CI9: a segment of nothing",
      bytes: CAPTURED_V2,
      at: 36,
      to: [0, 0, 0, 0],
      error: "wrong-segments",
    },
    {
      rule: "CI9: a segment too long",
      bytes: CAPTURED_V2,
      at: 36,
      to: [0, 2, 0, 1],
      error: "wrong-segments",
    },
    { rule: "CI10: a range too long", bytes: CAPTURED_V2, at: 27, to: [1], error: "wrong-range" },
  ])("$rule", ({ bytes, at, to, error }) => {
    const changed = bytes.slice();
    changed.set(to, at);

    expect(decodeContentInformation(changed)).toEqual({ ok: false, error });
  });

  test("CI6, CI9: at every length but the right one", () => {
    for (const bytes of [CAPTURED_V1, CAPTURED_V2]) {
      for (let length = 0; length < bytes.length; length += 1) {
        // Version 2 is open at its end: what ends with a whole chunk is whole.
        expect(decodeContentInformation(bytes.subarray(0, length)).ok).toBe(false);
      }
      expect(decodeContentInformation(Uint8Array.of(...bytes, 0)).ok).toBe(false);
    }
  });
});

function decoded(bytes: Uint8Array): ContentInformation {
  const result = decodeContentInformation(bytes);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

function encoded(information: ContentInformation | undefined): Uint8Array {
  if (information === undefined) throw new Error("there is none");
  return information.version === 1
    ? encodeContentInformationV1(information)
    : encodeContentInformationV2(information);
}

function rangeOf(information: ContentInformation) {
  return information.version === 1 ? rangeOfV1(information) : rangeOfV2(information);
}

function built<T>(
  builder: { push(chunk: Uint8Array): void; finish(): T },
  content: Uint8Array,
  chunkBytes = 1 << 20,
): T {
  for (let at = 0; at < content.length; at += chunkBytes) {
    builder.push(content.subarray(at, at + chunkBytes));
  }
  return builder.finish();
}

/** Bytes that look like chance and are the same each time. */
function noise(lengthBytes: number): Uint8Array {
  const zeros = new Uint8Array(Math.ceil(lengthBytes / 16) * 16);
  return crypto.encryptCbc(new Uint8Array(16), new Uint8Array(16), zeros).subarray(0, lengthBytes);
}
