import { expect, test } from "vitest";
import { CoreBench, deviceIdAt, facts } from "../../test/simulation/fixtures/peer-core.ts";
import { Bitset } from "../base/bitset.ts";
import { MIB, SECOND } from "../base/units.ts";
import type { Link } from "./link.ts";
import { MISSES_MAX, MUTE_US, Offers, QUIET_US, UNASKED_US, UNPASSED_US } from "./offers.ts";

const PIECES = 12;

test("SW38: each piece is offered to one mate, and more only as fast as it is sent", () => {
  const { offers, bench, entry, mates, deal } = harness(2);

  const first = deal();
  offers.onSent(bench.nowUs, mates[1] as Link, entry, 1);
  const next = deal();

  // 2 MiB of pieces of 1 MiB.
  expect(first).toEqual(["1: 0", "2: 1"]);
  expect(next).toEqual(["2: 2"]);
});

test("SW38: what a mate holds is new to nobody", () => {
  const { entry, hold, mates, deal } = harness(3);

  hold(mates[2] as Link, entry, [0, 2]);

  expect(deal()).toEqual(["1: 1", "2: 3"]);
});

test("SW38: devices of other offices, and mates of a device that is not the RVP, are told all", () => {
  const { bench, offers, entry, mates } = harness(3);
  const stranger = bench.link(9);

  expect(offers.isToldAll(stranger, entry)).toBe(true);
  expect(offers.isToldAll(mates[1] as Link, entry)).toBe(false);
  bench.core.succession.setCandidates([{ deviceId: deviceIdAt(1), facts: facts(9) }]);
  entry.tally.lanInBytes = 1;
  expect(offers.isToldAll(mates[1] as Link, entry)).toBe(true);
  expect(offers.isOver(entry)).toBe(true);
});

test("SW38: a mate that asks anew hears of what it has been offered alone", () => {
  const { bench, offers, entry, mates, deal } = harness(2);
  deal();

  const shown = offers.onOpened(bench.nowUs, mates[1] as Link, entry);

  expect(members(shown)).toEqual([1]);
});

test("SW39: an offer that nobody asks for, or nobody passes on, goes to another mate", () => {
  const { bench, offers, entry, mates, deal } = harness(2);
  deal();
  offers.onSent(bench.nowUs, mates[0] as Link, entry, 0);

  bench.nowUs += UNASKED_US;
  offers.onTick(bench.nowUs, entry);
  const unasked = deal();
  for (const text of unasked) offers.onSent(bench.nowUs, mates[0] as Link, entry, pieceOf(text));
  bench.nowUs += UNPASSED_US;
  offers.onTick(bench.nowUs, entry);
  const unpassed = deal();

  expect(unasked[0]).toBe("1: 1");
  expect(unpassed[0]).toBe("2: 0");
});

test("SW39: what a mate that is gone had to pass on is offered to another one", () => {
  const { offers, entry, mates, deal } = harness(2);
  deal();

  offers.onLinkDown(mates[0] as Link);

  expect(deal()).toEqual(["2: 0"]);
  expect(offers.isWaiting(entry)).toBe(true);
});

test("SW39: what is new to nobody is offered to who lacks it once nothing was new for 2 s", () => {
  const { bench, entry, hold, mates, deal } = harness(2);
  hold(mates[0] as Link, entry, [...Array(PIECES).keys()]);

  const early = deal();
  bench.nowUs += QUIET_US;
  const late = deal();

  expect(early).toEqual([]);
  expect(late).toEqual(["2: 0", "2: 1"]);
});

test("SW39: a mate that does not say what it holds is told everything", () => {
  const { bench, offers, entry, mates } = harness(2);
  const mute = mates[1] as Link;
  mute.asked.delete(entry.contentId);

  const early = offers.onTick(bench.nowUs + MUTE_US - 1, entry);
  const late = offers.onTick(bench.nowUs + MUTE_US, entry);

  expect(early).toEqual([]);
  expect(late).toEqual([mute]);
  expect(members(offers.onOpened(bench.nowUs, mute, entry))).toHaveLength(PIECES);
});

test("SW39: so is one with which eight offers came to nothing, until it announces a piece", () => {
  const { bench, offers, entry, hold, mates, deal } = harness(1);
  const [mate] = mates;
  const told: Link[] = [];

  for (let misses = 0; misses < MISSES_MAX; misses += 2) {
    deal();
    bench.nowUs += UNASKED_US;
    told.push(...offers.onTick(bench.nowUs, entry));
  }
  const after = deal();
  hold(mate as Link, entry, [3]);
  offers.onTick(bench.nowUs + 1, entry);

  expect(told).toEqual([mate]);
  expect(after).toEqual([]);
  expect(offers.isToldAll(mate as Link, entry)).toBe(false);
});

function pieceOf(text: string): number {
  return Number(text.split(" ")[1]);
}

function members(set: Bitset | undefined): readonly number[] {
  return [...Array(PIECES).keys()].filter((piece) => set?.has(piece));
}

/** An RVP that holds a content of {@link PIECES} pieces, and so many mates that have opened it. */
function harness(count: number) {
  const bench = new CoreBench();
  bench.nowUs = SECOND;
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  bench.core.view.apply({
    kind: "directory",
    epoch: 1,
    version: 1,
    office: "Branch",
    offices: [{ name: "Branch", type: "default", subnets: [] }],
    members: numbers.map((number) => ({
      deviceId: deviceIdAt(number),
      office: "Branch",
      hosts: [`10.0.1.${number}`],
      portOffset: 0,
      facts: facts(number),
      present: true,
    })),
    officeKey: new Uint8Array(32),
  });
  const entry = bench.content(1, { pieces: PIECES, pieceBytes: MIB });
  entry.wanted = true;
  const { contentId } = entry;
  const offers = new Offers(bench.core);
  const mates = numbers.map((number) => {
    const link = bench.link(number);
    link.served.set(1, contentId);
    const offered = new Bitset(PIECES);
    const answer = "recognised" as const;
    link.asked.set(contentId, {
      handle: 1,
      contentId,
      answer,
      manifestBytes: 1,
      offered,
      resting: false,
    });
    offers.onOpened(bench.nowUs, link, entry);
    return link;
  });
  const hold = (link: Link, { known }: typeof entry, pieces: readonly number[]): void => {
    for (const piece of pieces) {
      link.asked.get(contentId)?.offered?.add(piece);
      known?.picker.onOffered(piece);
      offers.onHeld(link, entry, piece);
    }
  };
  const deal = () =>
    [...offers.deal(bench.nowUs, entry)].flatMap(([link, pieces]) =>
      pieces.map((piece) => `${link.association}: ${piece}`),
    );
  return { bench, offers, entry, mates, hold, deal };
}
