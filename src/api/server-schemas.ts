import { type Static, Type } from "typebox";
import {
  AtMs,
  ByteCounters,
  ContentIdPrefix,
  ContentIdText,
  ContentStateWord,
  Count,
  DeviceIdText,
  OfficeTypeWord,
  OriginKindWord,
  PriorityWord,
  Sha256Text,
  TopologyFinding,
} from "./common.ts";
import { exact } from "./route.ts";

/** What the server is. */
export const ServerView = exact({
  organisation: Type.String(),
  productVersion: Type.String(),
  protocolVersion: Type.Integer(),
  /** SHA-256 of the certificate of the organisation's authority, as operators compare it. */
  fingerprint: Type.String(),
  /** Rises with each start of the server: what it says is numbered by it. */
  epoch: Count,
  devices: exact({ enrolled: Count, present: Count }),
});

const contentFields = {
  contentId: ContentIdText,
  name: Type.String(),
  version: Type.String(),
  type: Type.String(),
  sizeBytes: Count,
  pieces: Count,
  files: Count,
  /** The publisher's public key, in hexadecimal digits. */
  publisher: Type.String(),
  publisherName: Type.String(),
  /** SHA-256 of the complete transfer. */
  sha256: Sha256Text,
  publishedAtMs: AtMs,
};

/** A content in a list. */
export const ContentView = exact(contentFields);

/** One file of a content. */
export const FileView = exact({
  path: Type.String(),
  sizeBytes: Count,
  mode: Count,
  sha256: Sha256Text,
});

/** A content and its files. */
export const ContentDetail = exact({ ...contentFields, fileList: Type.Array(FileView) });

const deviceFields = {
  deviceId: DeviceIdText,
  hostName: Type.String(),
  office: Type.String(),
  /** Its addresses, the best first. */
  hosts: Type.Array(Type.String()),
  /** Whether the server hears from it. */
  present: Type.Boolean(),
  lastSeenAtMs: AtMs,
  productVersion: Type.String(),
  /** How its version stands to the server's (row B19); `unknown` until it has said it. */
  versionFit: Type.Union([
    Type.Literal("fits"),
    Type.Literal("too-old"),
    Type.Literal("too-new"),
    Type.Literal("unknown"),
  ]),
  enrolledAtMs: AtMs,
  /** Since when the organisation takes no pieces from it (row B20); absent where it does. */
  shunnedAtMs: Type.Optional(AtMs),
  /** When its identity was taken back because two machines had it; absent where it is good. */
  retiredAtMs: Type.Optional(AtMs),
};

/** An enrolled device. */
export const DeviceView = exact(deviceFields);

/** What a device is accused of by another. */
export const AccusationView = exact({
  reporter: DeviceIdText,
  reporterHostName: Type.String(),
  contentId: ContentIdText,
  offence: Type.Union([Type.Literal("mismatch"), Type.Literal("broken-promise")]),
  atMs: AtMs,
});

/** A device, how it is placed, and what is said against it. */
export const DeviceDetail = exact({
  ...deviceFields,
  machineId: Type.String(),
  /** The address under which the server hears it. */
  seenHost: Type.String(),
  accusations: Type.Array(AccusationView),
});

/** An office as the server keeps it. */
export const OfficeView = exact({
  name: Type.String(),
  /** Absent for the Central Office alone. */
  parent: Type.Optional(Type.String()),
  type: OfficeTypeWord,
  /** CIDR, such as `10.1.0.0/16`, or ranges, such as `10.1.0.10-10.1.0.99`. */
  subnets: Type.Array(Type.String()),
});

/** An office as it is handed in: its type is judged with the rest of the topology. */
export const OfficeInput = exact({
  name: Type.String({ maxLength: 256 }),
  parent: Type.Optional(Type.String({ maxLength: 256 })),
  type: Type.String({ maxLength: 64 }),
  subnets: Type.Array(Type.String({ maxLength: 128 }), { maxItems: 4096 }),
  /** Where it stands in what the operator wrote, for findings; absent: its place in the list. */
  row: Type.Optional(Type.Integer({ minimum: 1 })),
});

/** The whole topology; an empty list has it generated from what devices report. */
export const OfficesInput = exact({ offices: Type.Array(OfficeInput, { maxItems: 16_384 }) });

/** The topology in force, and what is worth a look in it. */
export const OfficesResult = exact({
  offices: Type.Array(OfficeView),
  findings: Type.Array(TopologyFinding),
});

/** Who is to have a content: devices that match any of the three. */
export const Targets = exact({
  all: Type.Optional(Type.Literal(true)),
  offices: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 4096 })),
  devices: Type.Optional(Type.Array(DeviceIdText, { maxItems: 4096 })),
});

/** A deployment to be made. */
export const DeploymentInput = exact({
  contentId: ContentIdPrefix,
  targets: Targets,
  priority: Type.Optional(PriorityWord),
});

