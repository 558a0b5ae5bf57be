import { type Static, Type } from "typebox";
import {
  AtMs,
  ByteCounters,
  ContentIdPrefix,
  ContentIdText,
  ContentStateWord,
  Count,
  DeviceIdText,
} from "./common.ts";
import { ProfileInForceView } from "./profile-schemas.ts";
import { exact } from "./route.ts";

/** A content on a device. */
export const AgentContentView = exact({
  contentId: ContentIdText,
  name: Type.String(),
  version: Type.String(),
  state: ContentStateWord,
  pieces: Count,
  piecesHeld: Count,
  sizeBytes: Count,
  heldBytes: Count,
  ...ByteCounters,
  /** The folder in which the content has been handed over, once it is complete. */
  deliveredTo: Type.Optional(Type.String()),
  /** Why it is not fetched now though it is to be had: an operator, or the hour. */
  hold: Type.Union([Type.Literal("none"), Type.Literal("paused"), Type.Literal("closed")]),
  /** Whether a deployment has its signed action run. */
  runAction: Type.Boolean(),
  /** What is wrong and how to mend it; empty where nothing is. */
  problem: Type.String(),
});

/** Another device, as this one sees it. */
export const AgentPeerView = exact({
  deviceId: DeviceIdText,
  office: Type.String(),
  address: Type.String(),
  connected: Type.Boolean(),
  /** Smoothed round-trip time in microseconds; 0 where it has not been measured. */
  rttUs: Count,
});

/** What a device is and does. */
export const AgentStatusView = exact({
  deviceId: DeviceIdText,
  organisation: Type.String(),
  hostName: Type.String(),
  office: Type.String(),
  server: exact({ address: Type.String(), connected: Type.Boolean() }),
  /** Whether it fetches for its office. */
  rvp: Type.Boolean(),
  productVersion: Type.String(),
  /** The values in force, and which profile set each; what names none is the device's own. */
  profile: ProfileInForceView,
  /** What stands between the device and what profiles say, as sentences. */
  profileProblems: Type.Array(Type.String()),
  /** Since when transfers have waited because others use the line; absent where they do not. */
  lineBusySinceMs: Type.Optional(AtMs),
  contents: Type.Array(AgentContentView),
  peers: Type.Array(AgentPeerView),
});

/** A content in the cache of a device. */
export const AgentCacheEntry = exact({
  contentId: ContentIdText,
  name: Type.String(),
  version: Type.String(),
  sizeBytes: Count,
  /** What of it lies on the disk. */
  heldBytes: Count,
  /** When it was last fetched, served or read. */
  usedAtMs: AtMs,
  pinned: Type.Boolean(),
  /** Whether it has been handed over on this device; that stays, whatever the cache lets go of. */
  delivered: Type.Boolean(),
  /** Why the cache does not let go of it; absent where it may. */
  keptBecause: Type.Optional(
    Type.Union([Type.Literal("pinned"), Type.Literal("protected"), Type.Literal("in-use")]),
  ),
});

/** The cache of a device. */
export const AgentCacheView = exact({
  /** How many more bytes of contents it would take without letting go of any. */
  usableBytes: Count,
  contents: Type.Array(AgentCacheEntry),
});

/** Whether a content is to be kept whatever room lacks. */
export const CachePin = exact({ pinned: Type.Boolean() });

/** What the cache is to let go of. */
export const CachePurge = exact({
  /** Absent: all that nothing keeps. */
  contentId: Type.Optional(ContentIdPrefix),
  /** Also what is pinned, protected or in use. */
  force: Type.Boolean(),
});

/** What the cache has let go of, and what not. */
export const CachePurged = exact({
  purged: Type.Array(AgentCacheEntry),
  kept: Type.Array(AgentCacheEntry),
});

/** Where a piece came from. */
export const PieceSourceView = exact({
  kind: Type.Union([
    Type.Literal("own-cache"),
    Type.Literal("office-device"),
    Type.Literal("far-device"),
    Type.Literal("origin"),
    Type.Literal("unknown"),
  ]),
  deviceId: Type.Optional(Type.String()),
  host: Type.Optional(Type.String()),
  office: Type.Optional(Type.String()),
  location: Type.Optional(Type.String()),
  /** Over what it came: inside an office Foreground, between offices Background. */
  protocol: Type.Enum(["foreground", "background", "https", "http", "file", "none"]),
});

/** Pieces that came from one source for one reason; both ends are part of the range. */
export const PieceRangeView = exact({
  first: Count,
  last: Count,
  source: PieceSourceView,
  reason: Type.String(),
});

/** What came from one source. */
export const SourceTotalView = exact({ source: PieceSourceView, pieces: Count, bytes: Count });

/** From whom each piece of a content came, and why. */
export const ExplanationView = exact({
  contentId: ContentIdText,
  pieces: Count,
  ranges: Type.Array(PieceRangeView),
  totals: Type.Array(SourceTotalView),
});

/** A content that this device brings to the organisation. */
export const PublicationInput = exact({
  /** The complete transfer: an absolute path on this machine. */
  blobPath: Type.String({ minLength: 1, maxLength: 4096 }),
  /** The signed manifest in base64: at most 16 MiB before the encoding. */
  manifest: Type.String({ minLength: 4, maxLength: 22_369_624, pattern: "^[A-Za-z0-9+/]+={0,2}$" }),
});

export type AgentCacheEntry = Static<typeof AgentCacheEntry>;
export type AgentCacheView = Static<typeof AgentCacheView>;
export type CachePurge = Static<typeof CachePurge>;
export type CachePurged = Static<typeof CachePurged>;
export type PieceRangeView = Static<typeof PieceRangeView>;
export type SourceTotalView = Static<typeof SourceTotalView>;
export type PieceSourceView = Static<typeof PieceSourceView>;
export type ExplanationView = Static<typeof ExplanationView>;
export type AgentContentView = Static<typeof AgentContentView>;
export type AgentPeerView = Static<typeof AgentPeerView>;
export type AgentStatusView = Static<typeof AgentStatusView>;
export type PublicationInput = Static<typeof PublicationInput>;
