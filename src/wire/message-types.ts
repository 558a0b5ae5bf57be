import type { ContentId, DeviceId } from "../base/ids.ts";
import type { PortMap, ProfileInForce } from "./profile.ts";

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
  /** Names the machine: two machines with one device id are clones of one disk. */
  readonly machineId: string;
  /** Devices that have answered on the device's own LAN, as proof of which office it is in. */
  readonly witnesses: readonly DeviceId[];
  /** What else the machine is, for deployments that go by it; of each name at most one. */
  readonly attributes?: readonly Attribute[];
  /** On which ports it listens, where that is otherwise than the table and `portOffset` say. */
  readonly ports?: PortMap;
};

/** What a machine is in one respect, as `os` and `linux`. */
export type Attribute = { readonly name: string; readonly value: string };

/** Bytes of pieces that came from devices of one office. */
export type OfficeBytes = { readonly office: string; readonly bytes: number };

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
  /** From the CDN or file storage; not among `wanInBytes`. */
  readonly originInBytes: number;
  /** What of `wanInBytes` came from offices above the parent office. */
  readonly farInBytes: readonly OfficeBytes[];
  /** Whether the device fetches for its office. */
  readonly rvp: boolean;
  /** What is wrong and how to mend it; empty where nothing is. */
  readonly problem: string;
  /** For how long its pieces have been held back because others use the line; 0 where they are not. */
  readonly lineBusyMs: number;
  /** What was taken from other contents in the device's own cache, and crossed nothing. */
  readonly cacheInBytes: number;
  /** From a hosted cache. */
  readonly hostedInBytes: number;
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
  /** CIDRs and ranges; for the device's own office alone, else empty. */
  readonly subnets: readonly string[];
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
  /** On which ports it listens, where that is otherwise than the table and `portOffset` say. */
  readonly ports?: PortMap;
};

/** Who and where everyone is, as far as this device needs it; replaces all that was said before. */
export type Directory = {
  readonly kind: "directory";
  readonly epoch: number;
  readonly version: number;
  /** The office of the device that this is sent to. */
  readonly office: string;
  /** From that office up to the Central Office. */
  readonly offices: readonly OfficeEntry[];
  /** Of that office, its parent, and in smaller numbers of the offices above. */
  readonly members: readonly MemberEntry[];
  /** Known to the office's devices alone: with it they recognise each other on the LAN. */
  readonly officeKey: Uint8Array;
};

/** Where packages can be had when no device has them (row B12). */
export type Origin = {
  readonly kind: OriginKind;
  /** An HTTP(S) address, or a directory that the device can read. */
  readonly location: string;
};

/** The CDN is asked before file storage. */
export type OriginKind = "cdn" | "storage";

/** What a device is to do and to leave; replaces all that was said before. */
export type Policy = {
  readonly kind: "policy";
  readonly epoch: number;
  readonly version: number;
  /** In the order in which they are asked. */
  readonly origins: readonly Origin[];
  /** Devices that the organisation does not take pieces from any more. */
  readonly shunned: readonly DeviceId[];
  /** Contents of which this device holds the office's copy for active deployments: not evicted. */
  readonly keep: readonly ContentId[];
  /** The least time between two reports of progress, in milliseconds; 500 where it is absent. */
  readonly reportMs?: number;
};

/** The values of profiles that are for this device; replaces all that was said before. */
export type ProfileWord = {
  readonly kind: "profile";
  readonly epoch: number;
  readonly version: number;
  readonly values: ProfileInForce;
};

/** Which values are in force on a device, who set each, and what hinders it from taking others. */
export type ProfileReport = {
  readonly kind: "profile-report";
  readonly values: ProfileInForce;
  /** Sentences for the operator. */
  readonly problems: readonly string[];
};

/** A stretch of time in milliseconds since 1970; its end is no part of it. */
export type Interval = { readonly fromMs: number; readonly toMs: number };

/** A content that a device is to have. */
export type DeploymentEntry = {
  readonly deploymentId: string;
  readonly contentId: ContentId;
  /** Lower is served first. Multiples of {@link PRIORITY_STEP} are classes, below them is order. */
  readonly priority: number;
  /** Whether nothing more may be fetched until the server says otherwise. */
  readonly paused?: boolean;
  /** When it may be fetched, in order; absent: at any time. */
  readonly open?: readonly Interval[];
  /** Rises when an operator wants what has failed tried again. */
  readonly attempt?: number;
  /** Whether the content's signed action is to run once it is complete. */
  readonly runAction?: boolean;
};

