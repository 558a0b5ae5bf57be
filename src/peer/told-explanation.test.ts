import { expect, test } from "vitest";
import type { ContentId } from "../base/ids.ts";
import {
  decodeMessage,
  EXPLAINED_MAX,
  encodeMessage,
  MESSAGE_BYTES_MAX,
  RANGES_TOLD_MAX,
} from "../wire/messages.ts";
import type { Explanation } from "./contract.ts";
import { toldExplanation } from "./told-explanation.ts";

const CONTENT = "c1".repeat(32) as ContentId;
const QUESTION = { kind: "explain", questionId: 9, contentId: CONTENT, firstPiece: 0 } as const;
const ORIGIN = { kind: "origin", location: "https://cdn.example/" } as const;
const MATE = { kind: "office-device", deviceId: "d1", host: "10.0.0.7", office: "Branch" } as const;

test("XP1: sources and reasons are told once, and ranges name them", () => {
  const told = toldExplanation(QUESTION, {
    contentId: CONTENT,
    pieces: 10,
    ranges: [
      { first: 0, last: 3, source: MATE, reason: "nearest" },
      { first: 4, last: 4, source: ORIGIN, reason: "no device has it" },
      { first: 6, last: 9, source: { ...MATE }, reason: "nearest" },
    ],
    totals: [
      { source: MATE, pieces: 8, bytes: 800 },
      { source: ORIGIN, pieces: 1, bytes: 100 },
    ],
  });

  expect(told).toEqual({
    kind: "explanation",
    questionId: 9,
    pieces: 10,
    sources: [MATE, ORIGIN],
    reasons: ["nearest", "no device has it"],
    ranges: [
      { first: 0, last: 3, source: 0, reason: 0 },
      { first: 4, last: 4, source: 1, reason: 1 },
      { first: 6, last: 9, source: 0, reason: 0 },
    ],
    totals: [
      { source: 0, pieces: 8, bytes: 800 },
      { source: 1, pieces: 1, bytes: 100 },
    ],
  });
});

test("XP1: of a content that is not known there are 0 pieces", () => {
  expect(toldExplanation(QUESTION, undefined)).toMatchObject({ pieces: 0, ranges: [], totals: [] });
});

test("XP2: what does not fit is asked for with where it begins, until all is told", () => {
  const all = mixed(2 * RANGES_TOLD_MAX + 5, (index) => `reason ${index % 2}`);
  const told: number[] = [];
  let firstPiece: number | undefined = 0;
  let answers = 0;
  while (firstPiece !== undefined) {
    const part = toldExplanation({ ...QUESTION, firstPiece }, all);
    expect(part.totals).toEqual([{ source: 0, pieces: all.pieces, bytes: all.pieces }]);
    for (const { first, last } of part.ranges) {
      for (let piece = first; piece <= last; piece += 1) told.push(piece);
    }
    firstPiece = part.nextPiece;
    answers += 1;
  }

  expect(answers).toBe(3);
  expect(told).toEqual(Array.from({ length: all.pieces }, (_, piece) => piece));
});

test("XP2: an answer begins in the middle of a range where it is asked to", () => {
  const all = mixed(3, () => "why");
  const one = { ...all, ranges: [{ first: 0, last: 2, source: ORIGIN, reason: "why" }] };

  expect(toldExplanation({ ...QUESTION, firstPiece: 1 }, one).ranges).toEqual([
    { first: 1, last: 2, source: 0, reason: 0 },
  ]);
});

test("XP2: the longest names that there can be fit into one message", () => {
  const long = "\u{20ac}".repeat(2_048);
  const sources = Array.from({ length: EXPLAINED_MAX }, (_, index) => ({
    kind: "origin" as const,
    location: `${index}${long}`.slice(0, 1_024),
  }));
  const ranges = Array.from({ length: RANGES_TOLD_MAX }, (_, index) => ({
    first: 4_000_000_000 + index,
    last: 4_000_000_000 + index,
    source: sources[index % sources.length] ?? ORIGIN,
    reason: `${index % EXPLAINED_MAX}${long}`.slice(0, 2_048),
  }));
  const totals = sources.map((source) => ({ source, pieces: 2 ** 31, bytes: 2 ** 52 }));

  const message = toldExplanation(QUESTION, { ...mixed(1, () => ""), ranges, totals });

  const bytes = encodeMessage(message);
  expect(bytes.length).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
  expect(decodeMessage(bytes)).toEqual(message);
});

/** A content of which each piece has a range of its own. */
function mixed(pieces: number, reason: (index: number) => string): Explanation {
  return {
    contentId: CONTENT,
    pieces,
    ranges: Array.from({ length: pieces }, (_, index) => ({
      first: index,
      last: index,
      source: ORIGIN,
      reason: reason(index),
    })),
    totals: [{ source: ORIGIN, pieces, bytes: pieces }],
  };
}
