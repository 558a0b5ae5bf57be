import fc from "fast-check";
import { expect, test } from "vitest";
import {
  FRAGMENT_BYTES,
  fragmentsOf,
  keyPair,
  textOf,
} from "../../test/simulation/fixtures/records.ts";
import { Prng } from "../base/prng.ts";
import { TAG_BYTES } from "../effects/crypto.ts";
import { RECORD_HEADER_BYTES, type RecordDatagram } from "../wire/datagram.ts";
import {
  ACK_BYTES_BACKGROUND,
  ACK_BYTES_FOREGROUND,
  ACK_DELAY_BACKGROUND_US,
  ACK_DELAY_EARLY_US,
  ACK_DELAY_FOREGROUND_US,
  RECEIVE_WINDOW_BYTES,
  RECORD_WINDOW,
  SINGLE_US,
} from "./constants.ts";
import { RecordReceiver } from "./receiver.ts";

const LONG = textOf(3 * FRAGMENT_BYTES);

test("RC7: a record is opened once, in whatever order and however often its fragments come", () => {
  const order = fc.shuffledSubarray([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3], {
    minLength: 12,
    maxLength: 12,
  });
  fc.assert(
    fc.property(order, (indexes) => {
      const { receiver, seal } = harness();
      const fragments = fragmentsOf(seal, LONG, { record: 0, packet: 1 });
      const texts = indexes.map((index) => receiver.onDatagram(0, at(fragments, index)));

      expect(texts.filter((text) => text !== undefined)).toEqual([LONG]);
      expect(receiver.heldBytes).toBe(0);
      expect(receiver.failures).toBe(0);
    }),
  );
});

test("RC7: records above the window have no effect, the last one within it has", () => {
  const { receiver, seal } = harness();
  const short = textOf(10);
  const [beyond] = fragmentsOf(seal, short, { record: RECORD_WINDOW, packet: 1 });
  const [within] = fragmentsOf(seal, short, { record: RECORD_WINDOW - 1, packet: 2 });

  expect(receiver.onDatagram(0, beyond as RecordDatagram)).toBeUndefined();
  expect(receiver.due().atUs).toBe(Number.POSITIVE_INFINITY);
  expect(receiver.onDatagram(0, within as RecordDatagram)).toEqual(short);
});

/** Length of the datagrams below. */
const KIB_TEXT = textOf(1_024 - RECORD_HEADER_BYTES - TAG_BYTES);

/** Brings so many datagrams of 1 KiB in order, acknowledging as is due; gives the ends of acks. */
function acknowledged(
  { receiver, seal }: ReturnType<typeof harness>,
  range: { readonly from: number; readonly count: number },
): readonly number[] {
  const acks: number[] = [];
  for (let record = range.from; record < range.from + range.count; record += 1) {
    const fragments = fragmentsOf(seal, KIB_TEXT, { record, packet: record + 1 });
    receiver.onDatagram(1_000, at(fragments, 0));
    if (receiver.due().atUs > 1_000) continue;
    receiver.takeAck(1_000);
    acks.push(record + 1);
  }
  return acks;
}

test.each([
  ["Foreground", ACK_BYTES_FOREGROUND, ACK_DELAY_FOREGROUND_US],
  ["Background", ACK_BYTES_BACKGROUND, ACK_DELAY_BACKGROUND_US],
])("AK2: in %s an acknowledgement is due after %i bytes or %i us", (_what, bytes, delayUs) => {
  const world = harness();
  const { receiver, seal } = world;
  receiver.useAckPolicy({ bytes, delayUs });
  // Until as much has come as it takes for a sender to have a large window.
  const count = bytes / 1_024;
  const from = acknowledged(world, { from: 0, count: 5 * count }).at(-1) ?? 0;
  acknowledged(world, { from: 5 * count, count: from + count - 1 - 5 * count });
  expect(receiver.due().atUs).toBe(1_000 + delayUs);

  const record = from + count - 1;
  receiver.onDatagram(1_100, at(fragmentsOf(seal, KIB_TEXT, { record, packet: record + 1 }), 0));
  expect(receiver.due().atUs).toBe(1_100);
  expect(receiver.takeAck(1_100).ranges).toEqual([{ first: 1, last: record + 1 }]);
  expect(receiver.due().atUs).toBe(Number.POSITIVE_INFINITY);
});

