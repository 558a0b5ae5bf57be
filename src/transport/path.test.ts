import { expect, test } from "vitest";
import { type Parcel, PLACES, PortsPair } from "../../test/simulation/fixtures/ports.ts";
import { textOf } from "../../test/simulation/fixtures/records.ts";
import { DEVICE_PORTS } from "../effects/channels.ts";
import { KEEPALIVE_US } from "./constants.ts";

const DATA = textOf(300_000);

test("a responder answers where the initiator's datagrams come from, behind a masquerade too", () => {
  const pair = new PortsPair(1);
  const nat = new Masquerade("203.0.113.1");
  pair.between = nat.carry;
  pair.bringUp();
  pair.run(0.1);
  pair.sendBlock(1, 7, DATA);
  pair.runUntil(() => pair.blockBytes(0, 7) === DATA.length);

  const blocks = pair.sent.filter(
    ({ end, channel }) => end === 1 && channel === "content-foreground",
  );
  // The port of contents is mapped to one that nobody could have guessed, and used.
  expect(new Set(blocks.map(({ to }) => to.port))).toEqual(
    new Set([nat.portOf(DEVICE_PORTS["content-foreground"] ?? 0)]),
  );
});

test("a way that is opened counts however much later datagrams on other channels overtook it", () => {
  const pair = new PortsPair(9);
  const held: Parcel[] = [];
  pair.between = (parcel) => {
    if (parcel.end === 1 || parcel.channel !== "content-foreground") return parcel;
    held.push(parcel);
    return undefined;
  };
  pair.bringUp();
  pair.run(0.1);
  pair.sendMessage(0, Uint8Array.of(1));
  pair.run(0.1);
  pair.between = (parcel) => parcel;
  for (const { from, channel, bytes } of held) pair.inject(1, from, channel, bytes);
  pair.run(0.1);
  const before = pair.sent.length;
  pair.sendBlock(1, 7, DATA);
  pair.runUntil(() => pair.blockBytes(0, 7) === DATA.length);

  const blocks = pair.sent
    .slice(before)
    .filter(({ end, channel }) => end === 1 && channel === "content-foreground");
  expect(new Set(blocks.map(({ to }) => to.port))).toEqual(
    new Set([DEVICE_PORTS["content-foreground"]]),
  );
});

test("in single-port mode everything goes to the one port that the masquerade gave", () => {
  const pair = new PortsPair(2, 34_325);
  const nat = new Masquerade("203.0.113.1");
  pair.between = nat.carry;
  pair.bringUp();
  pair.sendBlock(1, 7, DATA);
  pair.sendBlock(0, 8, DATA);
  pair.runUntil(() => pair.blockBytes(0, 7) + pair.blockBytes(1, 8) === 2 * DATA.length);

  const ports = pair.sent.filter(({ end }) => end === 1).map(({ to }) => to.port);
  expect(new Set(ports)).toEqual(new Set([nat.portOf(34_325)]));
});

test.each([
  ["the port table", undefined],
  ["the single-port mode", 34_325],
])("a transfer goes on when the masquerade gives other ports, with %s", (_mode, port) => {
  const pair = new PortsPair(3, port);
  const nat = new Masquerade("203.0.113.1");
  pair.between = nat.carry;
  pair.bringUp();
  pair.sendBlock(1, 7, DATA);
  pair.runUntil(() => pair.blockBytes(0, 7) > 0);
  nat.forget();
  pair.sendBlock(1, 8, DATA);
  pair.sendMessage(0, Uint8Array.of(1));
  // What the peer says by itself shows it where we are now, and opens the other ways.
  pair.runUntil(() => pair.blockBytes(0, 8) === DATA.length, 2);

  expect(pair.events.flat().some(({ kind }) => kind === "association-down")).toBe(false);
});

test.each([0, 1] as const)(
  "HS26: an association moves to the peer's new host once that has answered (end %i moves)",
  (mover) => {
    const pair = new PortsPair(4);
    pair.bringUp();
    let host: string = PLACES[mover];
    pair.between = (parcel) => {
      if (parcel.end === mover) return { ...parcel, from: { ...parcel.from, host } };
      return parcel.to.host === host ? parcel : undefined;
    };
    const other = mover === 0 ? 1 : 0;
    pair.sendBlock(other, 7, DATA);
    host = "203.0.113.77";
    pair.runUntil(() => pair.blockBytes(mover, 7) === DATA.length, 8);

    const association = pair.association(other);
    expect(pair.events[other]).toContainEqual({ kind: "association-moved", association, host });
    expect(pair.events.flat().some(({ kind }) => kind === "association-down")).toBe(false);
  },
);

