import { expect, test } from "vitest";
import { FRAGMENT_BYTES, keyPair, textOf } from "../../test/simulation/fixtures/records.ts";
import { concat } from "../base/bytes.ts";
import { NEVER } from "../base/machine.ts";
import type { Channel } from "../effects/channels.ts";
import { decodeDatagram, type RecordDatagram } from "../wire/datagram.ts";
import { type AckFrame, type Frame, readFrames } from "../wire/frames.ts";
import { WINDOW_BYTES_MIN } from "./congestion/controller.ts";
import { ACK_DELAY_US_MAX, PTO_US_MAX, RECORD_WINDOW, RTT_INITIAL_US } from "./constants.ts";
import { Outgoing } from "./outgoing.ts";
import { RttEstimator } from "./rtt.ts";
import { RecordSender } from "./sender.ts";

const SEGMENT_BYTES = 1_200;

/** The first probe timeout: the assumed round trip, four times its variance, and the peer's wait. */
const PTO_US = 3 * RTT_INITIAL_US + ACK_DELAY_US_MAX;

test("RC1: a record travels in datagrams of 1,200 bytes, and its tag vouches for all of them", () => {
  const line = new Line();
  const data = textOf(5_000);
  line.addBlock(data);
  line.pump(0);

  expect(line.sent.map(({ payload }) => payload.length)).toEqual([
    ...new Array(4).fill(FRAGMENT_BYTES),
    5_000 + 11 + 16 - 4 * FRAGMENT_BYTES,
  ]);
  expect(line.sent.map(({ last }) => last)).toEqual([false, false, false, false, true]);
  expect(line.texts()).toEqual([[{ kind: "block", requestId: 1, offsetBytes: 0, data }]]);
});

test("AK4: a record is kept until it is done, not only until its packets have arrived", () => {
  const line = new Line();
  line.addBlock(textOf(2_000));
  line.pump(0);
  line.ack(20_000, { ranges: [{ first: 1, last: 2 }] });
  expect(line.sender.waiting).toBe(true);

  line.ack(40_000, { ranges: [{ first: 1, last: 2 }], recordFloor: 1 });
  expect(line.sender.waiting).toBe(false);
  expect(line.sender.due().atUs).toBe(Number.POSITIVE_INFINITY);
});

test("AK8: a record whose packets are vouched for and that is not done is sent again at once", () => {
  const line = new Line();
  line.addBlock(textOf(2_000));
  line.pump(0);
  line.ack(20_000, { ranges: [{ first: 1, last: 2 }] });
  line.pump(20_000);

  expect(line.sent.map(({ packet, fragment }) => [packet, fragment])).toEqual([
    [1, 0],
    [2, 1],
    [3, 0],
    [4, 1],
  ]);
});

test("AK6, RC9: a packet is lost once one 3 above it has arrived; its bytes go again unchanged", () => {
  const line = new Line();
  line.addBlock(textOf(6_000));
  line.pump(0);
  line.ack(10_000, { ranges: [{ first: 2, last: 3 }] });
  line.pump(10_000);
  expect(line.sent.length).toBe(6);

  line.ack(11_000, { ranges: [{ first: 2, last: 4 }] });
  line.pump(11_000);

  const [first] = line.sent;
  expect(line.sent.at(-1)).toEqual({ ...first, packet: 7 });
  expect(line.sent.length).toBe(7);
});

test("AK6: a packet is lost 9/8 of a round trip after it was sent, once a later one has arrived", () => {
  const line = new Line();
  line.addBlock(textOf(2_000));
  line.pump(0);
  line.ack(16_000, { ranges: [{ first: 2, last: 2 }] });
  expect(line.sender.due()).toEqual({ atUs: 18_000, reason: "loss" });

  line.sender.onTimer(18_000);
  line.pump(18_000);

  expect(line.sent.at(-1)).toMatchObject({ packet: 3, fragment: 0 });
});

test("AK7: what is not acknowledged is probed, ever more rarely, and never all the time", () => {
  const line = new Line();
  line.addBlock(textOf(10_000));
  line.pump(0);
  const waits: number[] = [];
  const counts: number[] = [];
  let nowUs = 0;
  for (let probe = 0; probe < 6; probe += 1) {
    const before = line.sent.length;
    const { atUs } = line.sender.due();
    waits.push(atUs - nowUs);
    nowUs = atUs;
    line.sender.onTimer(nowUs);
    line.pump(nowUs);
    counts.push(line.sent.length - before);
    expect(line.sender.due().atUs).toBeGreaterThan(nowUs);
  }

  expect(waits).toEqual([PTO_US, 2 * PTO_US, ...new Array(4).fill(PTO_US_MAX)]);
  // From the third on all packets go again: here nine.
  expect(counts).toEqual([2, 2, 9, 9, 9, 9]);
  expect(line.events).toEqual(["persistent congestion"]);
});

