import type { ContentId, DeviceId } from "../base/ids.ts";
import type { Finding, OfficeSpec } from "../topology/office.ts";
import type { ExplanationPart, Message, Origin, OriginKind } from "../wire/messages.ts";
import type { ProfileValues } from "../wire/profile.ts";
import type { ProfileRow, ProfileTargets } from "./profile-rows.ts";
import type {
  Change,
  ContentFacts,
  ContentFile,
  FileStorageRow,
  Priority,
  Targets,
} from "./state.ts";
import type { TopologyChange } from "./topology-changes.ts";

/** What became of a request for an identity. Certificates are DER. */
export type EnrolmentOutcome =
  | {
      readonly kind: "enrolled";
      readonly certificate: Uint8Array;
      readonly authority: Uint8Array;
      readonly organisation: string;
    }
  | { readonly kind: "refused"; readonly code: string; readonly reason: string };

/** What became of a manifest that a device published. */
export type ManifestOutcome =
  | {
      readonly kind: "accepted";
      readonly facts: ContentFacts;
      readonly files: readonly ContentFile[];
    }
  | { readonly kind: "refused"; readonly code: string; readonly reason: string };

/** What an operator asks for. */
export type Command =
  /** An empty list has the topology generated from what devices report. */
  | {
      readonly kind: "replace-offices";
      readonly offices: readonly OfficeSpec[];
      /** What its history calls it; absent: an import. */
      readonly action?: "import" | "undo";
      /** Only says what it would come to. */
      readonly dryRun?: boolean;
    }
  | {
      readonly kind: "deploy";
      /** A content id, or eight or more of its first digits. */
      readonly contentId: string;
      readonly targets: Targets;
      readonly priority: Priority;
      readonly notBeforeMs?: number;
      readonly notAfterMs?: number;
      /** Weekly, as `Mon-Fri 18:00-06:00`; absent: always. */
      readonly windows?: readonly string[];
      /** Whether the content's signed action is to run; absent: it is not. */
      readonly runAction?: boolean;
    }
  /** Says something of deployments that run; of the whole where neither office nor device is named. */
  | {
      readonly kind: "steer";
      readonly deploymentId?: string;
      /** In place of a deployment: all that bring this content. */
      readonly contentId?: string;
      /** With all offices below it. */
      readonly office?: string;
      readonly deviceId?: string;
      readonly order:
        | { readonly kind: "pause" | "resume" | "cancel" | "retry" }
        | {
            readonly kind: "priority";
            readonly priority: Priority;
            /** Absent: it keeps its place among equals. */
            readonly place?: "first" | "last";
          };
    }
  | {
      readonly kind: "change-group";
      readonly name: string;
      /** Absent: there is such a group already. */
      readonly create?: boolean;
      readonly add?: readonly string[];
      readonly remove?: readonly string[];
    }
  | { readonly kind: "remove-group"; readonly name: string }
  | {
      readonly kind: "add-origin";
      /** Absent: an HTTP(S) address is a CDN, a directory is file storage. */
      readonly originKind?: OriginKind;
      readonly location: string;
    }
  | { readonly kind: "remove-origin"; readonly location: string }
  | {
      readonly kind: "create-profile" | "change-profile";
      readonly name: string;
      /** All that it sets from now on. */
      readonly values: ProfileValues;
      /** Absent: behind all others, or as it was. */
      readonly order?: number;
    }
  | {
      readonly kind: "publish-profile";
      readonly name: string;
      readonly add?: Partial<ProfileTargets>;
      readonly remove?: Partial<ProfileTargets>;
      /** Whether it is to be published nowhere. */
      readonly everywhere?: boolean;
    }
  | { readonly kind: "remove-profile"; readonly name: string }
  /** Says where packages are kept; it has been tried. Without a storage: nowhere. */
  | {
      readonly kind: "set-file-storage";
      readonly storage?: Omit<FileStorageRow, "configuredAtMs">;
    }
  /** Takes in a content whose package has been brought into the file storage. */
  | {
      readonly kind: "publish-content";
      readonly facts: ContentFacts;
      readonly files: readonly ContentFile[];
      /** Signed, as it travels. */
      readonly manifest: Uint8Array;
    }
  /** Trusts a shunned device again, and forgets what was said against it. */
  | { readonly kind: "pardon"; readonly deviceId: string }
  /** Forgets what operators did before a time: so many rows, the oldest from then. */
  | {
      readonly kind: "trim-audit";
      readonly beforeMs: number;
      readonly rows: number;
      readonly oldestMs: number;
    }
  /** Leaves an audit row for a change that was made outside the coordinator. */
  | {
      readonly kind: "record";
      readonly action: OutsideAction;
      readonly subject: string;
      readonly before?: unknown;
      readonly after?: unknown;
    };

