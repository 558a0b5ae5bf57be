import { contentIdBytes, contentIdOf, deviceIdBytes, deviceIdOf } from "../base/ids.ts";
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
import type {
  Attribute,
  ContentState,
  DeploymentEntry,
  Facts,
  Interval,
  MemberEntry,
  Message,
  Offence,
  OfficeBytes,
  OfficeEntry,
  OfficeType,
  Origin,
  OriginKind,
  PieceSource,
  PieceSourceKind,
  RefusalReason,
  RequestTarget,
  ToldRange,
  ToldTotal,
} from "./message-types.ts";
import {
  PROFILE_PROBLEM_LENGTH_MAX,
  PROFILE_PROBLEMS_MAX,
  portMapCodec,
  profileInForceCodec,
} from "./profile.ts";

export type * from "./message-types.ts";

/** Most bytes of one message; a peer that announces a larger one is cut off. */
export const MESSAGE_BYTES_MAX: number = 1 << 20;

/** Most bytes of a manifest: some 400,000 pieces, or 100 GB. */
export const MANIFEST_BYTES_MAX: number = 16 << 20;

/** What lies between the priorities of two classes; the order within a class lies below it. */
export const PRIORITY_STEP: number = 1 << 24;

/** Most stretches of time of one deployment. */
export const INTERVALS_MAX = 64;

/** Most sources, and most reasons, that one explanation tells apart. */
export const EXPLAINED_MAX = 256;

/** Most ranges of one part of an explanation. */
export const RANGES_TOLD_MAX = 8_192;

/** Most UTF-16 units of a reason, and of the place of a source, in an explanation. */
export const REASON_LENGTH_MAX = 512;

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
  subnets: field(4, list(text(128), 1_024)),
});

const officeBytes: Codec<OfficeBytes> = structure<OfficeBytes>({
  office: field(1, name),
  bytes: field(2, integer()),
});

const origin: Codec<Origin> = structure<Origin>({
  kind: field(1, oneOf<OriginKind>({ cdn: 0, storage: 1 })),
  location: field(2, text(1024)),
});

const member: Codec<MemberEntry> = structure<MemberEntry>({
  deviceId: field(1, deviceId),
  office: field(2, name),
  hosts: field(3, list(host, 8)),
  portOffset: field(4, integer(0, 65_535)),
  facts: field(5, facts),
  present: field(6, boolean),
  ports: optional(7, portMapCodec),
});

/** Where a piece came from. */
export const pieceSource: Codec<PieceSource> = structure<PieceSource>({
  kind: field(
    1,
    oneOf<PieceSourceKind>({
      unknown: 0,
      "own-cache": 1,
      "office-device": 2,
      "far-device": 3,
      origin: 4,
    }),
  ),
  deviceId: optional(2, text(64)),
  host: optional(3, text(64)),
  office: optional(4, text(256)),
  location: optional(5, text(1_024)),
});

const toldRange: Codec<ToldRange> = structure<ToldRange>({
  first: field(1, u32),
  last: field(2, u32),
  source: field(3, u32),
  reason: field(4, u32),
});

const toldTotal: Codec<ToldTotal> = structure<ToldTotal>({
  source: field(1, u32),
  pieces: field(2, u32),
  bytes: field(3, integer()),
});

const interval: Codec<Interval> = structure<Interval>({
  fromMs: field(1, integer()),
  toMs: field(2, integer()),
});

const attribute: Codec<Attribute> = structure<Attribute>({
  name: field(1, text(32)),
  value: field(2, text(128)),
});

const deployment: Codec<DeploymentEntry> = structure<DeploymentEntry>({
  deploymentId: field(1, name),
  contentId: field(2, contentId),
  priority: field(3, u32),
  paused: optional(4, boolean),
  open: optional(5, list(interval, INTERVALS_MAX)),
  attempt: optional(6, u32),
  runAction: optional(7, boolean),
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
    machineId: field(7, name),
    witnesses: field(8, list(deviceId, 8)),
    attributes: optional(9, list(attribute, 32)),
    ports: optional(10, portMapCodec),
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
    originInBytes: field(13, integer()),
    farInBytes: field(14, list(officeBytes, 32)),
    lineBusyMs: field(15, integer()),
    cacheInBytes: field(16, integer()),
    hostedInBytes: field(17, integer()),
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
    officeKey: field(6, byteString(32, 32)),
  }),
  deployments: kind(9, {
    epoch: field(1, integer()),
    version: field(2, integer()),
    deployments: field(3, list(deployment, 4096)),
    cancelled: optional(4, list(contentId, 4096)),
    wallMs: optional(5, integer()),
  }),
  open: kind(10, { handle: field(1, u32), tag: field(2, byteString(16, 16)) }),
  holds: kind(11, {
    handle: field(1, u32),
    manifestBytes: field(2, integer(0, MANIFEST_BYTES_MAX)),
    pieces: field(3, byteString(0, 65_536)),
    resting: optional(4, boolean),
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
  claim: kind(19, {
    office: field(1, name),
    term: field(2, u32),
    everyMs: field(3, integer(1, 60_000)),
    wants: field(4, boolean),
    broughtBytes: field(5, integer()),
  }),
  mates: kind(20, { members: field(1, list(member, 64)) }),
  doubt: kind(21, { handle: field(1, u32), piece: field(2, u32) }),
  accusation: kind(22, {
    deviceId: field(1, deviceId),
    contentId: field(2, contentId),
    offence: field(3, oneOf<Offence>({ mismatch: 0, "broken-promise": 1 })),
  }),
  policy: kind(23, {
    epoch: field(1, integer()),
    version: field(2, integer()),
    origins: field(3, list(origin, 16)),
    shunned: field(4, list(deviceId, 4096)),
    keep: field(5, list(contentId, 4096)),
    reportMs: optional(6, integer(500, 60_000)),
  }),
  "manifest-wanted": kind(24, { contentId: field(1, contentId) }),
  "manifest-part": kind(25, {
    contentId: field(1, contentId),
    offsetBytes: field(2, integer(0, MANIFEST_BYTES_MAX)),
    totalBytes: field(3, integer(1, MANIFEST_BYTES_MAX)),
    data: field(4, byteString(1, 65_536)),
  }),
  "enrol-anew": kind(26, {
    request: field(1, byteString(1, 4096)),
    hostName: field(2, name),
    machineId: field(3, name),
  }),
  explain: kind(27, {
    questionId: field(1, u32),
    contentId: field(2, contentId),
    firstPiece: field(3, u32),
  }),
  explanation: kind(28, {
    questionId: field(1, u32),
    pieces: field(2, u32),
    sources: field(3, list(pieceSource, EXPLAINED_MAX)),
    reasons: field(4, list(text(REASON_LENGTH_MAX), EXPLAINED_MAX)),
    ranges: field(5, list(toldRange, RANGES_TOLD_MAX)),
    totals: field(6, list(toldTotal, EXPLAINED_MAX)),
    nextPiece: optional(7, u32),
  }),
  profile: kind(29, {
    epoch: field(1, integer()),
    version: field(2, integer()),
    values: field(3, profileInForceCodec),
  }),
  "profile-report": kind(30, {
    values: field(1, profileInForceCodec),
    problems: field(2, list(text(PROFILE_PROBLEM_LENGTH_MAX), PROFILE_PROBLEMS_MAX)),
  }),
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
