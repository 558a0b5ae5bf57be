import {
  type ContentId,
  contentIdBytes,
  contentIdOf,
  type DeviceId,
  deviceIdBytes,
  deviceIdOf,
} from "../base/ids.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import {
  boolean,
  byteString,
  type Codec,
  field,
  integer,
  list,
  mapped,
  oneOf,
  optional,
  structure,
  text,
} from "./codec.ts";

/** Most bytes of one message; a peer that announces a larger one is cut off. */
export const MESSAGE_BYTES_MAX: number = 1 << 20;

/** Most bytes of a manifest: some 400,000 pieces, or 100 GB. */
export const MANIFEST_BYTES_MAX: number = 16 << 20;

/** What of a machine decides how well it serves an office (row B8), as it reports it itself. */
export type Facts = {
  readonly freeBytes: number;
  /** What the cache may still take of `freeBytes`. */
  readonly usableBytes: number;
  /** An administrator prefers it as RVP. */
  readonly preferred: boolean;
  /** A desktop or a server, not a laptop. */
  readonly desktop: boolean;
  readonly serverOs: boolean;
  readonly uptimeS: number;
};

/** Where a device stands with a content. */
export type ContentState = "waiting" | "downloading" | "checking" | "complete" | "failed";

/** A device asks for its identity; allowed without a certificate, and nothing else is. */
export type Enrol = {
  readonly kind: "enrol";
  readonly securityKey: string;
  /** PKCS #10, DER. */
  readonly request: Uint8Array;
  readonly hostName: string;
  /** Names the machine, so that a cloned disk can be told from its original. */
  readonly machineId: string;
};

/** The device's identity. Certificates are DER. */
export type Enrolled = {
  readonly kind: "enrolled";
  readonly deviceId: DeviceId;
  readonly certificate: Uint8Array;
  readonly authority: Uint8Array;
  readonly organisation: string;
};

/** A device asks for its next certificate, before the present one ends. */
export type Renew = {
  readonly kind: "renew";
  /** PKCS #10, DER. */
  readonly request: Uint8Array;
};

/** The device's next certificate, DER. */
export type Renewed = { readonly kind: "renewed"; readonly certificate: Uint8Array };

/** The server could not do what the device's last message asked for. */
export type Refused = { readonly kind: "refused"; readonly code: string; readonly reason: string };

/** A device says that it is there, after each connection to the server. */
export type Register = {
  readonly kind: "register";
  readonly productVersion: string;
  readonly hostName: string;
  /** Under which addresses the device can be reached, the best first. */
  readonly hosts: readonly string[];
  readonly portOffset: number;
  readonly facts: Facts;
  /** Drawn at each start: counters begin at zero with it. */
  readonly bootId: number;
};

/** Where a device stands with one content. Byte counts are of pieces, since `bootId`. */
export type Progress = {
  readonly kind: "progress";
  readonly contentId: ContentId;
  readonly state: ContentState;
  readonly pieces: number;
  readonly piecesHeld: number;
  readonly sizeBytes: number;
  readonly heldBytes: number;
  readonly wanInBytes: number;
  readonly lanInBytes: number;
  readonly wanOutBytes: number;
  readonly lanOutBytes: number;
  /** Whether the device fetches for its office. */
  readonly rvp: boolean;
  /** What is wrong and how to mend it; empty where nothing is. */
  readonly problem: string;
};

/** A part of a signed manifest that a publishing device brings to the server, in order. */
export type PublishPart = {
  readonly kind: "publish-part";
  readonly contentId: ContentId;
  readonly offsetBytes: number;
  readonly totalBytes: number;
  readonly data: Uint8Array;
};

/** The server has the manifest and will distribute the content. */
export type Published = { readonly kind: "published"; readonly contentId: ContentId };

/** What a device must know of an office. */
export type OfficeEntry = {
  readonly name: string;
  readonly parent?: string;
  readonly type: OfficeType;
};

/** Office types (row B6). */
export type OfficeType = "default" | "vpn" | "wifi";

/** What a device must know of another. */
export type MemberEntry = {
  readonly deviceId: DeviceId;
  readonly office: string;
  readonly hosts: readonly string[];
  readonly portOffset: number;
  readonly facts: Facts;
  /** Whether the server hears from it. */
  readonly present: boolean;
};