/** What operators change that the coordinator knows nothing of: who may ask, and who is told. */
export type OutsideAction =
  | "create-token"
  | "revoke-token"
  | "add-webhook"
  | "remove-webhook"
  | "regenerate-security-key";

/** What an operator is told. */
export type Answer =
  /** The findings are warnings: the topology is in force. */
  | ({ readonly kind: "offices-replaced" } & TopologyChange)
  | { readonly kind: "deployed"; readonly deploymentId: string }
  | {
      readonly kind: "steered";
      readonly deployments: readonly string[];
      /** Of how many of them anything is otherwise than before. */
      readonly changed: number;
      /** For how many devices it counts, and how many of them the server reaches now. */
      readonly devices: number;
      readonly reached: number;
    }
  | {
      readonly kind: "group-changed";
      readonly name: string;
      readonly devices: number;
      readonly present: number;
    }
  | { readonly kind: "origins-changed"; readonly origins: readonly Origin[] }
  | {
      readonly kind: "profile-changed";
      readonly profile: ProfileRow;
      /** For how many devices it sets anything, and how many of them the server reaches now. */
      readonly devices: number;
      readonly present: number;
    }
  | { readonly kind: "file-storage-changed"; readonly storage?: FileStorageRow }
  | { readonly kind: "content-published" }
  | { readonly kind: "pardoned" }
  | { readonly kind: "audit-trimmed" }
  | { readonly kind: "recorded" }
  | { readonly kind: "explained"; readonly part: ExplanationPart }
  /** A device did not answer a question: it is not there, it went, it was too slow, or too busy. */
  | { readonly kind: "unexplained"; readonly why: "away" | "silent" | "busy" }
  | {
      readonly kind: "refused";
      readonly code: RefusalCode;
      readonly reason: string;
      readonly findings: readonly Finding[];
    };

/** Why an operator's command is refused. */
export type RefusalCode =
  | "bad-topology"
  | "content-unknown"
  | "content-ambiguous"
  | "no-targets"
  | "office-unknown"
  | "device-unknown"
  | "too-many-deployments"
  | "deployment-unknown"
  | "deployment-over"
  | "bad-scope"
  | "too-many-directives"
  | "bad-condition"
  | "bad-window"
  | "bad-time-span"
  | "group-unknown"
  | "group-exists"
  | "group-in-use"
  | "group-too-large"
  | "too-many-groups"
  | "bad-group-name"
  | "origin-malformed"
  | "origin-duplicate"
  | "origin-unknown"
  | "too-many-origins"
  | "profile-unknown"
  | "profile-exists"
  | "profile-in-use"
  | "bad-profile-name"
  | "bad-profile-value"
  | "hosted-cache-missing"
  | "too-many-profiles"
  | "too-many-targets"
  | "storage-not-configured";

/** The answer to a command that is not carried out. */
export function refused(
  code: RefusalCode,
  reason: string,
  findings: readonly Finding[] = [],
): Extract<Answer, { kind: "refused" }> {
  return { kind: "refused", code, reason, findings };
}