test("AK7: a probe goes whatever the window says", () => {
  const line = new Line();
  line.addBlock(textOf(100_000));
  line.windowBytes = 20 * SEGMENT_BYTES;
  line.pump(0);
  line.windowBytes = WINDOW_BYTES_MIN;
  const before = line.sent.length;

  const { atUs, reason } = line.sender.due();
  line.sender.onTimer(atUs);
  line.pump(atUs);

  expect(reason).toBe("probe");
  expect(line.sent.slice(before).map(({ fragment }) => fragment)).toEqual([0, 1]);
});

test("AK9: all that is lost in one round trip narrows the window once", () => {
  const line = new Line();
  line.addBlock(textOf(30_000));
  line.pump(0);
  line.ack(10_000, { ranges: [{ first: 5, last: 5 }] });
  line.ack(10_500, { ranges: [{ first: 10, last: 10 }] });
  expect(line.events).toEqual(["acked", "congestion", "acked"]);

  line.pump(11_000);
  line.ack(30_000, { ranges: [{ first: 32, last: 32 }] });
  expect(line.events.slice(3)).toEqual(["acked", "congestion"]);
});

test("acknowledging packets that were never sent has no effect", () => {
  const line = new Line();
  line.addBlock(textOf(2_000));
  line.pump(0);

  const fresh = line.ack(10_000, {
    ranges: [
      { first: 3, last: 0xff_ff_ff_ff },
      { first: 0, last: 0 },
    ],
  });

  expect(fresh).toBe(false);
  expect(line.events).toEqual([]);
  expect(line.rtt.smoothedUs).toBe(RTT_INITIAL_US);
  expect(line.sender.waiting).toBe(true);
});

test("acknowledging packets again has no effect", () => {
  const line = new Line();
  line.addBlock(textOf(6_000));
  line.pump(0);
  line.ack(10_000, { ranges: [{ first: 1, last: 4 }] });

  for (let repeat = 0; repeat < 100; repeat += 1) {
    expect(line.ack(20_000 + repeat, { ranges: [{ first: 1, last: 4 }] })).toBe(false);
  }
  expect(line.events).toEqual(["acked"]);
});

test("an acknowledgement of many ranges that overlap costs no more than the packets in flight", () => {
  const line = new Line();
  line.addBlock(textOf(2_000));
  line.pump(0);
  for (let packet = 0; packet < 50_000; packet += 1) line.sender.takePacketNumber();
  let looked = 0;
  const ranges = Array.from({ length: 32 }, () => ({
    first: 3,
    get last() {
      looked += 1;
      return 0xff_ff_ff_ff;
    },
  }));

  line.ack(10_000, { ranges });

  expect(looked).toBeLessThanOrEqual(2);
});

test("a peer that takes every record for done frees us of it, however far it counts", () => {
  const line = new Line();
  line.addBlock(textOf(100_000));
  line.pump(0);
  line.ack(10_000, { recordFloor: 0xff_ff_ff_ff });
  line.pump(10_000);
  line.ack(20_000, { recordFloor: 0xff_ff_ff_ff });
  line.pump(20_000);

  expect(line.sender.waiting).toBe(false);
  expect(line.sender.due().atUs).toBe(Number.POSITIVE_INFINITY);
});

test("RC14: no more unfinished bytes are under way than the receiver is ready to hold", () => {
  const line = new Line();
  line.addBlock(textOf(60_000));
  line.pump(0);
  line.ack(10_000, { ranges: [{ first: 1, last: 52 }], windowBytes: 70_000 });
  line.addBlock(textOf(60_000));
  line.pump(10_000);
  expect(line.records()).toEqual([0]);

  line.ack(20_000, { recordFloor: 1, windowBytes: 70_000 });
  line.pump(20_000);
  expect(line.records()).toEqual([0, 1]);
});

