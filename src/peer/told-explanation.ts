import {
  type Explain,
  type ExplanationPart,
  type PieceSource,
  RANGES_TOLD_MAX,
  REASON_LENGTH_MAX,
  type ToldRange,
} from "../wire/messages.ts";
import type { Explanation } from "./contract.ts";

/**
 * Answers the server's question about a content: as much from the asked piece on as one message
 * takes, and where the rest begins.
 *
 * @param explanation - `undefined` where nothing is known of the content.
 */
export function toldExplanation(
  { questionId, firstPiece }: Explain,
  explanation: Explanation | undefined,
): ExplanationPart {
  const { pieces, ranges, totals } = explanation ?? { pieces: 0, ranges: [], totals: [] };
  const wanted = ranges.filter(({ last }) => last >= firstPiece);
  const told = wanted.slice(0, RANGES_TOLD_MAX);
  const sources = new Places<PieceSource>(JSON.stringify);
  const reasons = new Places<string>((reason) => reason);
  const toldRanges = told.map(
    ({ first, last, source, reason }): ToldRange => ({
      first: Math.max(first, firstPiece),
      last,
      source: sources.of(shortened(source)),
      reason: reasons.of(reason.slice(0, REASON_LENGTH_MAX)),
    }),
  );
  const toldTotals = totals.map(({ source, ...counts }) => ({
    source: sources.of(shortened(source)),
    ...counts,
  }));
  const rest = wanted[told.length];
  return {
    kind: "explanation",
    questionId,
    pieces,
    sources: sources.values,
    reasons: reasons.values,
    ranges: toldRanges,
    totals: toldTotals,
    ...(rest === undefined ? {} : { nextPiece: rest.first }),
  };
}

/** As much of the place of an origin as always fits into the message. */
function shortened(source: PieceSource): PieceSource {
  const { location } = source;
  return location === undefined
    ? source
    : { ...source, location: location.slice(0, REASON_LENGTH_MAX) };
}

/** Values in the order in which they are first met, each once. */
class Places<T> {
  readonly values: T[] = [];
  readonly #places = new Map<string, number>();
  readonly #key: (value: T) => string;

  constructor(key: (value: T) => string) {
    this.#key = key;
  }

  of(value: T): number {
    const key = this.#key(value);
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = this.values.push(value) - 1;
    this.#places.set(key, place);
    return place;
  }
}
