import { expect, test } from "vitest";
import { EndpointPair } from "../../test/simulation/fixtures/endpoint-pair.ts";
import { textOf } from "../../test/simulation/fixtures/records.ts";
import { toHex } from "../base/hex.ts";
import { Prng } from "../base/prng.ts";
import { MS } from "../base/units.ts";
import type { Crypto } from "../effects/crypto.ts";
import { LAN, type LinkOptions } from "../sim/link.ts";
import { decodeDatagram } from "../wire/datagram.ts";
import { IDLE_US_MAX, KEEPALIVE_US, REKEY_US } from "./constants.ts";

const LOSSY: LinkOptions = {
  delayUs: 5 * MS,
  rate: 2_500_000,
  queueBytes: 100_000,
  lossPercent: 10,
  duplicatePercent: 5,
  jitterUs: 3 * MS,
};

test("AK10: an association on which nobody has anything to say stays up, at little cost", () => {
  const pair = new EndpointPair(1, LAN);
  pair.bringUp();
  const before = pair.sent[0].length + pair.sent[1].length;

  pair.run(600);

  expect(pair.events.flat().length).toBe(2);
  const perSecond = (pair.sent[0].length + pair.sent[1].length - before) / 600;
  expect(perSecond).toBeLessThan((4 * 1_000_000) / KEEPALIVE_US);
});

test("AK10: a peer that vanishes is given up, by both sides, and says how long it was silent", () => {
  const pair = new EndpointPair(2, LAN);
  pair.bringUp();
  for (const link of pair.links) link.cut = true;
  pair.run(IDLE_US_MAX / 1e6);

  for (const events of pair.events) {
    expect(events.at(-1)).toMatchObject({ code: "silent", byPeer: false, wasUp: true });
    expect(events.at(-1)).toHaveProperty(
      "reason",
      expect.stringMatching(/has not answered for \d/),
    );
  }
  expect(pair.endpoints.map(({ size }) => size)).toEqual([0, 0]);
});

test("an interruption of four seconds in the middle of a transfer is survived", () => {
  const pair = new EndpointPair(3, { ...LAN, rate: 1_250_000 });
  pair.bringUp();
  const data = pair.sendBlocks(0, 1, 500_000);
  pair.run(0.1);
  for (const link of pair.links) link.cut = true;
  pair.run(4);
  for (const link of pair.links) link.cut = false;

  expect(pair.receive(1, 1, data.length, 10)).toEqual(data);
});

test("HS9: once an association is up, nothing of the handshake is sent again", () => {
  const pair = new EndpointPair(4, LAN);
  pair.bringUp();
  const before = pair.sent.map(({ length }) => length);
  for (let count = 0; count < 40; count += 1) {
    pair.sendMessage(0, textOf(10));
    pair.sendMessage(1, textOf(10));
    pair.run(0.1);
  }

  const after = pair.sent.flatMap((sent, end) => sent.slice(before[end]));
  const kinds = new Set(
    after.map((bytes) => decodeDatagram(bytes)).map((d) => d.ok && d.value.kind),
  );
  expect(kinds).toEqual(new Set(["record"]));
});

test.each([10, 11, 12, 13, 14, 15, 16, 17])(
  "HS9: a handshake comes through a line that loses three datagrams of ten (seed %i)",
  (seed) => {
    const pair = new EndpointPair(seed, { ...LOSSY, lossPercent: 30 });
    pair.connect();
    pair.runUntil(() => pair.up, 10);

    expect(pair.events.map(([first]) => first?.kind)).toEqual(["association-up", "association-up"]);
  },
);

test("a socket that is full for a while delays everything and loses nothing", () => {
  const pair = new EndpointPair(5, LAN);
  pair.bringUp();
  const data = pair.sendBlocks(0, 1, 300_000);
  const messages = Array.from({ length: 20 }, (_, index) => textOf(2_000, index));
  for (const message of messages) pair.sendMessage(0, message);
  for (let time = 0; time < 20; time += 1) {
    pair.full[0] = true;
    pair.full[1] = time % 3 === 0;
    pair.run(0.001);
    pair.writable(0);
    pair.writable(1);
    pair.run(0.0005);
  }

  expect(pair.receive(1, 1, data.length, 10)).toEqual(data);
  pair.runUntil(() => pair.messages(1).length === messages.length, 10);
  expect(pair.messages(1)).toEqual(messages);
});

test("closing while the socket is full frees everything, and the peer finds out by itself", () => {
  const pair = new EndpointPair(6, LAN);
  pair.bringUp();
  pair.full[0] = true;
  const end = { code: "done", reason: "" } as const;
  pair.endpoints[0].close(pair.world.nowUs, pair.association(0), end, pair.outbox(0));
  pair.writable(0);
  pair.run(IDLE_US_MAX / 1e6);

  expect(pair.events[0].at(-1)).toMatchObject({ kind: "association-down", code: "done" });
  expect(pair.events[1].at(-1)).toMatchObject({ kind: "association-down", code: "silent" });
  expect(pair.endpoints.map(({ size }) => size)).toEqual([0, 0]);
});