test("RC14: a peer with an endless window makes us hold no more than we would ever want", () => {
  const line = new Line();
  for (let round = 1; round < 150; round += 1) {
    const before = line.sent.length;
    line.addBlock(textOf(60_000, round));
    line.pump(round * 100_000);
    // Everything arrives, says the peer, but for the last packet of each record.
    for (const { packet, last } of line.sent.slice(before)) {
      const ranges = last ? [] : [{ first: packet, last: packet }];
      line.ack(round * 100_000 + 50_000, { ranges, windowBytes: 0xff_ff_ff_ff });
    }
  }

  expect(line.records().length).toBeGreaterThan(50);
  expect(line.records().length).toBeLessThan(80);
});

test("RC14: a sender runs at most 1,024 records ahead of the oldest that is not done", () => {
  const line = new Line();
  for (let count = 0; count < RECORD_WINDOW + 50; count += 1) line.addPingRecord(count);
  let nowUs = 0;
  for (let round = 0; round < 200; round += 1) {
    line.pump(nowUs);
    const last = line.sent.at(-1)?.packet ?? 0;
    nowUs += 20_000;
    line.ack(nowUs, { ranges: [{ first: 2, last }], recordsDone: allButFirst(last) });
  }

  expect(Math.max(...line.records())).toBe(RECORD_WINDOW - 1);
});

test("a full queue of the world loses nothing, and sending goes on once there is room", () => {
  const line = new Line();
  line.addBlock(textOf(20_000));
  line.full = true;
  line.pump(0);
  expect(line.sent).toEqual([]);
  // Nothing is due but a probe: a full socket must not keep us busy.
  expect(line.sender.due()).toMatchObject({ atUs: PTO_US, reason: "probe" });
  line.sender.onTimer(PTO_US);
  line.pump(PTO_US);
  expect(line.sender.due().atUs).toBeGreaterThan(PTO_US);

  line.full = false;
  line.pump(700_000);
  expect(line.sent).toEqual([]);
  line.sender.onWritable();
  line.pump(700_000);

  expect(line.texts().length).toBe(1);
});

test("RC11: in single mode what is unfinished is sealed anew, in records of one datagram", () => {
  const line = new Line();
  const data = textOf(5_000);
  line.addBlock(data);
  line.pump(0);
  line.ack(10_000, { ranges: [{ first: 1, last: 2 }], single: true });
  line.pump(10_000);
  for (let nowUs = 11_000; nowUs < 30_000; nowUs += 1_000) line.pump(nowUs);

  const anew = line.sent.filter(({ record }) => record > 0);
  expect(anew.every(({ fragment, last }) => fragment === 0 && last)).toBe(true);
  const frames = line.texts().slice(1).flat();
  expect(joined(frames)).toEqual(data);
  expect(frames).toContainEqual({ kind: "abandon", record: 0 });
});

test("single mode ends when the peer no longer asks for it", () => {
  const line = new Line();
  line.ack(0, { single: true });
  line.ack(1, { single: false });
  line.addBlock(textOf(5_000));
  line.pump(2);

  expect(line.records()).toEqual([0]);
});

test("packet numbers rise and are used once, also across lanes", () => {
  const line = new Line();
  line.addBlock(textOf(3_000));
  line.pump(0);
  const once = line.sender.takePacketNumber();
  line.addBlock(textOf(3_000));
  line.pump(1);

  const numbers = [...line.sent.map(({ packet }) => packet), once];
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(line.sent.at(-1)?.packet).toBeGreaterThan(once);
});

test("BG3: what the law holds back, small messages pass, and the law is not told of them", () => {
  const line = new Line();
  line.addBlock(textOf(6_000));
  line.pump(0);
  line.allowance = 0;
  line.addBlock(textOf(6_000));
  line.addPingRecord(0);
  line.addPingRecord(1);
  line.pump(1_000);

  expect(line.paced).toEqual([1, 2, 3, 4, 5, 6]);
  expect(line.sent.length).toBe(8);
  expect(line.sent.slice(6).map(({ channel }) => channel)).toEqual([1, 2]);
});

test("BG3: small messages that are lost while the law is silent are sent again, and nothing else", () => {
  const line = new Line();
  line.addBlock(textOf(2_000));
  line.addPingRecord(0);
  line.pump(0);
  line.allowance = 0;
  line.sender.onTimer(line.sender.due().atUs);
  line.pump(PTO_US);

  expect(line.sent.slice(3).map(({ record }) => record)).toEqual([0]);
  expect(line.sent[3]?.channel).toBe(1);
});

