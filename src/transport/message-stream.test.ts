import fc from "fast-check";
import { expect, test } from "vitest";
import { textOf } from "../../test/simulation/fixtures/records.ts";
import { concat } from "../base/bytes.ts";
import { MESSAGE_BYTES_MAX } from "../wire/messages.ts";
import { RECEIVE_WINDOW_BYTES, RECORD_WINDOW } from "./constants.ts";
import { framed, MessageStream } from "./message-stream.ts";

test("MS1: messages come out whole, in order and once, however the stream was cut and mixed", () => {
  const lengths = fc.array(fc.nat(60), { minLength: 1, maxLength: 12 });
  const cuts = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 50 })), { maxLength: 40 });
  fc.assert(
    fc.property(lengths, cuts, fc.nat(), (sizes, extra, seed) => {
      const messages = sizes.map((size, index) => textOf(size, index));
      const bytes = concat(messages.map(framed));
      // Parts that overlap and repeat, in an order of their own, and then all of it in pieces of 9.
      const parts = extra.map(([from, length]) => [from % bytes.length, length] as const);
      for (let at = 0; at < bytes.length; at += 9)
        parts.splice(seed % (parts.length + 1), 0, [at, 9]);
      const stream = new MessageStream();
      const received = parts.flatMap(([from, length]) =>
        take(stream, from, bytes.subarray(from, from + length)),
      );
      expect(received).toEqual(messages);
    }),
    { numRuns: 500 },
  );
});

test("MS1: a message lies in the stream behind its length", () => {
  expect([...framed(Uint8Array.of(7, 8))]).toEqual([0, 0, 0, 2, 7, 8]);
});

test("MS2: the longest message passes, and a longer one cuts the peer off by its length alone", () => {
  const longest = new Uint8Array(MESSAGE_BYTES_MAX);
  const [message] = take(new MessageStream(), 0, framed(longest));
  const announced = Uint8Array.of(0, 0x10, 0, 1);

  expect(message?.length).toBe(MESSAGE_BYTES_MAX);
  expect(new MessageStream().onData(0, announced).ok).toBe(false);
});

test("MS3: what is kept beyond a gap is bounded in bytes", () => {
  const stream = new MessageStream();
  const part = new Uint8Array(60_000);
  let kept = 0;
  while (stream.onData(1 + kept, part).ok) kept += part.length;

  expect(kept).toBeGreaterThan(RECEIVE_WINDOW_BYTES);
  expect(kept).toBeLessThanOrEqual(2 * RECEIVE_WINDOW_BYTES);
});

test("MS3: what is kept beyond a gap is bounded in runs, so that tiny ones cost no more", () => {
  const stream = new MessageStream();
  let kept = 0;
  while (stream.onData(1_000_000 - 2 * kept, Uint8Array.of(0)).ok) kept += 1;

  expect(kept).toBeGreaterThan(RECORD_WINDOW);
  expect(kept).toBeLessThan(10 * RECORD_WINDOW);
});

test("parts that touch are one run, as many as there are", () => {
  const stream = new MessageStream();
  const bytes = framed(textOf(200_000));
  for (let at = 1; at < bytes.length; at += 1) {
    if (!stream.onData(at, bytes.subarray(at, at + 1)).ok) expect.fail(`refused at ${at}`);
  }

  expect(take(stream, 0, bytes.subarray(0, 1))).toEqual([textOf(200_000)]);
});

test("a long message that comes byte by byte is put together in the time it takes to read it", () => {
  const stream = new MessageStream();
  const bytes = framed(textOf(400_000));
  const received: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 1)
    received.push(...take(stream, at, bytes.subarray(at, at + 1)));

  expect(received.length).toBe(1);
});

test("a part that is far behind has no effect", () => {
  const stream = new MessageStream();
  take(stream, 0, framed(textOf(10)));

  expect(take(stream, 0, framed(textOf(10)))).toEqual([]);
  expect(take(stream, 3, new Uint8Array(5))).toEqual([]);
  expect(take(stream, 14, framed(textOf(3)))).toEqual([textOf(3)]);
});

function take(stream: MessageStream, offsetBytes: number, data: Uint8Array): readonly Uint8Array[] {
  const messages = stream.onData(offsetBytes, data);
  if (!messages.ok) expect.fail(messages.error);
  return messages.value;
}