test("AK2: it is due sooner at first, and again after a packet was missing", () => {
  const world = harness();
  const distances = (ends: readonly number[]) =>
    ends.map((end, index) => end - (ends[index - 1] ?? 0));
  const first = distances(acknowledged(world, { from: 0, count: 800 }));
  expect(first[0]).toBe(22);
  expect(first.every((kib, index) => kib >= (first[index - 1] ?? 0))).toBe(true);
  expect(first.at(-1)).toBeGreaterThan(100);

  acknowledged(world, { from: 801, count: 1 });
  const again = acknowledged(world, { from: 802, count: 22 });
  expect(again).toHaveLength(1);
  expect(world.receiver.due().atUs).toBe(Number.POSITIVE_INFINITY);
  acknowledged(world, { from: 824, count: 1 });
  expect(world.receiver.due().atUs).toBe(1_000 + ACK_DELAY_EARLY_US);
});

test("AK2: a packet out of order is acknowledged at once", () => {
  const { receiver, seal } = harness();
  receiver.onDatagram(0, at(fragmentsOf(seal, textOf(1), { record: 0, packet: 1 }), 0));
  receiver.onDatagram(10, at(fragmentsOf(seal, textOf(1), { record: 2, packet: 3 }), 0));

  expect(receiver.due().atUs).toBe(10);
});

test("AK3, AK4: an acknowledgement says which packets came, when, and which records are done", () => {
  const { receiver, seal } = harness();
  const short = (record: number, packet: number) =>
    at(fragmentsOf(seal, textOf(1), { record, packet }), 0);
  receiver.onDatagram(100, short(0, 1));
  receiver.onDatagram(200, short(2, 3));
  receiver.onDatagram(300, short(5, 6));
  receiver.onDatagram(400, at(fragmentsOf(seal, LONG, { record: 1, packet: 8 }), 2));

  expect(receiver.takeAck(450)).toEqual({
    kind: "ack",
    ranges: [
      { first: 10, last: 10 },
      { first: 6, last: 6 },
      { first: 3, last: 3 },
      { first: 1, last: 1 },
    ],
    delayUs: 50,
    windowBytes: RECEIVE_WINDOW_BYTES,
    recordFloor: 1,
    recordsDone: Uint8Array.of(0b0100_1000),
    single: false,
  });
});

test("AK3: packets that close a gap join its ranges", () => {
  const numbers = fc.shuffledSubarray(Array.from({ length: 40 }, (_, index) => index + 1));
  fc.assert(
    fc.property(numbers, (packets) => {
      const { receiver, seal } = harness();
      for (const packet of packets) {
        receiver.onDatagram(0, at(fragmentsOf(seal, textOf(1), { record: packet, packet }), 0));
      }
      const named = receiver
        .takeAck(0)
        .ranges.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, index) => first + index),
        );
      expect(named.sort((a, b) => a - b)).toEqual([...packets].sort((a, b) => a - b));
    }),
  );
});

test("a replay of a record that is done brings an acknowledgement within 2 ms, and no more", () => {
  const { receiver, seal } = harness();
  const fragment = at(fragmentsOf(seal, textOf(1), { record: 0, packet: 1 }), 0);
  receiver.onDatagram(0, fragment);
  const before = receiver.takeAck(0);

  for (let replay = 0; replay < 1_000; replay += 1) receiver.onDatagram(10 + replay, fragment);

  // Were it due at once, every replayed datagram would make us seal and send one.
  expect(receiver.due().atUs).toBe(10 + ACK_DELAY_EARLY_US);
  expect(receiver.takeAck(6_000)).toMatchObject({ ranges: before.ranges, recordFloor: 1 });
});

