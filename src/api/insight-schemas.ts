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
  /** What other contents in its own cache had already, and from hosted caches. */
  cacheInBytes: Count,
  hostedInBytes: Count,
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

const counts = {
  /** Devices that a deployment brings the content to; of several contents each pair counts. */
  wanted: Count,
  /** Of these, how many have it, fetch it, wait for it, and have failed. */
  complete: Count,
  fetching: Count,
  waiting: Count,
  failed: Count,
  /** What came from other contents in the devices' own caches, and crossed nothing. */
  cacheInBytes: Count,
  /** From devices of the same office. */
  lanInBytes: Count,
  /** Over the line, from devices of other offices. */
  wanInBytes: Count,
  /** From hosted caches. */
  hostedInBytes: Count,
  /** From the CDN or file storage. */
  originInBytes: Count,
  /** Served to other devices, over LAN and line. */
  servedBytes: Count,
};

/** By what the distribution is broken down. */
export const DistributionBy = Type.Enum(["office", "type", "content", "device"], {
  description: "By what to break down; offices hold the sums of all offices below them.",
});

/** How something stands: an office with those below it, a content type, a content or a device. */
export const DistributionView = exact({
  office: Type.Optional(Type.String()),
  parent: Type.Optional(Type.String()),
  /** How many offices lie above it. */
  depth: Type.Optional(Count),
  type: Type.Optional(Type.String()),
  contentId: Type.Optional(ContentIdText),
  name: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
  deviceId: Type.Optional(DeviceIdText),
  hostName: Type.Optional(Type.String()),
  present: Type.Optional(Type.Boolean()),
  /** How many devices are enrolled there. */
  devices: Type.Optional(Count),
  /** How many contents these are. */
  contents: Type.Optional(Count),
  ...counts,
});

/** The sums of all that was asked about. */
export const DistributionSums = exact(counts);

const figures = {
  /** How many devices have the whole content, its publisher not counted; of several contents each. */
  holders: Count,
  /** From other contents in the devices' own caches: it crossed nothing (row D6). */
  cacheInBytes: Count,
  /** From other devices: `lanInBytes` and `wanInBytes`. */
  peerInBytes: Count,
  lanInBytes: Count,
  wanInBytes: Count,
  hostedInBytes: Count,
  /** From the CDN or file storage. */
  originInBytes: Count,
  /** Served to others, over LAN and line. */
  servedBytes: Count,
  /** What would have crossed the lines into offices, had every holder fetched a copy of its own. */
  unicastBytes: Count,
  /** What did cross them, with what came from origins. */
  lineBytes: Count,
  /** What of `unicastBytes` did not cross them, in bytes and per cent. */
  savedBytes: Count,
  savedPercent: Type.Number({ minimum: 0, maximum: 100 }),
};

/** By what statistics are broken down. */
export const StatisticsBy = Type.Enum(["content", "application", "device"], {
  description: "By what to break down: each version, all versions of a name, or devices.",
});

/** Where the bytes of a content, an application or a device came from (row A5). */
export const StatisticsView = exact({
  contentId: Type.Optional(ContentIdText),
  name: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
  sizeBytes: Type.Optional(Count),
  /** How many versions these are. */
  versions: Type.Optional(Count),
  deviceId: Type.Optional(DeviceIdText),
  hostName: Type.Optional(Type.String()),
  office: Type.Optional(Type.String()),
  ...figures,
});

/** The sums of all that was asked about. */
export const StatisticsSums = exact(figures);

export type StatisticsView = Static<typeof StatisticsView>;
export type StatisticsSums = Static<typeof StatisticsSums>;
export type DistributionView = Static<typeof DistributionView>;
export type DistributionSums = Static<typeof DistributionSums>;
export type ReportedView = Static<typeof ReportedView>;
export type DeviceExplanation = Static<typeof DeviceExplanation>;
