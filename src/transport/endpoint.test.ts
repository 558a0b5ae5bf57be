import { expect, test } from "vitest";
import { EndpointPair, SMALL } from "../../test/simulation/fixtures/endpoint-pair.ts";
import { textOf } from "../../test/simulation/fixtures/records.ts";
import { PROTOCOL_VERSION } from "../base/constants.ts";
import { Prng } from "../base/prng.ts";
import { MS, SECOND } from "../base/units.ts";
import { LAN, type LinkOptions } from "../sim/link.ts";
import {
  DATAGRAM_BYTES_INITIAL,
  decodeDatagram,
  encodeHello,
  encodeUnsupported,
} from "../wire/datagram.ts";
import {
  COOKIE_US,
  HANDSHAKE_US_MAX,
  HANDSHAKES_MAX,
  HANDSHAKES_PER_PREFIX_MAX,
  RECEIVE_WINDOW_BYTES,
} from "./constants.ts";

const NO_BYTES = new Uint8Array(0);
const STRANGER = { host: "10.9.0.1", port: 34_325 };
const LINE: LinkOptions = { ...LAN, delayUs: 5 * MS, rate: 12_500_000 };

test("HS2, DG10: a HELLO without a cookie leaves nothing behind, and its answer is the shorter one", () => {
  const pair = new EndpointPair(1, LAN);
  for (let source = 1; source <= 1_000; source += 1) pair.inject(1, hello({ source }), STRANGER);

  expect(pair.endpoints[1].size).toBe(0);
  expect(pair.endpoints[1].due().atUs).toBe(Number.POSITIVE_INFINITY);
  expect(pair.sent[1].length).toBe(1_000);
  expect(new Set(pair.sent[1].map(({ length }) => length))).toEqual(new Set([23]));
});

test("AK2: what is done in one go is answered at its end, with the acknowledgement beside it", () => {
  const pair = new EndpointPair(1, LAN);
  pair.bringUp();
  // What is new at first, such as the port that the other end sends from, is settled.
  pair.sendMessage(0, textOf(10));
  pair.sendMessage(1, textOf(10));
  pair.run(1);
  pair.sendMessage(0, textOf(100));
  const [datagram] = pair.sent[0].slice(-1);
  const before = pair.sent[1].length;
  const [, endpoint] = pair.endpoints;
  const outbox = pair.outbox(1);

  endpoint.inOneGo(pair.world.nowUs, outbox, () => {
    pair.inject(1, datagram ?? NO_BYTES);
    expect(pair.messages(1)).toEqual([textOf(10), textOf(100)]);
    pair.sendMessage(1, textOf(50));
    pair.sendMessage(1, textOf(60));
    expect(pair.sent[1].length).toBe(before);
  });

  const [answer, ...others] = pair.sent[1].slice(before);
  expect(others).toEqual([]);
  const first = decodeDatagram(answer ?? NO_BYTES);
  const at = first.ok ? first.value.lengthBytes : 0;
  const second = decodeDatagram(answer ?? NO_BYTES, at);
  expect([first, second]).toMatchObject([
    { value: { lane: "once" } },
    { value: { lane: "reliable" } },
  ]);
  pair.run(0.001);
  expect(pair.messages(0)).toEqual([textOf(10), textOf(50), textOf(60)]);
});

test("what was said before an association is closed in one go is said", () => {
  const pair = new EndpointPair(1, LAN);
  pair.bringUp();
  const [endpoint] = pair.endpoints;
  const { nowUs } = pair.world;

  endpoint.inOneGo(nowUs, pair.outbox(0), () => {
    pair.sendMessage(0, textOf(40));
    const end = { code: "done", reason: "enough" } as const;
    endpoint.close(nowUs, pair.association(0), end, pair.outbox(0));
  });
  pair.run(1);

  expect(pair.messages(1)).toEqual([textOf(40)]);
  expect(pair.events[1].at(-1)).toMatchObject({ kind: "association-down", reason: "enough" });
});

test("HS3, DG10: a HELLO of other versions is told ours, in fewer bytes, whatever its cookie", () => {
  const pair = new EndpointPair(1, LAN);
  pair.inject(1, hello({ versions: [PROTOCOL_VERSION + 1] }), STRANGER);
  pair.inject(1, hello({ versions: [0], cookie: new Uint8Array(16) }), STRANGER);

  expect(pair.sent[1].map((bytes) => decodeDatagram(bytes))).toMatchObject(
    new Array(2).fill({ value: { kind: "unsupported", destination: 5, versions: [1] } }),
  );
  expect(pair.endpoints[1].size).toBe(0);
});