/** What the world tells the coordinator. An association keeps its number until it is down. */
export type CoordinatorInput =
  /** A device has shown its certificate, and its association is up. */
  | {
      readonly kind: "device-up";
      readonly association: number;
      readonly deviceId: DeviceId;
      /** Its address as the server sees it. */
      readonly host: string;
    }
  /** A device is heard from another address. Its office is judged when it registers again. */
  | { readonly kind: "device-moved"; readonly association: number; readonly host: string }
  /** An association is gone: of a device, or of somebody without a certificate. */
  | { readonly kind: "device-down"; readonly association: number }
  | {
      readonly kind: "message";
      readonly association: number;
      readonly deviceId: DeviceId;
      readonly message: Message;
    }
  /** Somebody without a certificate says something. */
  | {
      readonly kind: "stranger-message";
      readonly association: number;
      readonly host: string;
      readonly message: Message;
    }
  /** Answers `requestEnrolment`, always. */
  | {
      readonly kind: "enrolment-decided";
      readonly association: number;
      readonly outcome: EnrolmentOutcome;
    }
  /** Answers `judgeManifest`, always. */
  | {
      readonly kind: "manifest-judged";
      readonly association: number;
      readonly contentId: ContentId;
      readonly outcome: ManifestOutcome;
    }
  /** Answers `readManifest`, always; without a manifest where there is none. */
  | {
      readonly kind: "manifest-read";
      readonly association: number;
      readonly contentId: ContentId;
      readonly manifest?: Uint8Array;
    }
  | {
      readonly kind: "command";
      readonly requestNumber: number;
      readonly command: Command;
      /** Who gives it; absent: somebody at the server itself. */
      readonly by?: string;
    }
  /** An operator wants to know of a device why the pieces of a content came from where they came. */
  | ({ readonly kind: "question"; readonly requestNumber: number } & Question)
  /** What the wall clock says now; said at least each minute, because it may jump. */
  | { readonly kind: "wall-clock"; readonly wallMs: number }
  | { readonly kind: "timer" };

/** What a device is asked: of which content, from which piece on. */
export type Question = {
  readonly deviceId: string;
  readonly contentId: ContentId;
  /** What came before this piece is known already. */
  readonly firstPiece: number;
};

/** Somebody who asks for an identity, and the id it will have. */
export type EnrolmentRequest = {
  readonly deviceId: DeviceId;
  /** Absent where the certificate of the association speaks for it (EN14). */
  readonly securityKey?: string;
  /** PKCS #10, DER. */
  readonly request: Uint8Array;
  readonly hostName: string;
  readonly machineId: string;
  readonly host: string;
};

/** Something that an operator may want to find in the log: its name, and what there is to say. */
export type Note = {
  readonly level: "info" | "warn";
  readonly event: string;
  readonly fields: Readonly<Record<string, string | number>>;
};

/**
 * What the coordinator may ask of the world.
 *
 * The changes of a step are made durable, in one transaction, before anything else of that step
 * leaves the machine: what has been said is never forgotten.
 */
export type CoordinatorOutbox = {
  persist(change: Change): void;

  send(association: number, message: Message): void;

  /** Closes an association after what has been sent over it. `reason` is for the operator. */
  close(association: number, code: number, reason: string): void;

  /** Checks the security key and the request, and issues the certificate. */
  requestEnrolment(association: number, request: EnrolmentRequest): void;

  /** Checks a signed manifest: its form, its id, its publisher's signature. */
  judgeManifest(association: number, contentId: ContentId, manifest: Uint8Array): void;

  /** Reads the signed manifest of a published content. */
  readManifest(association: number, contentId: ContentId): void;

  answer(requestNumber: number, answer: Answer): void;

  note(note: Note): void;
};

/** Why the coordinator closes an association; numbers are part of the protocol. */
export const CLOSE_CODES = {
  /** The device has connected anew, and its old association serves no more. */
  replaced: 256,
  /** The certificate is good, but the server does not know the device. */
  unknownDevice: 257,
  /** The device's version is older than the server works with. */
  versionTooOld: 258,
  /** The device's version is newer than the server works with. */
  versionTooNew: 259,
} as const;