test("RC10: a record that does not open puts the lane into single mode for 60 s", () => {
  const { receiver, seal } = harness();
  const fragments = fragmentsOf(seal, LONG, { record: 0, packet: 1 });
  receiver.onDatagram(0, { ...at(fragments, 1), payload: new Uint8Array(FRAGMENT_BYTES) });
  for (const index of [0, 2, 3]) receiver.onDatagram(0, at(fragments, index));

  expect(receiver.failures).toBe(1);
  expect(receiver.takeAck(0).single).toBe(true);
  expect(opened(receiver, 1_000, fragments)).toEqual([]);
  expect(receiver.heldBytes).toBe(0);
  const whole = fragmentsOf(seal, textOf(5), { record: 1, packet: 9 });
  expect(opened(receiver, 2_000, whole)).toEqual([textOf(5)]);
  expect(receiver.takeAck(SINGLE_US).single).toBe(false);
  expect(opened(receiver, SINGLE_US, fragments)).toEqual([LONG]);
});

test("RC10: two different fragments in one place show a forger", () => {
  const { receiver, seal } = harness();
  const fragments = fragmentsOf(seal, LONG, { record: 0, packet: 1 });
  receiver.onDatagram(0, at(fragments, 1));
  receiver.onDatagram(0, { ...at(fragments, 1), payload: Uint8Array.of(1) });

  expect(receiver.takeAck(0).single).toBe(true);
});

test.each([
  ["a fragment behind the last one", { fragment: 40, last: false }],
  ["another last fragment behind the last one", { fragment: 40, last: true }],
  ["another last fragment before the last one", { fragment: 2, last: true }],
])("RC10: %s does not block a record for ever", (_what, forged) => {
  for (const when of [0, 1, 2, 3, 4]) {
    const { receiver, seal } = harness();
    const fragments: RecordDatagram[] = [...fragmentsOf(seal, LONG, { record: 0, packet: 1 })];
    fragments.splice(when, 0, { ...at(fragments, 0), ...forged, payload: Uint8Array.of(1) });
    const texts = opened(receiver, 0, fragments);
    const again = opened(receiver, 10, fragmentsOf(seal, LONG, { record: 0, packet: 50 }));

    // Either it is open, or the peer is asked to seal it anew.
    expect(texts.length + again.length === 1 || receiver.takeAck(20).single).toBe(true);
  }
});

test("RC10: what is held of unfinished records is bounded, however much is forged", () => {
  const { receiver, seal } = harness();
  const [model] = fragmentsOf(seal, textOf(1), { record: 0, packet: 1 });
  if (model === undefined) expect.fail();
  const prng = new Prng(3);
  let most = 0;
  for (let packet = 1; packet <= 100_000; packet += 1) {
    receiver.onDatagram(packet * 1_000, {
      ...model,
      packet,
      record: prng.below(2 * RECORD_WINDOW),
      fragment: 1 + prng.below(80),
      last: prng.below(10) === 0,
      payload: new Uint8Array(prng.below(3) === 0 ? 65_000 : 1_000),
    });
    most = Math.max(most, receiver.heldBytes);
  }

  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(2 * RECEIVE_WINDOW_BYTES + 65_000);
});

test("AK3: forged packet numbers do not hide the real ones", () => {
  const { receiver, seal } = harness();
  const fragments = fragmentsOf(seal, textOf(20_000), { record: 0, packet: 1 });
  for (let forged = 0; forged < 200; forged += 1) {
    const packet = 0xff_ff_ff_ff - 2 * forged;
    receiver.onDatagram(
      0,
      forgery(at(fragments, 0), { record: 900, fragment: forged % 64, packet }),
    );
  }
  receiver.takeAck(0);
  for (const fragment of fragments.slice(0, 10)) receiver.onDatagram(1_000, fragment);

  const { ranges, delayUs } = receiver.takeAck(1_500);
  expect(ranges).toContainEqual({ first: 1, last: 10 });
  expect(delayUs).toBe(500);
});