const deploymentFields = {
  deploymentId: Type.String(),
  contentId: ContentIdText,
  name: Type.String(),
  version: Type.String(),
  targets: Targets,
  priority: PriorityWord,
  createdAtMs: AtMs,
  finishedAtMs: Type.Optional(AtMs),
};

/** A deployment in a list. */
export const DeploymentView = exact({ ...deploymentFields, devices: Count, verified: Count });

/** Where one device stands with a deployment. */
export const DeploymentDevice = exact({
  deviceId: DeviceIdText,
  hostName: Type.String(),
  office: Type.String(),
  present: Type.Boolean(),
  state: ContentStateWord,
  pieces: Count,
  piecesHeld: Count,
  heldBytes: Count,
  ...ByteCounters,
  /** Bytes of pieces that came from the CDN or file storage. */
  originInBytes: Count,
  /** Whether it fetches for its office. */
  rvp: Type.Boolean(),
  /** What is wrong and how to mend it; empty where nothing is. */
  problem: Type.String(),
  /** Since when transfers have waited because others use the line; absent where they do not. */
  lineBusySinceMs: Type.Optional(AtMs),
});

/** Where one office stands with a deployment. */
export const DeploymentOffice = exact({
  office: Type.String(),
  type: OfficeTypeWord,
  parent: Type.Optional(Type.String()),
  /** Host name of the device that fetches for the office; empty where none does. */
  rvp: Type.String(),
  /** Bytes of pieces that came over the office's link. */
  wanBytes: Count,
  /** Bytes of pieces that came from devices of the same office. */
  lanBytes: Count,
  /** Bytes of pieces that came from the CDN or file storage. */
  originBytes: Count,
  /** `wanBytes` over the size of the content (row D3). */
  copies: Type.Number({ minimum: 0 }),
  devices: Count,
  verified: Count,
  /** Since when transfers have waited because others use the line; absent where they do not. */
  lineBusySinceMs: Type.Optional(AtMs),
});

/** A deployment with everything that is known of it. */
export const DeploymentDetail = exact({
  ...deploymentFields,
  sizeBytes: Count,
  startedAtMs: AtMs,
  devices: Type.Array(DeploymentDevice),
  offices: Type.Array(DeploymentOffice),
});

/** Where packages can be had when no device has them. */
export const OriginView = exact({
  kind: OriginKindWord,
  /** An HTTP(S) address, or a directory that the devices can read. */
  location: Type.String(),
});

/** The origins, in the order in which devices ask them. */
export const OriginsView = exact({ origins: Type.Array(OriginView) });

/** An origin to be added; without a kind an HTTP(S) address is a CDN, a directory is storage. */
export const OriginInput = exact({
  kind: Type.Optional(OriginKindWord),
  location: Type.String({ maxLength: 4096 }),
});

/** What has come into an office of a content, against what may (row D3). Bytes are of pieces. */
export const LedgerEntry = exact({
  contentId: ContentIdText,
  name: Type.String(),
  version: Type.String(),
  sizeBytes: Count,
  office: Type.String(),
  type: OfficeTypeWord,
  parent: Type.Optional(Type.String()),
  /** Over the link from the parent office: for the office and for those below it. */
  wanBytes: Count,
  /** Between devices of the office. */
  lanBytes: Count,
  /** From the CDN or file storage. */
  originBytes: Count,
  /** One copy; for an office whose devices do not share, one for each of them. */
  boundBytes: Count,
  /** `wanBytes` over the size of the content. */
  copies: Type.Number({ minimum: 0 }),
  /** How many devices reported about the content while they were in the office. */
  devices: Count,
  /** How many devices of the office and below have the content, its publisher not counted. */
  holders: Count,
  /** What would have crossed besides, had each holder fetched a copy of its own over the link. */
  savedBytes: Count,
  /** More than 1.05 of the bound has come in over the link and from origins. */
  alarm: Type.Boolean(),
  /** Since when transfers have waited because others use the line; absent where they do not. */
  lineBusySinceMs: Type.Optional(AtMs),
});

/** The WAN ledger. */
export const LedgerView = exact({ entries: Type.Array(LedgerEntry) });

export type ServerView = Static<typeof ServerView>;
export type ContentView = Static<typeof ContentView>;
export type ContentDetail = Static<typeof ContentDetail>;
export type DeviceView = Static<typeof DeviceView>;
export type DeviceDetail = Static<typeof DeviceDetail>;
export type OriginView = Static<typeof OriginView>;
export type LedgerEntry = Static<typeof LedgerEntry>;
export type OfficeView = Static<typeof OfficeView>;
export type OfficeInput = Static<typeof OfficeInput>;
export type OfficesResult = Static<typeof OfficesResult>;
export type Targets = Static<typeof Targets>;
export type DeploymentInput = Static<typeof DeploymentInput>;
export type DeploymentView = Static<typeof DeploymentView>;
export type DeploymentDevice = Static<typeof DeploymentDevice>;
export type DeploymentOffice = Static<typeof DeploymentOffice>;
export type DeploymentDetail = Static<typeof DeploymentDetail>;
