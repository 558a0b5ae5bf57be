import type { ContentId, DeviceId } from "../base/ids.ts";
import type { OfficeSpec } from "../topology/office.ts";
import type {
  Attribute,
  ContentState,
  Facts,
  Offence,
  OfficeBytes,
  Origin,
} from "../wire/messages.ts";
import type { PortMap } from "../wire/profile.ts";
import type { ProfileReportRow, ProfileRow } from "./profile-rows.ts";

/** An enrolled device. Times are milliseconds since 1970. */
export type DeviceRow = {
  readonly deviceId: DeviceId;
  readonly hostName: string;
  /** Names the machine, so that a cloned disk can be told from its original. */
  readonly machineId: string;
  readonly office: string;
  /** Under which addresses it can be reached, the best first; empty until it has registered. */
  readonly hosts: readonly string[];
  /** The address under which the server last saw it. */
  readonly seenHost: string;
  readonly portOffset: number;
  /** On which ports it listens, where the table and `portOffset` do not say it. */
  readonly ports?: PortMap;
  readonly facts: Facts;
  /** What else the machine says that it is. */
  readonly attributes: readonly Attribute[];
  readonly productVersion: string;
  readonly enrolledAtMs: number;
  readonly lastSeenAtMs: number;
  /** Since when nobody takes pieces from it any more (row B20); absent where it is trusted. */
  readonly shunnedAtMs?: number;
  /** When its identity was taken back, because two machines had it; absent where it is good. */
  readonly retiredAtMs?: number;
};

/** One file of a published content. */
export type ContentFile = {
  readonly path: string;
  readonly sizeBytes: number;
  readonly mode: number;
  /** Hexadecimal digits. */
  readonly sha256: string;
};

/** What a manifest says that the server needs again and again. */
export type ContentFacts = {
  readonly contentId: ContentId;
  readonly name: string;
  readonly version: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly pieces: number;
  readonly files: number;
  /** The publisher's public key in hexadecimal digits. */
  readonly publisher: string;
  readonly publisherName: string;
  /** SHA-256 of the complete transfer in hexadecimal digits. */
  readonly sha256: string;
};

/** A published content. */
export type ContentRow = ContentFacts & {
  readonly publishedAtMs: number;
  /** The device that brought it; absent where it was uploaded into the file storage. */
  readonly publishedBy?: DeviceId;
};

/** How urgent a deployment is. */
export type Priority = "high" | "medium" | "low";

/**
 * Who is to have a content: devices that any of the names holds, and of them those that satisfy all
 * conditions. It is a rule: it holds for devices too that come later.
 */
export type Targets = {
  readonly all?: true;
  /** Without their child offices. */
  readonly offices?: readonly string[];
  /** With all offices below them. */
  readonly officeTrees?: readonly string[];
  readonly groups?: readonly string[];
  readonly devices?: readonly string[];
  /** Conditions such as `os=windows`; alone they are for all devices. */
  readonly where?: readonly string[];
};

/** Whom a word about a deployment concerns: an office with those below it, a device, or everyone. */
export type Scope = { readonly office?: string; readonly deviceId?: string };

/** What operators say of a deployment while it runs. */
export type Directive = Scope &
  (
    | { readonly kind: "pause" | "resume" | "cancel" }
    | { readonly kind: "priority"; readonly priority: Priority }
    /** Has what has failed tried again; rises with each time. */
    | { readonly kind: "retry"; readonly attempt: number }
  );

/** When a content may be fetched. */
export type Schedule = {
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  /** Weekly, in the time zone of each device's office, as an operator wrote them; empty: always. */
  readonly windows: readonly string[];
};

/** A content that devices are to have. */
export type DeploymentRow = Schedule & {
  readonly deploymentId: string;
  readonly contentId: ContentId;
  readonly targets: Targets;
  readonly priority: Priority;
  /** Of deployments with one priority the lower place is served first. */
  readonly place: number;
  /** Whether the content's signed action is to run where it is complete. */
  readonly runAction: boolean;
  /** What operators have said of it since, in order. */
  readonly directives: readonly Directive[];
  /** From 1; rises with everything that operators change of it. */
  readonly revision: number;
  readonly createdAtMs: number;
  /** When all target devices that were enrolled had it for the first time. */
  readonly finishedAtMs?: number;
  /** When it was cancelled as a whole; it is for nobody from then on. */
  readonly cancelledAtMs?: number;
};