/** Who and where everyone is, as far as this device needs it; replaces all that was said before. */
export type Directory = {
  readonly kind: "directory";
  readonly epoch: number;
  readonly version: number;
  /** The office of the device that this is sent to. */
  readonly office: string;
  readonly offices: readonly OfficeEntry[];
  readonly members: readonly MemberEntry[];
};

/** A content that a device is to have. */
export type DeploymentEntry = {
  readonly deploymentId: string;
  readonly contentId: ContentId;
  /** Lower is served first. */
  readonly priority: number;
};

/** All that a device is to have; replaces all that was said before. */
export type Deployments = {
  readonly kind: "deployments";
  readonly epoch: number;
  readonly version: number;
  readonly deployments: readonly DeploymentEntry[];
};

/**
 * Asks a peer to speak about a content from now on, under a short number of the asker's choice.
 *
 * The tag proves that the asker knows the content id without telling it to one who does not.
 */
export type Open = { readonly kind: "open"; readonly handle: number; readonly tag: Uint8Array };

/** What a peer holds of an opened content. */
export type Holds = {
  readonly kind: "holds";
  readonly handle: number;
  /** Length of the manifest where the peer has it, else 0. */
  readonly manifestBytes: number;
  /** A bitset over the pieces; empty where the peer has no manifest. */
  readonly pieces: Uint8Array;
};

/** Pieces that a peer has gained since it last spoke. */
export type Gained = {
  readonly kind: "gained";
  readonly handle: number;
  readonly pieces: readonly number[];
};

/** The peer knows no such content, or knows it no longer. */
export type Unknown = { readonly kind: "unknown"; readonly handle: number };

/** What a request is for. */
export type RequestTarget = "manifest" | "piece";

/** Asks for a range of a manifest or of a piece; block frames answer. */
export type Request = {
  readonly kind: "request";
  readonly requestId: number;
  readonly handle: number;
  readonly target: RequestTarget;
  /** Index of the piece; 0 for a manifest. */
  readonly piece: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
};

/** Why a request is not answered. */
export type RefusalReason = "not-held" | "busy" | "unreadable";

/** A request that will not be answered. */
export type Refusal = {
  readonly kind: "refusal";
  readonly requestId: number;
  readonly reason: RefusalReason;
};

/** Takes a request back; blocks that are under way may still arrive. */
export type Cancel = { readonly kind: "cancel"; readonly requestId: number };

/** Everything that is said in the stream of messages of an association. */
export type Message =
  | Enrol
  | Enrolled
  | Refused
  | Register
  | Progress
  | PublishPart
  | Published
  | Directory
  | Deployments
  | Open
  | Holds
  | Gained
  | Unknown
  | Request
  | Refusal
  | Cancel
  | Renew
  | Renewed;

const u32 = integer(0, 0xff_ff_ff_ff);
const name = text(256);
const host = text(64);
const deviceId = mapped(byteString(16, 16), deviceIdBytes, deviceIdOf);
const contentId = mapped(byteString(32, 32), contentIdBytes, contentIdOf);

const facts: Codec<Facts> = structure<Facts>({
  freeBytes: field(1, integer()),
  usableBytes: field(2, integer()),
  preferred: field(3, boolean),
  desktop: field(4, boolean),
  serverOs: field(5, boolean),
  uptimeS: field(6, integer()),
});

const office: Codec<OfficeEntry> = structure<OfficeEntry>({
  name: field(1, name),
  parent: optional(2, name),
  type: field(3, oneOf<OfficeType>({ default: 0, vpn: 1, wifi: 2 })),
});

const member: Codec<MemberEntry> = structure<MemberEntry>({
  deviceId: field(1, deviceId),
  office: field(2, name),
  hosts: field(3, list(host, 8)),
  portOffset: field(4, integer(0, 65_535)),
  facts: field(5, facts),
  present: field(6, boolean),
});

const deployment: Codec<DeploymentEntry> = structure<DeploymentEntry>({
  deploymentId: field(1, name),
  contentId: field(2, contentId),
  priority: field(3, u32),
});

const state = oneOf<ContentState>({
  waiting: 0,
  downloading: 1,
  checking: 2,
  complete: 3,
  failed: 4,
});

