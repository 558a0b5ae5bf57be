import { type Static, Type } from "typebox";
import { ByteCounters, ContentIdText, ContentStateWord, Count, DeviceIdText } from "./common.ts";
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
  contents: Type.Array(AgentContentView),
  peers: Type.Array(AgentPeerView),
});

/** A content that this device brings to the organisation. */
export const PublicationInput = exact({
  /** The complete transfer: an absolute path on this machine. */
  blobPath: Type.String({ minLength: 1, maxLength: 4096 }),
  /** The signed manifest in base64: at most 16 MiB before the encoding. */
  manifest: Type.String({ minLength: 4, maxLength: 22_369_624, pattern: "^[A-Za-z0-9+/]+={0,2}$" }),
});

export type AgentContentView = Static<typeof AgentContentView>;
export type AgentPeerView = Static<typeof AgentPeerView>;
export type AgentStatusView = Static<typeof AgentStatusView>;
export type PublicationInput = Static<typeof PublicationInput>;
