import { expect, test } from "vitest";
import { CoreBench, deviceIdAt, facts } from "../../test/simulation/fixtures/peer-core.ts";
import { Bitset } from "../base/bitset.ts";
import { KIB } from "../base/units.ts";
import type { Link } from "./link.ts";
import { Offers, STUCK_US, UNASKED_US, UNPASSED_US } from "./offers.ts";

const PIECES = 12;

test("SW33: each mate is offered another piece, and the next one when that has been sent", () => {
  const { offers, entry, mates, deal } = harness(3);

  const first = deal();
  offers.onSent(1, mates[1] as Link, entry, 1);
  const next = deal();

  expect(first).toEqual(["1: 0", "2: 1", "3: 2"]);
  // It took its piece at once, so it gets one more at a time.
  expect(next).toEqual(["2: 3", "2: 4"]);
});

test("SW33: what a mate holds is offered to nobody", () => {
  const { offers, entry, known, deal } = harness(3);
  for (const piece of [0, 2]) {
    known.picker.onOffered(piece);
    offers.onHeld(entry.contentId, piece);
  }

  expect(deal()).toEqual(["1: 1", "2: 3", "3: 4"]);
});

test("SW33: devices of other offices, and mates of a device that is not the RVP, are told all", () => {
  const { bench, offers, entry, mates } = harness(3);
  const stranger = bench.link(9);

  expect(offers.shownTo(stranger, entry)).toBeUndefined();
  bench.core.succession.setCandidates([{ deviceId: deviceIdAt(1), facts: facts(9) }]);
  entry.tally.lanInBytes = 1;
  expect(offers.shownTo(mates[1] as Link, entry)).toBeUndefined();
  expect(offers.isOver(entry)).toBe(true);
});

test("SW34: an offer that nobody asks for, or nobody passes on, goes to another mate", () => {
  const { bench, offers, entry, mates, deal } = harness(2);
  deal();
  offers.onSent(0, mates[0] as Link, entry, 0);
  deal();

  bench.nowUs = Math.max(UNASKED_US, UNPASSED_US);
  offers.onTick(bench.nowUs, entry);

  expect(deal().map((text) => text.split(" ")[1])).toContain("0");
});

test("SW34: what a mate that is gone had to pass on is offered to another one", () => {
  const { offers, entry, mates, deal } = harness(2);
  deal();

  offers.onLinkDown(mates[0] as Link);
  offers.onSent(0, mates[1] as Link, entry, 1);

  expect(deal()).toEqual(["2: 0", "2: 2"]);
});

test("SW34: a mate that gains nothing is told everything", () => {
  const { offers, entry, mates, known, deal } = harness(2);
  deal();
  offers.onTick(0, entry);
  const [first] = mates;
  first?.asked.set(entry.contentId, asked(entry.contentId, 3));

  const early = offers.onTick(STUCK_US - 1, entry);
  const late = offers.onTick(STUCK_US, entry);

  expect(early).toEqual([]);
  expect(late).toEqual([mates[1]]);
  expect(offers.shownTo(mates[1] as Link, entry)?.count).toBe(known.held.count);
});

function asked(contentId: Link["asked"] extends Map<infer Id, unknown> ? Id : never, held: number) {
  const offered = new Bitset(PIECES);
  for (let piece = 0; piece < held; piece += 1) offered.add(piece);
  return { handle: 1, contentId, answer: "recognised", manifestBytes: 1, offered } as const;
}

/** An RVP that holds a content of {@link PIECES} pieces, and so many mates that have opened it. */
function harness(count: number) {
  const bench = new CoreBench();
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
  const entry = bench.content(1, { pieces: PIECES, pieceBytes: 64 * KIB });
  const { known } = entry;
  if (known === undefined) throw new Error("the manifest is there");
  const offers = new Offers(bench.core);
  const mates = numbers.map((number) => {
    const link = bench.link(number);
    offers.shownTo(link, entry);
    link.served.set(1, entry.contentId);
    return link;
  });
  const deal = () =>
    offers.deal(bench.nowUs, entry).map(({ link, piece }) => `${link.association}: ${piece}`);
  return { bench, offers, entry, known, mates, deal };
}