/** All that a device is to have; replaces all that was said before. */
export type Deployments = {
  readonly kind: "deployments";
  readonly epoch: number;
  readonly version: number;
  readonly deployments: readonly DeploymentEntry[];
  /** Contents of deployments that were cancelled: what is unfinished of them is let go of. */
  readonly cancelled?: readonly ContentId[];
  /** The server's wall clock, in milliseconds since 1970. */
  readonly wallMs?: number;
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
  /** Whether it fetches nothing of what it lacks now: nobody is to wait for it. */
  readonly resting?: boolean;
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

/**
 * A device says that it fetches for its office; repeated at least every `everyMs`.
 *
 * Of two claims the one with the greater term holds, and of equal terms that of the better
 * candidate.
 */
export type Claim = {
  readonly kind: "claim";
  readonly office: string;
  readonly term: number;
  readonly everyMs: number;
  /** Whether there is anything that it would fetch over the line now. */
  readonly wants: boolean;
  /** Bytes of pieces that it has brought into the office since its start. */
  readonly broughtBytes: number;
};

/** Devices that the sender is linked up with, for peers that the server does not tell of them. */
export type Mates = { readonly kind: "mates"; readonly members: readonly MemberEntry[] };

/** A piece that the receiver sent did not verify: it is asked to hash its own copy again. */
export type Doubt = { readonly kind: "doubt"; readonly handle: number; readonly piece: number };

/** What a device may say against another. */
export type Offence = "mismatch" | "broken-promise";

/** A device reports another to the server: it sends wrong pieces, or does not have what it offers. */
export type Accusation = {
  readonly kind: "accusation";
  readonly deviceId: DeviceId;
  readonly contentId: ContentId;
  readonly offence: Offence;
};

/** A device asks the server for a manifest that no device it reaches has. */
export type ManifestWanted = { readonly kind: "manifest-wanted"; readonly contentId: ContentId };

/** A part of a signed manifest that the server sends a device, in order. */
export type ManifestPart = {
  readonly kind: "manifest-part";
  readonly contentId: ContentId;
  readonly offsetBytes: number;
  readonly totalBytes: number;
  readonly data: Uint8Array;
};

/**
 * A device whose identity another machine has too asks for one of its own, with the certificate that
 * both have; `enrolled` answers.
 */
export type EnrolAnew = {
  readonly kind: "enrol-anew";
  /** PKCS #10, DER, of a fresh key. */
  readonly request: Uint8Array;
  readonly hostName: string;
  readonly machineId: string;
};

/** What kind of source a piece came from. */
export type PieceSourceKind = "own-cache" | "office-device" | "far-device" | "origin" | "unknown";

/** Where a piece came from (row D4). What does not apply is absent. */
export type PieceSource = {
  readonly kind: PieceSourceKind;
  readonly deviceId?: string;
  /** The address that the device had. */
  readonly host?: string;
  /** The device's office. */
  readonly office?: string;
  /** The address or directory of an origin. */
  readonly location?: string;
};

/** The server asks a device why the pieces of a content came from where they came. */
export type Explain = {
  readonly kind: "explain";
  /** The answer repeats it. */
  readonly questionId: number;
  readonly contentId: ContentId;
  /** What came before this piece has been told. */
  readonly firstPiece: number;
};

/** Pieces that came from one source for one reason; both ends are part of the range. */
export type ToldRange = {
  readonly first: number;
  readonly last: number;
  /** Index in `sources`, and in `reasons`. */
  readonly source: number;
  readonly reason: number;
};

/** What came from one source. */
export type ToldTotal = {
  /** Index in `sources`. */
  readonly source: number;
  readonly pieces: number;
  readonly bytes: number;
};

/** Answers `explain`. Sources and reasons are told once, ranges name them by their places. */
export type ExplanationPart = {
  readonly kind: "explanation";
  readonly questionId: number;
  /** How many the content has; 0 where the device knows nothing of it. */
  readonly pieces: number;
  readonly sources: readonly PieceSource[];
  readonly reasons: readonly string[];
  /** In the order of the pieces; those that are not held are in none. */
  readonly ranges: readonly ToldRange[];
  /** Of the whole content, whatever piece the answer begins with. */
  readonly totals: readonly ToldTotal[];
  /** Where the rest begins; absent where there is none. */
  readonly nextPiece?: number;
};

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
  | Renewed
  | Claim
  | Mates
  | Doubt
  | Accusation
  | Policy
  | ManifestWanted
  | ManifestPart
  | EnrolAnew
  | ProfileWord
  | Explain
  | ExplanationPart
  | ProfileWord
  | ProfileReport;
