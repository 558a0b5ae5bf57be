import fc from "fast-check";
import { expect, test } from "vitest";
import { concat } from "../base/bytes.ts";
import { fromHex, toHex } from "../base/hex.ts";
import { type DeviceId, deviceIdOf } from "../base/ids.ts";
import { decodeDatagram } from "./datagram.ts";
import {
  ANSWER_BYTES,
  answerHead,
  decodeAnswerBody,
  decodeDiscovery,
  decodeQuestionBody,
  encodeAnswerBody,
  encodeQuestionBody,
  QUESTION_BYTES,
  questionHead,
} from "./discovery.ts";

const NONCE = Uint8Array.from({ length: 16 }, (_, index) => index);
const OTHER = Uint8Array.from({ length: 16 }, (_, index) => 0xf0 + index);
const DEVICE = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf" as DeviceId;

test("DI1: a question lies on the wire as documented", () => {
  const tags = [new Uint8Array(16).fill(0x11), new Uint8Array(16).fill(0x22)];
  const body = encodeQuestionBody({ deviceId: DEVICE, portOffset: 10, singlePort: 443, tags });

  expect(toHex(questionHead(NONCE))).toBe(`0a000000000401${toHex(NONCE)}`);
  expect(toHex(body.subarray(0, 53))).toBe(
    `${DEVICE}000a01bb02${"11".repeat(16)}${"22".repeat(16)}`,
  );
  expect(body.subarray(53).every((byte) => byte === 0)).toBe(true);
  expect(question(body).length).toBe(QUESTION_BYTES);
});

test("DI2: an answer lies on the wire as documented", () => {
  const body = encodeAnswerBody({
    deviceId: DEVICE,
    portOffset: 10,
    singlePort: undefined,
    has: 0x80_00_00_01,
  });

  expect(toHex(answerHead(NONCE, OTHER))).toBe(`0a000000000501${toHex(NONCE)}${toHex(OTHER)}`);
  expect(toHex(body)).toBe(`${DEVICE}000a000080000001`);
  expect(answer(body).length).toBe(ANSWER_BYTES);
});

test("DI3: no answer is longer than its question, and a question has one length whatever it asks", () => {
  const few = encodeQuestionBody(speaking([]));
  const many = encodeQuestionBody(speaking(Array.from({ length: 40 }, () => NONCE)));

  expect(ANSWER_BYTES).toBeLessThan(QUESTION_BYTES);
  expect(QUESTION_BYTES).toBeLessThanOrEqual(1_200);
  expect(few.length).toBe(many.length);
  expect(decodeQuestionBody(many)?.tags.length).toBe(32);
});

test("what is written is read again", () => {
  const said = fc.record({
    deviceId: bytes(16).map((id) => deviceIdOf(id) as DeviceId),
    portOffset: fc.integer({ min: 0, max: 65_535 }),
    singlePort: fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }),
    tags: fc.array(bytes(16), { maxLength: 32 }),
    has: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  });

  fc.assert(
    fc.property(said, ({ tags, has, ...from }) => {
      expect(decodeQuestionBody(encodeQuestionBody({ ...from, tags }))).toEqual({ ...from, tags });
      expect(decodeAnswerBody(encodeAnswerBody({ ...from, has }))).toEqual({ ...from, has });
    }),
  );
});

test("DG3: bytes behind a question or an answer are ignored", () => {
  const asked = question(encodeQuestionBody(speaking([])));
  const answered = answer(encodeAnswerBody({ ...speaking([]), has: 0 }));

  for (const datagram of [asked, answered]) {
    expect(decodeDiscovery(concat([datagram, OTHER]))).toEqual(decodeDiscovery(datagram));
    expect(decodeDiscovery(datagram).ok).toBe(true);
  }
});

test("DG2: a question or an answer that is cut short anywhere is refused", () => {
  const asked = question(encodeQuestionBody(speaking([])));
  const answered = answer(encodeAnswerBody({ ...speaking([]), has: 0 }));

  for (const datagram of [asked, answered]) {
    for (let length = 0; length < datagram.length; length += 1) {
      expect(decodeDiscovery(datagram.subarray(0, length)).ok).toBe(false);
    }
  }
});

test.each([
  ["another channel", "01", 0],
  ["a record", "8a", 0],
  ["a type of greetings", "01", 5],
  ["a type that there is not", "06", 5],
  ["another version", "02", 6],
])("DG2: %s is refused", (_what, byte, at) => {
  const datagram = question(encodeQuestionBody(speaking([])));
  datagram.set(fromHex(byte) ?? [], at);

  expect(decodeDiscovery(datagram)).toEqual({ ok: false, error: "unknown-kind" });
});

test("a body with more tags than there is room for is refused", () => {
  const body = encodeQuestionBody(speaking([]));
  body[20] = 33;

  expect(decodeQuestionBody(body)).toBeUndefined();
});

test("discovery is no datagram of an association", () => {
  const datagram = question(encodeQuestionBody(speaking([])));

  expect(decodeDatagram(datagram)).toEqual({ ok: false, error: "unknown-kind" });
});

test("the decoders answer for all bytes there are", () => {
  const heads = fc.constantFrom(questionHead(NONCE), answerHead(NONCE, OTHER), new Uint8Array(0));

  fc.assert(
    fc.property(heads, fc.uint8Array({ maxLength: 700 }), (head, rest) => {
      const decoded = decodeDiscovery(concat([head, rest]));
      const fits = head.length + rest.length >= (head[5] === 4 ? QUESTION_BYTES : ANSWER_BYTES);
      if (head.length > 0) expect(decoded.ok).toBe(fits);
      decodeQuestionBody(rest);
      decodeAnswerBody(rest);
    }),
    { numRuns: 2_000 },
  );
});

function speaking(tags: readonly Uint8Array[]) {
  return { deviceId: DEVICE, portOffset: 0, singlePort: undefined, tags };
}

function question(body: Uint8Array): Uint8Array {
  return concat([questionHead(NONCE), body, new Uint8Array(16)]);
}

function answer(body: Uint8Array): Uint8Array {
  return concat([answerHead(NONCE, OTHER), body, new Uint8Array(16)]);
}

function bytes(length: number) {
  return fc.uint8Array({ minLength: length, maxLength: length });
}
