import { describe, expect, test } from "vitest";
import { concat } from "../base/bytes.ts";
import { fromHex, toHex } from "../base/hex.ts";
import { branchCacheCrypto as crypto } from "../peerdist/node-crypto.ts";
import { openBlock, sealBlock } from "./block-cipher.ts";
import { padPkcs7 } from "./crypto.ts";
import { decodeRequest, decodeResponse } from "./retrieval-decoder.ts";
import {
  encodeRequest,
  encodeResponse,
  type RetrievalRequest,
  type RetrievalResponse,
} from "./retrieval-message.ts";
import { decodeSegmentAges, encodeSegmentAges } from "./segment-ages.ts";
import { DISCOVERY_SAMPLES } from "./test-vectors.ts";

const ID = Uint8Array.from({ length: 32 }, (_, index) => index);
const V1 = { major: 1, minor: 0 };
const V2 = { major: 2, minor: 0 };

test("RR2 to RR5: a request for a block has the bytes that clients in the field send", () => {
  const bytes = encodeRequest({
    cipher: "aes-128",
    message: { kind: "get-blocks", segmentId: ID, ranges: [{ index: 7, count: 1 }] },
  });

  expect(toHex(bytes)).toBe(
    `00000001000000030000004400000001${"00000020"}${toHex(ID)}00000001000000070000000100000000`,
  );
});

test("RR2, RR4, RR5: a block's response has its size before it, and its parts in place", () => {
  const block = new Uint8Array(65_552).fill(9);
  const bytes = encodeResponse({
    cipher: "aes-128",
    message: {
      kind: "block",
      segmentId: ID,
      blockIndex: 1,
      nextBlockIndex: 2,
      block,
      iv: ID.subarray(16),
    },
  });

  expect(bytes.length).toBe(92 + block.length);
  expect(toHex(bytes.subarray(0, 20))).toBe("0001006800000001000000050001006800000001");
  expect(toHex(bytes.subarray(56, 68))).toBe("000000010000000200010010");
  expect(toHex(bytes.subarray(-24))).toBe(`0000000000000010${toHex(ID.subarray(16))}`);
});

const REQUESTS: readonly RetrievalRequest[] = [
  { kind: "negotiate", least: V1, most: V2 },
  { kind: "get-block-list", segmentId: ID, ranges: [{ index: 0, count: 512 }] },
  { kind: "get-blocks", segmentId: ID.subarray(0, 31), ranges: [{ index: 511, count: 1 }] },
  {
    kind: "get-segment-list",
    requestId: ID.subarray(0, 16),
    segmentIds: [ID, ID.subarray(1), ID],
    blob: ID.subarray(0, 5),
  },
];

const RESPONSES: readonly RetrievalResponse[] = [
  { kind: "negotiated", least: V1, most: V2 },
  { kind: "block-list", segmentId: ID, ranges: [], nextBlockIndex: 0 },
  { kind: "block-list", segmentId: ID, ranges: [{ index: 3, count: 4 }], nextBlockIndex: 9 },
  {
    kind: "block",
    segmentId: ID,
    blockIndex: 3,
    nextBlockIndex: 0,
    block: ID.subarray(0, 0),
    iv: ID.subarray(0, 0),
  },
  {
    kind: "block",
    segmentId: ID,
    blockIndex: 3,
    nextBlockIndex: 4,
    block: ID.subarray(0, 17),
    iv: ID.subarray(0, 16),
  },
  {
    kind: "segment-list",
    requestId: ID.subarray(16),
    ranges: [{ index: 0, count: 3 }],
    blob: ID.subarray(0, 3),
  },
];

describe("what is written is read again", () => {
  test.each(REQUESTS)("RR2 to RR5: the request $kind", (message) => {
    const bytes = encodeRequest({ cipher: "aes-256", message });

    expect(decodeRequest(bytes)).toEqual({ ok: true, value: { cipher: "aes-256", message } });
  });

  test.each(RESPONSES)("RR2 to RR5: the response $kind", (message) => {
    const bytes = encodeResponse({ cipher: "none", message });

    expect(decodeResponse(bytes)).toEqual({ ok: true, value: { cipher: "none", message } });
  });

  test("RR3: list requests of segments are of version 2.0, all others of 1.0", () => {
    const majors = REQUESTS.map((message) => encodeRequest({ cipher: "none", message })[3]);

    expect(majors).toEqual([1, 1, 1, 2]);
  });
});