/** Every kind of message: its number on the wire, which never changes, and its fields. */
const KINDS: { readonly [K in Message["kind"]]: Kind<Extract<Message, { kind: K }>> } = {
  enrol: kind(1, {
    securityKey: field(1, text(64)),
    request: field(2, byteString(1, 4096)),
    hostName: field(3, name),
    machineId: field(4, name),
  }),
  enrolled: kind(2, {
    deviceId: field(1, deviceId),
    certificate: field(2, byteString(1, 4096)),
    authority: field(3, byteString(1, 4096)),
    organisation: field(4, name),
  }),
  refused: kind(3, { code: field(1, text(64)), reason: field(2, text(1024)) }),
  register: kind(4, {
    productVersion: field(1, text(64)),
    hostName: field(2, name),
    hosts: field(3, list(host, 8)),
    portOffset: field(4, integer(0, 65_535)),
    facts: field(5, facts),
    bootId: field(6, u32),
  }),
  progress: kind(5, {
    contentId: field(1, contentId),
    state: field(2, state),
    pieces: field(3, u32),
    piecesHeld: field(4, u32),
    sizeBytes: field(5, integer()),
    heldBytes: field(6, integer()),
    wanInBytes: field(7, integer()),
    lanInBytes: field(8, integer()),
    wanOutBytes: field(9, integer()),
    lanOutBytes: field(10, integer()),
    rvp: field(11, boolean),
    problem: field(12, text(1024)),
  }),
  "publish-part": kind(6, {
    contentId: field(1, contentId),
    offsetBytes: field(2, integer(0, MANIFEST_BYTES_MAX)),
    totalBytes: field(3, integer(1, MANIFEST_BYTES_MAX)),
    data: field(4, byteString(1, 65_536)),
  }),
  published: kind(7, { contentId: field(1, contentId) }),
  directory: kind(8, {
    epoch: field(1, integer()),
    version: field(2, integer()),
    office: field(3, name),
    offices: field(4, list(office, 16_384)),
    members: field(5, list(member, 16_384)),
  }),
  deployments: kind(9, {
    epoch: field(1, integer()),
    version: field(2, integer()),
    deployments: field(3, list(deployment, 4096)),
  }),
  open: kind(10, { handle: field(1, u32), tag: field(2, byteString(16, 16)) }),
  holds: kind(11, {
    handle: field(1, u32),
    manifestBytes: field(2, integer(0, MANIFEST_BYTES_MAX)),
    pieces: field(3, byteString(0, 65_536)),
  }),
  gained: kind(12, { handle: field(1, u32), pieces: field(2, list(u32, 4096)) }),
  unknown: kind(13, { handle: field(1, u32) }),
  request: kind(14, {
    requestId: field(1, u32),
    handle: field(2, u32),
    target: field(3, oneOf<RequestTarget>({ manifest: 0, piece: 1 })),
    piece: field(4, u32),
    offsetBytes: field(5, u32),
    lengthBytes: field(6, u32),
  }),
  refusal: kind(15, {
    requestId: field(1, u32),
    reason: field(2, oneOf<RefusalReason>({ "not-held": 0, busy: 1, unreadable: 2 })),
  }),
  cancel: kind(16, { requestId: field(1, u32) }),
  renew: kind(17, { request: field(1, byteString(1, 4096)) }),
  renewed: kind(18, { certificate: field(1, byteString(1, 4096)) }),
};

type Kind<M> = { readonly number: number; readonly body: Codec<Omit<M, "kind">> };

function kind<M extends { readonly kind: string }>(
  number: number,
  fields: Parameters<typeof structure<Omit<M, "kind">>>[0],
): Kind<M> {
  return { number, body: structure<Omit<M, "kind">>(fields) };
}

const KINDS_BY_NUMBER = new Map(
  Object.entries(KINDS).map(([name, { number, body }]) => [number, { name, body }]),
);

/** Writes a message: a CBOR array of its number and its fields. */
export function encodeMessage(message: Message): Uint8Array {
  const { number, body } = KINDS[message.kind] as Kind<Message>;
  return encodeCbor([number, body.encode(message)]);
}

/** Reads a message; `undefined` for one that is malformed or of a kind we do not know. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const known = KINDS_BY_NUMBER.get(value[0]);
  const body = known?.body.decode(value[1]);
  return known === undefined || body === undefined
    ? undefined
    : ({ kind: known.name, ...body } as Message);
}