/** A sender, and everything that it has put on the wire. */
class Line {
  readonly rtt = new RttEstimator();
  /** What the sender has told its controller. */
  readonly events: string[] = [];
  windowBytes = 1_000 * SEGMENT_BYTES;
  /** What the law lets go. */
  allowance = Number.POSITIVE_INFINITY;
  /** The packets that the law was told of. */
  readonly paced: number[] = [];
  readonly sent: RecordDatagram[] = [];
  readonly sender: RecordSender;
  full = false;
  readonly #outgoing = new Outgoing();
  readonly #open;

  constructor() {
    const { seal, open } = keyPair();
    this.#open = open;
    this.sender = new RecordSender({
      keys: seal,
      peer: 22,
      rtt: this.rtt,
      outgoing: this.#outgoing,
      controller: {
        inTrains: false,
        onAcked: () => this.events.push("acked"),
        onCongestion: () => this.events.push("congestion"),
        onPersistentCongestion: () => this.events.push("persistent congestion"),
        windowBytes: () => this.windowBytes,
        onSent: (_nowUs, { packet }) => this.paced.push(packet),
        onArrivals: () => this.events.push("arrivals"),
        onLost: () => {},
        onWaiting: () => {},
        due: () => NEVER,
        onTimer: () => {},
        wantsProbe: () => false,
        busyUs: () => 0,
        allowance: () => this.allowance,
        allowedAtUs: () => (this.allowance > 0 ? 0 : Number.POSITIVE_INFINITY),
        lineRate: () => Number.POSITIVE_INFINITY,
        status: () => ({ state: "steady" }),
      },
    });
  }

  addBlock(data: Uint8Array): void {
    this.#outgoing.add("content-foreground", { kind: "block", requestId: 1, offsetBytes: 0, data });
  }

  /** Frames of alternating channels, of which each fills a record of its own. */
  addPingRecord(index: number): void {
    this.#outgoing.add(index % 2 === 0 ? "message-small" : "reply-small", { kind: "ping" });
  }

  pump(nowUs: number): void {
    this.sender.pump(nowUs, (_channel: Channel, bytes, segmentBytes) => {
      if (this.full) return undefined;
      expect(segmentBytes).toBe(SEGMENT_BYTES);
      for (let at = 0; at < bytes.length; at += segmentBytes) {
        const decoded = decodeDatagram(bytes.slice(at, at + segmentBytes));
        if (!decoded.ok || decoded.value.kind !== "record") expect.fail("no record was sent");
        this.sent.push(decoded.value);
      }
      return nowUs;
    });
  }

  ack(nowUs: number, ack: Partial<AckFrame>): boolean {
    return this.sender.onAck(nowUs, {
      kind: "ack",
      ranges: [],
      delayUs: 0,
      windowBytes: 4 << 20,
      recordFloor: 0,
      recordsDone: new Uint8Array(0),
      single: false,
      ...ack,
    });
  }

  /** The numbers of all records of which something was sent. */
  records(): readonly number[] {
    return [...new Set(this.sent.map(({ record }) => record))];
  }

  /** The frames of each complete record, as the peer opens them. */
  texts(): readonly (readonly Frame[])[] {
    return this.records().map((number) => {
      const of = this.sent.filter(({ record }) => record === number);
      const parts = new Map(of.map((fragment) => [fragment.fragment, fragment]));
      const ordered = [...parts.values()].sort((a, b) => a.fragment - b.fragment);
      const [first] = ordered;
      const sealed = concat(ordered.map(({ payload }) => payload));
      const text = first && this.#open.open(first, sealed);
      return (text && readFrames(text)) ?? expect.fail(`record ${number} does not open`);
    });
  }
}

function joined(frames: readonly Frame[]): Uint8Array {
  const blocks = frames.filter((frame) => frame.kind === "block");
  const bytes = new Uint8Array(blocks.reduce((sum, { data }) => sum + data.length, 0));
  for (const { offsetBytes, data } of blocks) bytes.set(data, offsetBytes);
  return bytes;
}

/** The bitmap of records 1 to `count` - 1, of which record 0 is missing. */
function allButFirst(count: number): Uint8Array {
  const bitmap = new Uint8Array(128);
  for (let bit = 1; bit < Math.min(count, 8 * bitmap.length); bit += 1) {
    bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  }
  return bitmap;
}