describe("what is wrong is refused", () => {
  const good = encodeRequest({ cipher: "aes-128", message: REQUESTS[1] as RetrievalRequest });

  test.each([
    { rule: "RR3: another version", at: 3, to: [3], error: "unknown-version" },
    { rule: "RR3: a version that is not the type's", at: 3, to: [2], error: "unknown-version" },
    { rule: "RR2: an unknown type", at: 7, to: [5], error: "unknown-type" },
    { rule: "RR2: another size than its own", at: 11, to: [1], error: "wrong-size" },
    { rule: "RR2: an unknown cipher", at: 15, to: [4], error: "unknown-cipher" },
    { rule: "RR4: no segment id", at: 16, to: [0, 0, 0, 0], error: "wrong-field" },
    { rule: "RR4: a segment id of 4 GiB", at: 16, to: [255], error: "wrong-field" },
    { rule: "RR6: no range", at: 55, to: [0], error: "wrong-ranges" },
    { rule: "RR6: 257 ranges", at: 54, to: [1, 1], error: "wrong-ranges" },
    { rule: "RR6: more ranges than there are", at: 55, to: [2], error: "truncated" },
    { rule: "RR6: a range of nothing", at: 62, to: [0, 0], error: "wrong-ranges" },
    { rule: "RR6: a range beyond 512", at: 59, to: [1], error: "wrong-ranges" },
  ])("$rule", ({ at, to, error }) => {
    const bytes = good.slice();
    bytes.set(to, at);

    expect(decodeRequest(bytes)).toEqual({ ok: false, error });
  });

  test("RR2: messages above the limits", () => {
    expect(decodeRequest(new Uint8Array(98_305))).toEqual({ ok: false, error: "too-long" });
    expect(decodeResponse(new Uint8Array(393_221))).toEqual({ ok: false, error: "too-long" });
  });

  test("RR2: messages of every other length", () => {
    for (const message of REQUESTS) {
      const bytes = encodeRequest({ cipher: "none", message });
      for (let length = 0; length < bytes.length; length += 1) {
        expect(decodeRequest(bytes.subarray(0, length)).ok).toBe(false);
      }
      expect(decodeRequest(Uint8Array.of(...bytes, 0)).ok).toBe(false);
    }
  });

  test("RR6: a list of no segments, and one that the bytes cannot hold", () => {
    const list = encodeRequest({ cipher: "none", message: REQUESTS[3] as RetrievalRequest });
    const none = list.slice();
    none.set([0, 0, 0, 0], 32);
    const many = list.slice();
    many.set([255, 255, 255, 255], 32);

    expect(decodeRequest(none)).toEqual({ ok: false, error: "wrong-field" });
    expect(decodeRequest(many)).toEqual({ ok: false, error: "wrong-field" });
  });
});

describe("blocks", () => {
  const secret = crypto.randomBytes(32);
  const block = crypto.randomBytes(65_536);

  test.each([
    { cipher: "aes-128", keyBytes: 16 },
    { cipher: "aes-192", keyBytes: 24 },
    { cipher: "aes-256", keyBytes: 32 },
  ] as const)(
    "RR8: $cipher has the first bytes of the secret as its key",
    ({ cipher, keyBytes }) => {
      const sealed = sealBlock(crypto, cipher, secret, block);
      const opened = crypto.decryptCbc(secret.subarray(0, keyBytes), sealed.iv, sealed.block);

      expect(opened).toEqual(padPkcs7(block));
      expect(openBlock(crypto, sealed, secret, block.length)).toEqual(block);
    },
  );

  test("RR8: each response has an initialisation vector of its own", () => {
    const ivs = Array.from({ length: 50 }, () =>
      toHex(sealBlock(crypto, "aes-128", secret, block).iv),
    );

    expect(new Set(ivs).size).toBe(50);
  });

  test("RR9: any padding is ignored, and none is needed where the block fills it", () => {
    const iv = crypto.randomBytes(16);
    const key = secret.subarray(0, 16);
    const zeros = concat([block.subarray(0, 99), new Uint8Array(13)]);

    for (const plaintext of [zeros, block]) {
      const sealed = {
        cipher: "aes-128",
        iv,
        block: crypto.encryptCbc(key, iv, plaintext),
      } as const;
      const lengthBytes = plaintext === zeros ? 99 : block.length;
      const opened = openBlock(crypto, sealed, secret, lengthBytes);
      expect(opened).toEqual(block.subarray(0, lengthBytes));
    }
  });

  test("RR9: a block of another length, or without a vector, is not opened", () => {
    const sealed = sealBlock(crypto, "aes-128", secret, block);

    expect(openBlock(crypto, sealed, secret, block.length + 17)).toBeUndefined();
    expect(openBlock(crypto, sealed, secret, 100)).toBeUndefined();
    expect(openBlock(crypto, { ...sealed, iv: ID }, secret, block.length)).toBeUndefined();
    expect(
      openBlock(crypto, { ...sealed, block: sealed.block.subarray(1) }, secret, block.length),
    ).toBeUndefined();
  });
});

describe("ages of segments", () => {
  const { base64, bytes } = DISCOVERY_SAMPLES.segmentAges;

  test("RR7: the specification's sample is read and written", () => {
    const ages = [
      { index: 0, ageUs: 600_000_000 },
      { index: 2, ageUs: 600_000_000 },
    ];

    expect(base64).toBe("AAEDAgBg6gACYOoA");
    expect(decodeSegmentAges(bytes)).toEqual(ages);
    expect(encodeSegmentAges(ages)).toEqual(bytes);
  });

  test("RR7: what is cut short, of another version or unit says nothing", () => {
    for (const hex of [
      "",
      "0001",
      "00020302",
      "00010002",
      "000105010060ea00",
      "0001030200600000",
    ]) {
      expect(decodeSegmentAges(fromHex(hex) ?? ID)).toEqual([]);
    }
  });

  test("RR7: an age beyond its field is written as the greatest", () => {
    expect(decodeSegmentAges(encodeSegmentAges([{ index: 1, ageUs: 1e15 }]))).toEqual([
      { index: 1, ageUs: 0xff_ff_ff * 10_000 },
    ]);
  });
});
