import { describe, expect, test } from "vitest";
import { toHex } from "../base/hex.ts";
import { decodeContentInformationV1 } from "./content-information-v1.ts";
import {
  decodeHostedCacheAnswer,
  decodeHostedCacheRequestV1,
  decodeHostedCacheRequestV2,
  encodeBatchedOffer,
  encodeHostedCacheAnswer,
  encodeHostedCacheRequestV1,
  type HostedCacheRequestV2,
  type OfferedSegment,
} from "./hosted-cache-message.ts";
import { CAPTURED_V1 } from "./test-vectors.ts";

const ID = Uint8Array.from({ length: 32 }, (_, index) => index);
const TAG = Uint8Array.from({ length: 16 }, (_, index) => 0x40 + index);
const SEGMENT: OfferedSegment = {
  version: 2,
  blockSizeBytes: 60_320,
  lengthBytes: 60_320,
  contentTag: TAG,
  segmentId: ID,
};
const BATCH: HostedCacheRequestV2 = {
  kind: "batched-offer",
  port: 80,
  segments: [SEGMENT, { ...SEGMENT, version: 1, blockSizeBytes: 65_536, lengthBytes: 33_554_432 }],
};

test("HC1, HC4: a batched offer has 59 bytes for each segment", () => {
  const bytes = encodeBatchedOffer(BATCH);

  expect(toHex(bytes.subarray(0, 16))).toBe("00020003000000000050000000000000");
  expect(toHex(bytes.subarray(16, 75))).toBe(`0000eba00000eba00010${toHex(TAG)}04${toHex(ID)}`);
  expect(bytes.length).toBe(16 + 2 * 59);
  expect(decodeHostedCacheRequestV2(bytes)).toEqual({ ok: true, value: BATCH });
});

test("HC1, HC2: an initial offer is a port and an id", () => {
  const offer = { kind: "initial-offer", port: 8_009, segmentId: ID } as const;
  const bytes = encodeHostedCacheRequestV1(offer);

  expect(toHex(bytes)).toBe(`0001000100000000${"1f49000000000000"}${toHex(ID)}`);
  expect(decodeHostedCacheRequestV1(bytes)).toEqual({ ok: true, value: offer });
});

test("HC3: a segment's information is content information of one segment", () => {
  const information = decodeContentInformationV1(CAPTURED_V1);
  if (!information.ok) throw new Error(information.error);
  const request = {
    kind: "segment-info",
    port: 80,
    contentTag: TAG,
    information: information.value,
  } as const;

  expect(decodeHostedCacheRequestV1(encodeHostedCacheRequestV1(request))).toEqual({
    ok: true,
    value: request,
  });
});

test("HC5: an answer is five bytes", () => {
  expect([...encodeHostedCacheAnswer("interested")]).toEqual([0, 0, 0, 1, 1]);
  expect(decodeHostedCacheAnswer(encodeHostedCacheAnswer("ok"))).toBe("ok");
  for (const bytes of [[], [0, 0, 0, 1], [0, 0, 0, 1, 2], [0, 0, 0, 2, 0], [0, 0, 0, 1, 0, 0]]) {
    expect(decodeHostedCacheAnswer(Uint8Array.from(bytes))).toBeUndefined();
  }
});

describe("HC4: a batched offer is refused", () => {
  test.each([
    { what: "without a segment", offer: { ...BATCH, segments: [] }, error: "wrong-field" },
    {
      what: "of 129 segments",
      offer: { ...BATCH, segments: Array(129).fill(SEGMENT) },
      error: "wrong-field",
    },
    {
      what: "without a content tag",
      offer: { ...BATCH, segments: [{ ...SEGMENT, contentTag: TAG.subarray(16) }] },
      error: "wrong-field",
    },
    {
      what: "with half a content tag",
      offer: { ...BATCH, segments: [{ ...SEGMENT, contentTag: TAG.subarray(8) }] },
      error: "wrong-field",
    },
    { what: "without a port", offer: { ...BATCH, port: 0 }, error: "wrong-field" },
    {
      what: "of a segment too long",
      offer: {
        ...BATCH,
        segments: [{ ...SEGMENT, lengthBytes: 131_073, blockSizeBytes: 131_073 }],
      },
      error: "wrong-field",
    },
    {
      what: "of a segment of nothing",
      offer: { ...BATCH, segments: [{ ...SEGMENT, lengthBytes: 0, blockSizeBytes: 0 }] },
      error: "wrong-field",
    },
    {
      what: "of blocks of another size",
      offer: { ...BATCH, segments: [{ ...SEGMENT, version: 1 as const }] },
      error: "wrong-field",
    },
  ])("$what", ({ offer, error }) => {
    expect(decodeHostedCacheRequestV2(encodeBatchedOffer(offer))).toEqual({ ok: false, error });
  });

  test("with an unknown hash", () => {
    const bytes = encodeBatchedOffer({ ...BATCH, segments: [SEGMENT] });
    bytes[16 + 4 + 4 + 2 + 16] = 2;

    expect(decodeHostedCacheRequestV2(bytes)).toEqual({ ok: false, error: "wrong-field" });
  });
});

describe("HC1: each address takes its own version and types alone", () => {
  const initial = encodeHostedCacheRequestV1({ kind: "initial-offer", port: 80, segmentId: ID });
  const batch = encodeBatchedOffer(BATCH);

  test("version 1.0 at the address of 2.0, and the other way round", () => {
    expect(decodeHostedCacheRequestV2(initial)).toEqual({ ok: false, error: "unknown-version" });
    expect(decodeHostedCacheRequestV1(batch)).toEqual({ ok: false, error: "unknown-version" });
  });

  test("types of the other version, and unknown ones", () => {
    const batchAsV1 = batch.slice();
    batchAsV1[1] = 1;
    const initialAsV2 = initial.slice();
    initialAsV2[1] = 2;

    expect(decodeHostedCacheRequestV1(batchAsV1)).toEqual({ ok: false, error: "unknown-type" });
    expect(decodeHostedCacheRequestV2(initialAsV2)).toEqual({ ok: false, error: "unknown-type" });
  });

  test("at every other length", () => {
    for (let length = 0; length < initial.length; length += 1) {
      expect(decodeHostedCacheRequestV1(initial.subarray(0, length)).ok).toBe(false);
    }
    for (let length = 0; length < batch.length; length += 1) {
      // One segment of two is a batch of one.
      const isWhole = length === 16 + 59;
      expect(decodeHostedCacheRequestV2(batch.subarray(0, length)).ok).toBe(isWhole);
    }
  });
});