test("a forged packet number does not make every later packet look out of order", () => {
  const { receiver, seal } = harness();
  const fragments = fragmentsOf(seal, LONG, { record: 0, packet: 1 });
  receiver.onDatagram(0, forgery(at(fragments, 0), { record: 9, fragment: 3, packet: 1_000_000 }));
  receiver.onDatagram(1, at(fragments, 0));
  receiver.takeAck(1);

  receiver.onDatagram(100, at(fragments, 1));

  expect(receiver.due().atUs).toBe(100 + ACK_DELAY_EARLY_US);
});

test("RC8: a record of the once lane is opened once", () => {
  const { receiver, seal } = harness();
  const fragments = fragmentsOf(seal, textOf(9), { record: 7, packet: 1, lane: "once" });

  expect(opened(receiver, 0, [...fragments, ...fragments])).toEqual([textOf(9)]);
  // Acknowledgements are not themselves acknowledged.
  expect(receiver.due().atUs).toBe(Number.POSITIVE_INFINITY);
});

test("RC8: records of the once lane come in any order within 256 of the highest", () => {
  const { receiver, seal } = harness();
  const once = (record: number) =>
    fragmentsOf(seal, textOf(2, record), { record, packet: 1, lane: "once" });

  for (const record of [300, 45, 100, 299]) {
    expect(opened(receiver, 0, once(record))).toEqual([textOf(2, record)]);
  }
  for (const record of [44, 0, 300, 45]) expect(opened(receiver, 0, once(record))).toEqual([]);
});

test("RC8: a forged number does not move the window of the once lane", () => {
  const { receiver, seal } = harness();
  const [real] = fragmentsOf(seal, textOf(2), { record: 0, packet: 1, lane: "once" });
  if (real === undefined) expect.fail();

  receiver.onDatagram(0, { ...real, record: 0xff_ff_ff_fe });

  expect(receiver.failures).toBe(1);
  expect(receiver.onDatagram(0, real)).toEqual(textOf(2));
});

test("RC8: a record of the once lane that is cut into fragments is dropped", () => {
  const { receiver, seal } = harness();
  const fragments = fragmentsOf(seal, LONG, { record: 0, packet: 1, lane: "once" });

  expect(opened(receiver, 0, fragments)).toEqual([]);
  expect(receiver.heldBytes).toBe(0);
});

test("FR5: a record that the peer has abandoned counts as done, and its fragments are let go", () => {
  const { receiver, seal } = harness();
  receiver.onDatagram(0, at(fragmentsOf(seal, LONG, { record: 0, packet: 1 }), 0));
  receiver.onAbandon(0);
  receiver.onAbandon(RECORD_WINDOW + 1);
  receiver.onAbandon(0xff_ff_ff_ff);

  expect(receiver.heldBytes).toBe(0);
  expect(receiver.takeAck(0)).toMatchObject({ recordFloor: 1, recordsDone: new Uint8Array(0) });
});

function harness() {
  const { seal, open } = keyPair();
  return { seal, receiver: new RecordReceiver(open) };
}

function opened(
  receiver: RecordReceiver,
  nowUs: number,
  fragments: readonly RecordDatagram[],
): readonly Uint8Array[] {
  const texts = fragments.map((fragment) => receiver.onDatagram(nowUs, fragment));
  return texts.filter((text) => text !== undefined);
}

function forgery(model: RecordDatagram, change: Partial<RecordDatagram>): RecordDatagram {
  return { ...model, last: false, ...change, payload: Uint8Array.of(0xbd) };
}

function at<T>(items: readonly T[], index: number): T {
  return items[index] ?? expect.fail(`no item ${index}`);
}