test("HS3: the initiator says which versions there are, and that one side has to be updated", () => {
  const pair = new EndpointPair(1, LAN);
  const id = pair.connect();
  pair.inject(0, encodeUnsupported(SMALL, id, [7, 8]));

  expect(pair.events[0]).toMatchObject([
    { kind: "association-down", code: "version-mismatch", byPeer: false, wasUp: false },
  ]);
  expect(pair.events[0][0]).toHaveProperty("reason", expect.stringMatching(/7, 8.*1: update/));
  expect(pair.endpoints[0].size).toBe(0);
});

test.each([
  ["another address", { host: "10.9.0.2", port: STRANGER.port }, 5, 0],
  ["another port", { host: STRANGER.host, port: 1 }, 5, 0],
  ["another association id", STRANGER, 6, 0],
  ["after two periods", STRANGER, 5, 2 * COOKIE_US],
])("HS4: a cookie is of no use for %s", (_what, from, source, laterUs) => {
  const pair = new EndpointPair(1, LAN);
  const cookie = cookieFor(pair, STRANGER, 5);
  pair.world.runUntil(laterUs);

  pair.inject(1, hello({ source, cookie, tls: new Uint8Array(217) }), from);

  expect(pair.endpoints[1].size).toBe(0);
  expect(pair.endpoints[1].counters.badCookie).toBe(1);
  expect(pair.sent[1].length).toBe(1);
});

test("HS4: a cookie is good for its own address and id until the next period ends", () => {
  const pair = new EndpointPair(1, LAN);
  const cookie = cookieFor(pair, STRANGER, 5);
  pair.world.runUntil(2 * COOKIE_US - 1);

  pair.inject(1, hello({ cookie, tls: new Uint8Array(217) }), STRANGER);

  expect(pair.endpoints[1].size).toBe(1);
});

test("HS7: a HELLO that is repeated begins no other handshake", () => {
  const pair = new EndpointPair(1, LAN);
  const cookie = cookieFor(pair, STRANGER, 5);
  for (let repeat = 0; repeat < 100; repeat += 1) {
    pair.inject(1, hello({ cookie, tls: new Uint8Array(217) }), STRANGER);
  }

  expect(pair.endpoints[1].size).toBe(1);
});

test("HS8: one network gets 128 handshakes and all together 256; they end after 10 s", () => {
  const pair = new EndpointPair(1, LAN);
  const begin = (host: string) => {
    const from = { host, port: 34_325 };
    const cookie = cookieFor(pair, from, 5);
    pair.inject(1, hello({ cookie, tls: new Uint8Array(217) }), from);
  };
  for (let device = 1; device <= 200; device += 1) begin(`10.9.0.${device}`);
  expect(pair.endpoints[1].size).toBe(HANDSHAKES_PER_PREFIX_MAX);

  for (let device = 1; device <= 200; device += 1) begin(`10.9.1.${device}`);
  expect(pair.endpoints[1].size).toBe(HANDSHAKES_MAX);
  begin("10.9.2.1");
  expect(pair.endpoints[1].size).toBe(HANDSHAKES_MAX);
  expect(pair.endpoints[1].counters.tooManyHandshakes).toBe(145);

  pair.world.runUntil(HANDSHAKE_US_MAX);
  expect(pair.endpoints[1].size).toBe(0);
  begin("10.9.0.1");
  expect(pair.endpoints[1].size).toBe(1);
});

test("HS8: IPv6 addresses of one /64 are one network", () => {
  const pair = new EndpointPair(1, LAN);
  for (let device = 1; device <= 200; device += 1) {
    const from = { host: `2001:db8:1:2::${device}`, port: 34_325 };
    const cookie = cookieFor(pair, from, 5);
    pair.inject(1, hello({ cookie, tls: new Uint8Array(217) }), from);
  }

  expect(pair.endpoints[1].size).toBe(HANDSHAKES_PER_PREFIX_MAX);
});