test("FR9: a close tells the peer the code and the reason, once", () => {
  const pair = new EndpointPair(7, LAN);
  pair.bringUp();
  const end = { code: "duplicate", reason: "There is another one." } as const;
  pair.endpoints[1].close(pair.world.nowUs, pair.association(1), end, pair.outbox(1));
  pair.run(30);

  expect(pair.events[0].slice(1)).toMatchObject([
    { kind: "association-down", code: "duplicate", reason: end.reason, byPeer: true },
  ]);
  expect(pair.events[1].slice(1)).toMatchObject([
    { kind: "association-down", code: "duplicate", byPeer: false },
  ]);
});

test("nothing can be said over an association that is not up", () => {
  const pair = new EndpointPair(8, LAN);
  const id = pair.connect();
  const [endpoint] = pair.endpoints;
  const block = { requestId: 1, offsetBytes: 0, data: textOf(1) };

  expect(endpoint.sendMessage(0, id, textOf(1), pair.outbox(0))).toBe(false);
  expect(endpoint.sendBlock(0, id, block, pair.outbox(0))).toBe(false);
  expect(endpoint.sendMessage(0, 4_711, textOf(1), pair.outbox(0))).toBe(false);
});

test.each([31, 32, 33, 34])(
  "RC10, RC11: what a forger spoils is sealed anew, and arrives once and in order (seed %i)",
  (seed) => {
    const pair = new EndpointPair(seed, LOSSY);
    pair.bringUp();
    const { data, messages } = say(pair);
    const prng = new Prng(seed);
    for (let time = 0; time < 100; time += 1) {
      pair.run(0.02);
      forgeFragment(pair, prng);
    }

    expect(pair.receive(1, 1, data.length)).toEqual(data);
    pair.runUntil(() => pair.messages(1).length === messages.length);
    expect(pair.messages(1)).toEqual(messages);
    // The forger was noticed: otherwise this would have shown nothing.
    expect(singles(pair)).toBeGreaterThan(0);
  },
);

test.each([41, 42, 43])(
  "RC3, RC9: no key ever seals two texts under one nonce (seed %i)",
  (seed) => {
    const used = new Set<string>();
    let repeated = 0;
    const recording = (crypto: Crypto): Crypto => ({
      ...crypto,
      seal: (key, nonce, aad, plaintext) => {
        const name = `${toHex(key)} ${toHex(nonce)}`;
        if (used.has(name)) repeated += 1;
        used.add(name);
        return crypto.seal(key, nonce, aad, plaintext);
      },
    });
    const pair = new EndpointPair(seed, LOSSY, recording);
    pair.bringUp();
    const prng = new Prng(seed);
    for (let phase = 0; phase < 3; phase += 1) {
      const before = pair.blockBytes[1];
      say(pair);
      for (let time = 0; time < 50; time += 1) {
        pair.run(0.02);
        forgeFragment(pair, prng);
      }
      pair.runUntil(() => pair.blockBytes[1] >= before + BLOCK_BYTES);
      pair.run(REKEY_US / 1e6);
    }

    expect(repeated).toBe(0);
    expect(used.size).toBeGreaterThan(1_000);
    // Two directions of two lanes in at least three phases.
    expect(new Set([...used].map((name) => name.split(" ")[0])).size).toBeGreaterThanOrEqual(12);
    expect(pair.events.flat().filter(({ kind }) => kind === "association-down")).toEqual([]);
  },
);

const BLOCK_BYTES = 400_000;

function say(pair: EndpointPair) {
  const messages = Array.from({ length: 60 }, (_, index) => textOf(1 + 97 * index, index));
  for (const message of messages) pair.sendMessage(0, message);
  return { messages, data: pair.sendBlocks(0, 1, BLOCK_BYTES) };
}

/** Spoils a record that is under way: its header with other bytes behind it. */
function forgeFragment(pair: EndpointPair, prng: Prng): void {
  const recent = pair.sent[0].slice(-20);
  const sniffed = recent[prng.below(recent.length)]?.slice();
  if (sniffed === undefined || sniffed.length < 100) return;
  sniffed.fill(prng.below(256), 16);
  pair.inject(1, sniffed);
}

/** How many records of one datagram and full length the first end has sent. */
function singles(pair: EndpointPair): number {
  return pair.sent[0].filter((bytes) => {
    const datagram = decodeDatagram(bytes);
    if (!datagram.ok || datagram.value.kind !== "record") return false;
    const { lane, fragment, last, payload } = datagram.value;
    return lane === "reliable" && fragment === 0 && last && payload.length === 1_184;
  }).length;
}
