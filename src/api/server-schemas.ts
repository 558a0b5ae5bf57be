import { type Static, Type } from "typebox";
import {
  AtMs,
  ContentIdText,
  Count,
  DeviceIdText,
  OfficeTypeWord,
  OriginKindWord,
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

/** How the version of a device stands to the server's. */
export const VersionFitWord = Type.Enum(["fits", "too-old", "too-new", "unknown"]);

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
  /** What it says that it is, as `os` and `linux`: what deployments can go by. */
  attributes: Type.Array(exact({ name: Type.String(), value: Type.String() })),
  /** How its version stands to the server's (row B19); `unknown` until it has said it. */
  versionFit: VersionFitWord,
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

/** What is known of an office besides where it stands and which addresses it has. */
const officeDetails = {
  /** IANA name, such as `Europe/Berlin`; absent: that of the office above. */
  timeZone: Type.Optional(Type.String({ maxLength: 64 })),
  /** The rate of the line to its parent office, in kbit/s. */
  wanKbitS: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Host name of the device that is preferred to fetch for the office. */
  preferredRvp: Type.Optional(Type.String({ maxLength: 256 })),
  /** Whether each byte over the line costs. */
  metered: Type.Optional(Type.Boolean()),
  /** Whether the office has a way to the CDN of its own. */
  directCdn: Type.Optional(Type.Boolean()),
  description: Type.Optional(Type.String({ maxLength: 1024 })),
};

/** An office as the server keeps it. */
export const OfficeView = exact({
  name: Type.String(),
  /** Absent for the Central Office alone. */
  parent: Type.Optional(Type.String()),
  type: OfficeTypeWord,
  /** CIDR, such as `10.1.0.0/16`, or ranges, such as `10.1.0.10-10.1.0.99`. */
  subnets: Type.Array(Type.String()),
  ...officeDetails,
});

/** An office as it is handed in: its type is judged with the rest of the topology. */
export const OfficeInput = exact({
  name: Type.String({ maxLength: 256 }),
  parent: Type.Optional(Type.String({ maxLength: 256 })),
  type: Type.String({ maxLength: 64 }),
  subnets: Type.Array(Type.String({ maxLength: 128 }), { maxItems: 4096 }),
  ...officeDetails,
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