test("HS22: a handshake that stalls ends after 10 s, and the reason says what was tried", () => {
  const pair = new EndpointPair(1, LAN);
  pair.links[1].cut = true;
  pair.connect();
  pair.run(9.9);
  expect(pair.events[0]).toEqual([]);

  pair.run(0.2);

  expect(pair.events[0]).toMatchObject([{ code: "unreachable", byPeer: false, wasUp: false }]);
  expect(pair.events[0][0]).toHaveProperty("reason", expect.stringContaining("UDP port 34325"));
  expect(pair.endpoints[0].size).toBe(0);
});

test("HS6: an unanswered HELLO is repeated ever more rarely", () => {
  const pair = new EndpointPair(1, LAN);
  pair.links[0].cut = true;
  pair.connect();
  pair.run(9.9);

  // At 0, 0.25, 0.75, 1.75, 3.75 and 7.75 s.
  expect(pair.sent[0].length).toBe(6);
});

test("an answer goes to ports that exist, from whatever port the question came", () => {
  for (const port of [1, 9, 34_000, 65_000, 65_535]) {
    const pair = new EndpointPair(1, LAN);
    const ports = new Set<number>();
    const world = pair.outbox(1);
    const outbox = {
      ...world,
      send: (to: { readonly port: number }) => {
        ports.add(to.port);
        return true;
      },
    };
    const from = { host: STRANGER.host, port };
    const cookie = cookieFor(pair, from, 5);
    const opening = hello({ cookie, tls: new Uint8Array(217) });
    const endpoint = pair.endpoints[1];
    let key = 0;
    const step = (input: Parameters<typeof endpoint.step>[1]) =>
      endpoint.step(0, input, { ...outbox, handshakeStart: (started) => (key = started) });
    step({ kind: "datagram-received", from, channel: "message-small", arrivals: [opening] });
    // Refused for want of a certificate: the CLOSE goes to the port of replies.
    const shown = { kind: "none" } as const;
    step({ kind: "handshake-done", key, secret: new Uint8Array(32), shown, wallS: 0 });

    expect(ports.size).toBeGreaterThan(0);
    for (const used of ports) {
      expect(used).toBeGreaterThanOrEqual(1);
      expect(used).toBeLessThanOrEqual(65_535);
    }
  }
});

test("HS23: a datagram for nobody or from another host has no effect but a count", () => {
  const pair = new EndpointPair(1, LAN);
  pair.bringUp();
  const sniffed = pair.sent[0].at(-1) ?? NO_BYTES;
  pair.run(0.1);
  const before = pair.sent[1].length;

  pair.inject(1, sniffed, STRANGER);
  pair.inject(1, Uint8Array.of(0x81, 1, 2, 3, 4, ...new Uint8Array(9), 0, 1, 9), STRANGER);
  pair.inject(1, Uint8Array.of(0x8f, 1, 2, 3, 4, ...new Uint8Array(9), 0, 1, 9), STRANGER);

  expect(pair.endpoints[1].counters).toMatchObject({
    wrongSource: 1,
    unknownAssociation: 1,
    malformed: 1,
  });
  expect(pair.sent[1].length).toBe(before);
});

test("100,000 datagrams of chance change nothing, and a transfer goes on", () => {
  const pair = new EndpointPair(11, LINE);
  pair.bringUp();
  const data = pair.sendBlocks(0, 1, 2_000_000);
  const prng = new Prng(4);
  for (let burst = 0; burst < 100; burst += 1) {
    for (let count = 0; count < 1_000; count += 1) {
      const bytes = Uint8Array.from({ length: prng.below(64) }, () => prng.below(256));
      pair.inject(count % 2 === 0 ? 0 : 1, bytes);
    }
    pair.run(0.002);
  }

  expect(pair.receive(1, 1, data.length)).toEqual(data);
  const { malformed, unknownAssociation } = pair.endpoints[1].counters;
  expect(malformed + unknownAssociation).toBeGreaterThan(45_000);
  expect(pair.endpoints.map(({ size }) => size)).toEqual([1, 1]);
});

