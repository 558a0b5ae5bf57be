import { type Static, Type } from "typebox";
import { PieceRangeView, SourceTotalView } from "./agent-schemas.ts";
import { AtMs, ContentIdText, ContentStateWord, Count, DeviceIdText } from "./common.ts";
import { exact } from "./route.ts";

/** What a device last reported of a content. Byte counts are of pieces, over all its restarts. */
export const ReportedView = exact({
  state: ContentStateWord,
  pieces: Count,
  piecesHeld: Count,
  heldBytes: Count,
  /** Over the line, from devices of other offices. */
  wanInBytes: Count,
  /** From devices of its office. */
  lanInBytes: Count,
  /** From the CDN or file storage. */
  originInBytes: Count,
  /** The office in which it was then. */
  office: Type.String(),
  /** What is wrong and how to mend it; empty where nothing is. */
  problem: Type.String(),
  reportedAtMs: AtMs,
});

/** Why each piece of a content on a device came from where it came (row D4). */
export const DeviceExplanation = exact({
  deviceId: DeviceIdText,
  hostName: Type.String(),
  contentId: ContentIdText,
  name: Type.String(),
  version: Type.String(),
  /**
   * Whether the device itself has answered now: `away` where the server does not hear from it,
   * `silent` where it took too long, `busy` where too many ask it, `nothing` where it knows nothing
   * of the content.
   */
  answer: Type.Enum(["told", "away", "silent", "busy", "nothing"]),
  /** What that means and what to do; empty where the device has told. */
  why: Type.String(),
  /** How many pieces the content has; 0 where the device has not told. */
  pieces: Count,
  ranges: Type.Array(PieceRangeView),
  /** Of the whole content, whatever piece `ranges` begins with. */
  totals: Type.Array(SourceTotalView),
  /** The piece with which the rest begins, for `from`; absent where there is none. */
  nextPiece: Type.Optional(Count),
  /** What the server knows without the device; absent where it never reported of the content. */
  reported: Type.Optional(ReportedView),
});

export type ReportedView = Static<typeof ReportedView>;
export type DeviceExplanation = Static<typeof DeviceExplanation>;