/** A named set of devices. */
export type GroupRow = { readonly name: string; readonly devices: readonly string[] };

/** What an operator did. Rows are added, and never changed. */
export type AuditRow = {
  /** The start of the server, and the number of the row since: together they say the order. */
  readonly epoch: number;
  readonly number: number;
  readonly atMs: number;
  /** `local` at the server itself. */
  readonly who: string;
  /** A stable word, such as `deployment-pause`. */
  readonly action: string;
  /** What it was done to. */
  readonly subject: string;
  /** JSON; empty where there was nothing. */
  readonly before: string;
  readonly after: string;
};

/** Bytes of pieces that a device has moved for a content, by link. */
export type Counters = {
  readonly wanInBytes: number;
  readonly lanInBytes: number;
  readonly wanOutBytes: number;
  readonly lanOutBytes: number;
  /** From the CDN or file storage. */
  readonly originInBytes: number;
  /** What other contents in the device's own cache had already: it crossed nothing (row D6). */
  readonly cacheInBytes: number;
  /** From a hosted cache. */
  readonly hostedInBytes: number;
};

/** Where a device stands with a content. */
export type ProgressRow = {
  readonly contentId: ContentId;
  readonly deviceId: DeviceId;
  /** The start of the device that `current` counts from. */
  readonly bootId: number;
  readonly state: ContentState;
  readonly pieces: number;
  readonly piecesHeld: number;
  readonly heldBytes: number;
  /** Everything from before that start. */
  readonly base: Counters;
  readonly current: Counters;
  /** What of the bytes over the line since that start came from offices above the parent. */
  readonly farInBytes: readonly OfficeBytes[];
  /** The office that the device was in when it reported this. */
  readonly office: string;
  readonly rvp: boolean;
  /** What is wrong and how to mend it; empty where nothing is. */
  readonly problem: string;
  /** Since when its pieces have been held back because others use the line; not kept over a restart. */
  readonly lineBusySinceMs?: number;
  readonly updatedAtMs: number;
};

/** The offices as they were entered, or as they have been generated so far. */
export type OfficesState = {
  readonly generated: boolean;
  readonly offices: readonly OfficeSpec[];
};

/** How many offices and devices a change of the topology concerns. */
export type TopologySummary = {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** Devices that are in another office than before. */
  readonly moved: number;
};

/** A change of the topology that an operator made, and what was before it. */
export type TopologyChangeRow = {
  readonly atMs: number;
  readonly who: string;
  readonly action: "import" | "undo";
  readonly summary: TopologySummary;
  readonly before: OfficesState;
};

/** What has come into an office of one content, over all time (row D3). Bytes are of pieces. */
export type LedgerRow = {
  readonly contentId: ContentId;
  readonly office: string;
  /** Over the link from the parent office: for its own devices and for the offices below it. */
  readonly wanBytes: number;
  /** Between devices of the office. */
  readonly lanBytes: number;
  /** From the CDN or file storage. */
  readonly originBytes: number;
  /** How many devices have reported about the content while they were in the office. */
  readonly devices: number;
};

/** What one device says against another (row B20); of each pair the newest is kept. */
export type AccusationRow = {
  readonly reporter: DeviceId;
  readonly accused: DeviceId;
  readonly contentId: ContentId;
  readonly offence: Offence;
  readonly atMs: number;
};

/** Where packages are kept (row A4), without secrets. */
export type FileStorageRow = {
  /** Drawn anew each time that it is configured: what lies elsewhere for it names it by this. */
  readonly storageId: string;
  readonly kind: FileStorageKind;
  /** As an operator writes and reads it: a path, or an address without a password. */
  readonly location: string;
  /** What else the kind needs, by name. */
  readonly details: Readonly<Record<string, string>>;
  readonly configuredAtMs: number;
};

/** What a file storage may be. */
export type FileStorageKind = "directory" | "s3" | "database";

