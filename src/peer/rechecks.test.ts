import { expect, test } from "vitest";
import { CoreBench } from "../../test/simulation/fixtures/peer-core.ts";
import { Bitset } from "../base/bitset.ts";
import { SECOND } from "../base/units.ts";
import { RECHECK_US, RECHECKS_MAX, Rechecks } from "./rechecks.ts";

test("SW24: a piece is hashed again for whom it was sent to, once in a while, and few at a time", () => {
  const { bench, doubt, answer } = harness(100);

  doubt(99);
  expect(bench.rechecks).toEqual([]);
  for (let piece = 0; piece < 12; piece += 1) doubt(piece);
  expect(bench.rechecks.length).toBe(RECHECKS_MAX);
  answer(0, false);
  doubt(0);
  expect(bench.rechecks).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  bench.nowUs += RECHECK_US;
  for (let piece = 1; piece < 12; piece += 1) answer(piece, false);
  doubt(0);
  expect(bench.rechecks.at(-1)).toBe(0);
});

test("SW24: doubts about right pieces are soon ignored, and heard again after a time", () => {
  const { bench, doubt, answer } = harness(90);
  for (let piece = 0; piece < 60; piece += 1) {
    doubt(piece);
    answer(piece, true);
  }
  const inVain = bench.rechecks.length;

  bench.nowUs += 10 * SECOND;
  doubt(60);
  answer(60, true);
  doubt(61);

  expect(inVain).toBe(16);
  expect(bench.rechecks.slice(16)).toEqual([60]);
});

function harness(sentPieces: number) {
  const bench = new CoreBench();
  const entry = bench.content(1, { pieces: 100, pieceBytes: 10 });
  const { contentId } = entry;
  const link = bench.link(1);
  const rechecks = new Rechecks(bench.core);
  link.served.set(1, contentId);
  const sent = new Bitset(100);
  for (let piece = 0; piece < Math.min(99, sentPieces); piece += 1) sent.add(piece);
  link.sent.set(contentId, sent);
  return {
    bench,
    doubt: (piece: number) =>
      rechecks.onDoubt(bench.act(), link, { kind: "doubt", handle: 1, piece }),
    answer: (piece: number, intact: boolean) =>
      rechecks.onRechecked(bench.act(), { contentId, piece, intact }),
  };
}