test("AK10, HS26: who sends much from a new host is heard there long before a keep-alive is due", () => {
  const pair = new PortsPair(8);
  pair.bringUp();
  pair.run(1);
  const host = "203.0.113.78";
  pair.between = (parcel) => {
    if (parcel.end === 0) return { ...parcel, from: { ...parcel.from, host } };
    return parcel.to.host === host ? parcel : undefined;
  };
  pair.sendBlock(0, 7, DATA);
  pair.runUntil(() => pair.blockBytes(1, 7) === DATA.length, KEEPALIVE_US / 1e6 / 2);

  expect(pair.events[1]).toContainEqual(expect.objectContaining({ kind: "association-moved" }));
});

test("HS26: a copy that comes first and from elsewhere brings a challenge there, and no move", () => {
  const pair = new PortsPair(5);
  pair.bringUp();
  pair.run(1);
  const thief = { host: "192.0.2.66", port: 4_711 };
  let copiedBytes = 0;
  pair.between = (parcel) => {
    if (parcel.end === 0) {
      // All that the initiator says arrives twice, the copy first.
      pair.inject(1, thief, parcel.channel, parcel.bytes);
      copiedBytes += parcel.bytes.length;
    }
    return parcel.to.host === thief.host ? undefined : parcel;
  };
  pair.sendBlock(1, 7, DATA);
  pair.runUntil(() => pair.blockBytes(0, 7) === DATA.length);

  const stolen = pair.sent.filter(({ to }) => to.host === thief.host);
  const stolenBytes = stolen.reduce((sum, { bytes }) => sum + bytes.length, 0);
  expect(stolen.length).toBeGreaterThan(0);
  expect(stolenBytes).toBeLessThanOrEqual(3 * copiedBytes);
  expect(pair.events[1].some(({ kind }) => kind === "association-moved")).toBe(false);
});

test.each([
  [1_472, 1_472],
  [1_452, 1_452],
  [1_471, 1_464],
  [1_399, 1_392],
  [1_300, 1_252],
  [1_200, 1_200],
])(
  "DG9: on a path of %i bytes records travel in datagrams of %i, once it is known",
  (path, used) => {
    const pair = new PortsPair(6);
    // IPv6 leaves 20 bytes less of a frame.
    pair.datagramBytesMax = path === 1_452 ? 1_452 : 1_472;
    pair.between = (parcel) => (parcel.bytes.length > path ? undefined : parcel);
    pair.bringUp();
    pair.sendBlock(0, 1, textOf(10));
    pair.run(3);
    const before = pair.sent.length;
    pair.sendBlock(0, 2, DATA);
    pair.runUntil(() => pair.blockBytes(1, 2) === DATA.length);

    const lengths = pair.sent.slice(before).map(({ bytes }) => bytes.length);
    expect(Math.max(...lengths)).toBe(used);
  },
);

test("RC15: where long datagrams no longer come through, what was cut so is sealed anew", () => {
  const pair = new PortsPair(7);
  pair.datagramBytesMax = 1_472;
  pair.bringUp();
  pair.sendBlock(0, 1, textOf(10));
  pair.run(1);
  pair.sendBlock(0, 2, DATA);
  pair.runUntil(() => pair.blockBytes(1, 2) > 0);
  const before = pair.sent.length;
  pair.between = (parcel) => (parcel.bytes.length > 1_200 ? undefined : parcel);
  pair.sendBlock(0, 3, DATA);
  pair.runUntil(() => pair.blockBytes(1, 3) === DATA.length, 8);

  expect(pair.sent.slice(before).some(({ bytes }) => bytes.length === 1_472)).toBe(true);
  expect(pair.events.flat().some(({ kind }) => kind === "association-down")).toBe(false);
});

/** A gateway that gives every port of the first end another one, and lets in only what answers. */
class Masquerade {
  readonly #host: string;
  #ports = new Map<number, number>();
  /** Each pair of a port of its own and one of the second end's that was written to from it. */
  #open = new Set<string>();
  #next = 50_000;

  constructor(host: string) {
    this.#host = host;
  }

  /** The port that stands for one of the first end's. */
  portOf(port: number): number | undefined {
    return this.#ports.get(port);
  }

  /** Loses its memory, as when it is started anew. */
  forget(): void {
    this.#ports = new Map();
    this.#open = new Set();
  }

  readonly carry = (parcel: Parcel): Parcel | undefined => {
    if (parcel.end === 0) {
      const port = this.#ports.get(parcel.from.port) ?? this.#next;
      if (port === this.#next) this.#next += 7;
      this.#ports.set(parcel.from.port, port);
      this.#open.add(`${port} ${parcel.to.port}`);
      return { ...parcel, from: { host: this.#host, port } };
    }
    const isOpen = this.#open.has(`${parcel.to.port} ${parcel.from.port}`);
    return isOpen && parcel.to.host === this.#host ? parcel : undefined;
  };
}