test.each([
  ["whose payloads are chance", 1],
  ["that are replayed", 2],
  ["of whose headers a byte is changed", 3],
  ["that are cut", 4],
  ["with packet numbers of chance", 5],
])(
  "100,000 datagrams with a sniffed header %s change nothing, and a transfer goes on",
  (_w, kind) => {
    const pair = new EndpointPair(20 + kind, LINE);
    pair.bringUp();
    const data = pair.sendBlocks(0, 1, 2_000_000);
    const prng = new Prng(kind);
    const held: number[] = [];
    for (let burst = 0; burst < 200; burst += 1) {
      pair.run(0.001);
      for (let count = 0; count < 500; count += 1) {
        const end = count % 2 === 0 ? 0 : 1;
        const recent = pair.sent[1 - end] ?? [];
        const from = Math.max(0, recent.length - 50);
        const sniffed = recent[from + prng.below(recent.length - from)] ?? NO_BYTES;
        pair.inject(end, forged(kind, sniffed.slice(), prng));
      }
      held.push(Math.max(...pair.endpoints.map((endpoint) => endpoint.heldBytes())));
    }
    const answers = pair.sent[1].length;

    expect(pair.receive(1, 1, data.length)).toEqual(data);
    expect(Math.max(...held)).toBeLessThanOrEqual(
      2 * RECEIVE_WINDOW_BYTES + DATAGRAM_BYTES_INITIAL,
    );
    expect(pair.endpoints.map(({ size }) => size)).toEqual([1, 1]);
    expect(pair.events.flat().filter(({ kind: event }) => event === "association-down")).toEqual(
      [],
    );
    // Half of the forged ones went there: they must not make us speak as often as the forger does.
    expect(answers).toBeLessThan(25_000);
  },
);

test("closing all tells every peer, and frees everything", () => {
  const pair = new EndpointPair(3, LAN);
  pair.bringUp();
  pair.endpoints[0].closeAll(pair.world.nowUs, "The program ends.", pair.outbox(0));
  pair.run(1);

  expect(pair.events[0].at(-1)).toMatchObject({ code: "done", byPeer: false, wasUp: true });
  expect(pair.events[1].at(-1)).toMatchObject({
    code: "done",
    reason: "The program ends.",
    byPeer: true,
    wasUp: true,
  });
  expect(pair.endpoints.map(({ size }) => size)).toEqual([0, 0]);
  expect(pair.endpoints.map((endpoint) => endpoint.due().atUs)).toEqual([Infinity, Infinity]);
});

test("no timer is due in the past once its input has been applied", () => {
  const pair = new EndpointPair(31, { ...LINE, lossPercent: 20, duplicatePercent: 5 });
  pair.connect();
  pair.world.runUntil(20 * SECOND, () => {
    const dues = pair.endpoints.map((endpoint) => endpoint.due().atUs);
    if (Math.min(...dues) < pair.world.nowUs - SECOND)
      expect.fail(`${dues} at ${pair.world.nowUs}`);
    return false;
  });
  for (const end of [0, 1] as const) {
    const outbox = pair.outbox(end);
    pair.endpoints[end].step(pair.world.nowUs, { kind: "timer-fired" }, outbox);
    expect(pair.endpoints[end].due().atUs).toBeGreaterThan(pair.world.nowUs);
  }
});

function hello(change: {
  readonly source?: number;
  readonly versions?: readonly number[];
  readonly cookie?: Uint8Array;
  readonly tls?: Uint8Array;
}): Uint8Array {
  return encodeHello({
    channel: SMALL,
    source: 5,
    singlePort: false,
    versions: [PROTOCOL_VERSION],
    cookie: NO_BYTES,
    tls: NO_BYTES,
    ...change,
  });
}

/** Asks the second end for a cookie, and takes it from the answer. */
function cookieFor(
  pair: EndpointPair,
  from: { readonly host: string; readonly port: number },
  source: number,
): Uint8Array {
  pair.inject(1, hello({ source }), from);
  const answer = decodeDatagram(pair.sent[1].at(-1) ?? NO_BYTES);
  if (!answer.ok || answer.value.kind !== "retry") expect.fail("no RETRY came");
  return answer.value.cookie;
}

function forged(kind: number, bytes: Uint8Array, prng: Prng): Uint8Array {
  const view = new DataView(bytes.buffer);
  switch (kind) {
    case 1:
      for (let at = 16; at < bytes.length; at += 1) bytes[at] = prng.below(256);
      return bytes;
    case 2:
      return bytes;
    case 3:
      bytes[prng.below(16)] = prng.below(256);
      return bytes;
    case 4:
      return bytes.subarray(0, prng.below(bytes.length + 1));
    default:
      if (bytes.length >= 16) view.setUint32(5, prng.next());
      return bytes;
  }
}
