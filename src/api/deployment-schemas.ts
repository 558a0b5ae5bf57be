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
  PriorityWord,
} from "./common.ts";
import { exact } from "./route.ts";

const OfficeName = Type.String({ maxLength: 256 });

/** The name of a group of devices. */
export const GroupName = Type.String({ minLength: 1, maxLength: 64 });

/** The id of a deployment. */
export const DeploymentIdText = Type.String({ minLength: 1, maxLength: 64 });

/** A weekly window, such as `Mon-Fri 18:00-06:00`. */
const WindowText = Type.String({ maxLength: 64 });

/**
 * Who is to have a content: devices that any of the names holds, and of them those that satisfy all
 * conditions. It is a rule: it holds for devices too that come later.
 */
export const Targets = exact({
  all: Type.Optional(Type.Literal(true)),
  /** Without their child offices. */
  offices: Type.Optional(Type.Array(OfficeName, { maxItems: 4096 })),
  /** With all offices below them. */
  officeTrees: Type.Optional(Type.Array(OfficeName, { maxItems: 4096 })),
  groups: Type.Optional(Type.Array(GroupName, { maxItems: 1024 })),
  devices: Type.Optional(Type.Array(DeviceIdText, { maxItems: 4096 })),
  /** Such as `os=windows`, `name=lab-*` or `chassis!=laptop`; alone they are for all devices. */
  where: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 32 })),
});

const scheduleFields = {
  /** Nothing is fetched before. */
  notBeforeMs: Type.Optional(AtMs),
  /** Nothing is fetched from then on. */
  notAfterMs: Type.Optional(AtMs),
};

/** A deployment to be made. */
export const DeploymentInput = exact({
  contentId: ContentIdPrefix,
  targets: Targets,
  priority: Type.Optional(PriorityWord),
  ...scheduleFields,
  /** Weekly, in the time zone of each device's office; without any it is open always. */
  windows: Type.Optional(Type.Array(WindowText, { maxItems: 8 })),
  /** Whether the content's signed action is to run where it is complete; by default it is not. */
  runAction: Type.Optional(Type.Boolean()),
});

/** What an operator says of deployments that run: of one, or of all that bring a content. */
export const SteeringInput = exact({
  deploymentId: Type.Optional(DeploymentIdText),
  contentId: Type.Optional(ContentIdPrefix),
  /** For the devices of an office and of those below it alone. */
  office: Type.Optional(OfficeName),
  /** For one device alone. */
  deviceId: Type.Optional(DeviceIdText),
  order: Type.Union([
    exact({
      kind: Type.Union([
        Type.Literal("pause"),
        Type.Literal("resume"),
        Type.Literal("cancel"),
        /** What has failed is tried again at once. */
        Type.Literal("retry"),
      ]),
    }),
    exact({
      kind: Type.Literal("priority"),
      priority: PriorityWord,
      /** Before or behind all others of that priority; absent: it keeps its place. */
      place: Type.Optional(Type.Union([Type.Literal("first"), Type.Literal("last")])),
    }),
  ]),
});

/** What became of it. */
export const SteeringResult = exact({
  deployments: Type.Array(DeploymentIdText),
  /** Of how many of them anything is otherwise than before. */
  changed: Count,
  /** For how many devices it counts. */
  devices: Count,
  /** How many of them are told now; the others are when they are back. */
  reached: Count,
});

/** What operators have said of a deployment, or of a part of it, since it began. */
const DirectiveView = exact({
  kind: Type.Union([
    Type.Literal("pause"),
    Type.Literal("resume"),
    Type.Literal("cancel"),
    Type.Literal("priority"),
    Type.Literal("retry"),
  ]),
  office: Type.Optional(Type.String()),
  deviceId: Type.Optional(Type.String()),
  priority: Type.Optional(PriorityWord),
  attempt: Type.Optional(Count),
});

const deploymentFields = {
  deploymentId: Type.String(),
  contentId: ContentIdText,
  name: Type.String(),
  version: Type.String(),
  targets: Targets,
  priority: PriorityWord,
  /** Of deployments with one priority the lower place is served first. */
  place: Type.Integer(),
  /** Rises with everything that operators change of it: what `If-Match` is about. */
  revision: Type.Integer({ minimum: 1 }),
  ...scheduleFields,
  windows: Type.Array(Type.String()),
  runAction: Type.Boolean(),
  directives: Type.Array(DirectiveView),
  createdAtMs: AtMs,
  finishedAtMs: Type.Optional(AtMs),
  /** When it was cancelled as a whole. */
  cancelledAtMs: Type.Optional(AtMs),
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
  /** Whether it may fetch the content now, and why not. */
  standing: exact({
    kind: Type.Union([
      Type.Literal("active"),
      Type.Literal("paused"),
      Type.Literal("closed"),
      Type.Literal("cancelled"),
    ]),
    priority: PriorityWord,
    /** Empty where it may. */
    why: Type.String(),
    /** When it may next; absent where it may now, or nobody knows. */
    opensAtMs: Type.Optional(AtMs),
  }),
  pieces: Count,
  piecesHeld: Count,
  heldBytes: Count,
  ...ByteCounters,
  /** Bytes of pieces that came from the CDN or file storage. */
  originInBytes: Count,
  /** What other contents in its own cache had already, and from hosted caches. */
  cacheInBytes: Count,
  hostedInBytes: Count,
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

/** A named set of devices. */
export const GroupView = exact({ name: Type.String(), devices: Type.Array(DeviceIdText) });

/** A group to be made. */
export const GroupInput = exact({
  name: GroupName,
  devices: Type.Optional(Type.Array(DeviceIdText, { maxItems: 16_384 })),
});

/** Who comes into a group, and who leaves it. */
export const GroupChange = exact({
  add: Type.Optional(Type.Array(DeviceIdText, { maxItems: 16_384 })),
  remove: Type.Optional(Type.Array(DeviceIdText, { maxItems: 16_384 })),
});

/** How many devices a group has now, and how many of them the server hears from. */
export const GroupResult = exact({ name: Type.String(), devices: Count, present: Count });

/** Something that an operator did. */
export const AuditView = exact({
  /** Names the row; the next page begins behind it. */
  id: Type.String(),
  atMs: AtMs,
  /** `local` at the server itself, else the token. */
  who: Type.String(),
  action: Type.String(),
  subject: Type.String(),
  /** JSON; empty where there was nothing. */
  before: Type.String(),
  after: Type.String(),
});

export type Targets = Static<typeof Targets>;
export type DeploymentInput = Static<typeof DeploymentInput>;
export type DeploymentView = Static<typeof DeploymentView>;
export type DeploymentDevice = Static<typeof DeploymentDevice>;
export type DeploymentOffice = Static<typeof DeploymentOffice>;
export type DeploymentDetail = Static<typeof DeploymentDetail>;
export type SteeringInput = Static<typeof SteeringInput>;
export type SteeringResult = Static<typeof SteeringResult>;
export type GroupView = Static<typeof GroupView>;
export type AuditView = Static<typeof AuditView>;