/** Everything of the server that survives a restart and that its brain needs. */
export type CoordinatorState = {
  /** Greater at each start than at the one before: what the server says is numbered by it. */
  readonly epoch: number;
  readonly devices: readonly DeviceRow[];
  readonly contents: readonly ContentRow[];
  readonly offices: OfficesState;
  readonly deployments: readonly DeploymentRow[];
  readonly progress: readonly ProgressRow[];
  /** By the name of the office: what its devices recognise each other by. 32 bytes each. */
  readonly officeKeys: ReadonlyMap<string, Uint8Array>;
  readonly origins: readonly Origin[];
  readonly ledger: readonly LedgerRow[];
  readonly accusations: readonly AccusationRow[];
  readonly groups: readonly GroupRow[];
  readonly profiles: readonly ProfileRow[];
  readonly profileReports: readonly ProfileReportRow[];
  /** Absent: none is configured. */
  readonly fileStorage?: FileStorageRow;
};

/** A change of what survives. All changes of one step are made together or not at all. */
export type Change =
  /** Adds a device, or replaces the row of its id. */
  | { readonly kind: "device-put"; readonly device: DeviceRow }
  | {
      readonly kind: "content-add";
      readonly content: ContentRow;
      readonly files: readonly ContentFile[];
      /** Signed, as it travels. */
      readonly manifest: Uint8Array;
    }
  | {
      readonly kind: "offices-replace";
      readonly offices: OfficesState;
      readonly officeKeys: ReadonlyMap<string, Uint8Array>;
    }
  /** Adds a row, or replaces the one of its id. */
  | { readonly kind: "deployment-put"; readonly deployment: DeploymentRow }
  /** Adds a row, or replaces the one of its name. */
  | { readonly kind: "group-put"; readonly group: GroupRow }
  | { readonly kind: "group-remove"; readonly name: string }
  /** Adds a row, or replaces the one of its name. */
  | { readonly kind: "profile-put"; readonly profile: ProfileRow }
  | { readonly kind: "profile-remove"; readonly name: string }
  /** Adds a row, or replaces the one of its device. */
  | { readonly kind: "profile-report-put"; readonly report: ProfileReportRow }
  | { readonly kind: "audit-add"; readonly row: AuditRow }
  /** Removes the rows of what operators did before a time, in milliseconds since 1970. */
  | { readonly kind: "audit-trim"; readonly beforeMs: number }
  /** Adds a row, or replaces the one of its content and device. */
  | { readonly kind: "progress-put"; readonly progress: ProgressRow }
  /** Adds a row, or replaces the one of its content and office. */
  | { readonly kind: "ledger-put"; readonly row: LedgerRow }
  | { readonly kind: "topology-change-add"; readonly row: TopologyChangeRow }
  | { readonly kind: "origins-replace"; readonly origins: readonly Origin[] }
  /** Without a storage: none is configured any more. */
  | { readonly kind: "file-storage-set"; readonly storage?: FileStorageRow }
  /** Adds a row, or replaces the one of its pair of devices. */
  | { readonly kind: "accusation-put"; readonly accusation: AccusationRow }
  | {
      readonly kind: "accusation-remove";
      readonly reporter: DeviceId;
      readonly accused: DeviceId;
    };

/** What a server has before anything has happened. */
export function emptyState(epoch: number): CoordinatorState {
  return {
    epoch,
    devices: [],
    contents: [],
    offices: { generated: true, offices: [] },
    deployments: [],
    progress: [],
    officeKeys: new Map(),
    origins: [],
    ledger: [],
    accusations: [],
    groups: [],
    profiles: [],
    profileReports: [],
  };
}

/** A device of which nothing has been counted. */
export const NO_BYTES: Counters = {
  wanInBytes: 0,
  lanInBytes: 0,
  wanOutBytes: 0,
  lanOutBytes: 0,
  originInBytes: 0,
  cacheInBytes: 0,
  hostedInBytes: 0,
};

/** The bytes of a device over all its restarts. */
export function totalOf({ base, current }: Pick<ProgressRow, "base" | "current">): Counters {
  return {
    wanInBytes: add(base.wanInBytes, current.wanInBytes),
    lanInBytes: add(base.lanInBytes, current.lanInBytes),
    wanOutBytes: add(base.wanOutBytes, current.wanOutBytes),
    lanOutBytes: add(base.lanOutBytes, current.lanOutBytes),
    originInBytes: add(base.originInBytes, current.originInBytes),
    cacheInBytes: add(base.cacheInBytes, current.cacheInBytes),
    hostedInBytes: add(base.hostedInBytes, current.hostedInBytes),
  };
}

/** Adds counts that devices report, which may be anything: the sum stays a safe integer. */
export function add(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER);
}
