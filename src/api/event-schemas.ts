import { type Static, Type } from "typebox";
import { AtMs, ContentIdText, Count } from "./common.ts";
import { DeploymentView } from "./deployment-schemas.ts";
import { ProfileName, ProfileView } from "./profile-schemas.ts";
import { exact } from "./route.ts";
import { ContentView, DeviceView, LedgerEntry } from "./server-schemas.ts";

/** What events are about. */
export const EVENT_TOPICS = [
  "deployments",
  "devices",
  "offices",
  "contents",
  "ledger",
  "profiles",
] as const;

/**
 * What happens once, and is told to webhooks too. Beside these a stream has `…changed`, which says how
 * something stands now, and of several changes within a moment only the last. That of a profile is
 * an administrator's doing, and each one counts.
 */
export const MILESTONES = [
  "deployment.created",
  "deployment.finished",
  "content.published",
  "offices.replaced",
  "device.enrolled",
  "device.shunned",
  "device.retired",
  "ledger.alarm",
  "profile.changed",
  "profile.removed",
] as const;

/** A kind of event. */
export const EventKind = Type.Enum([
  ...MILESTONES,
  "deployment.changed",
  "device.changed",
  "devices.changed",
  "ledger.changed",
]);

/** A kind of event that webhooks are told. */
export const MilestoneKind = Type.Enum([...MILESTONES]);

/** One event, as it stands in `data`. */
export const EventView = exact({
  kind: EventKind,
  topic: Type.Enum([...EVENT_TOPICS]),
  atMs: AtMs,
  /** With `deployment.…`. */
  deployment: Type.Optional(DeploymentView),
  /** With `device.…`. */
  device: Type.Optional(DeviceView),
  /** With `content.published`. */
  content: Type.Optional(ContentView),
  /** With `ledger.changed`: the content whose ledger it is. */
  contentId: Type.Optional(ContentIdText),
  /** With `ledger.alarm`. */
  entry: Type.Optional(LedgerEntry),
  /** With `profile.changed`. */
  profile: Type.Optional(ProfileView),
  /** With `profile.removed`. */
  name: Type.Optional(ProfileName),
  /** With `offices.replaced`, how many there are; with `devices.changed`, how many have changed. */
  count: Type.Optional(Count),
});

/** The query of the stream of events. */
export const EventsQuery = exact({
  topics: Type.Optional(
    Type.String({
      pattern: `^(${EVENT_TOPICS.join("|")})(,(${EVENT_TOPICS.join("|")})){0,5}$`,
      description: `Some of ${EVENT_TOPICS.join(", ")}, with commas between them; absent: all.`,
    }),
  ),
});

export type EventView = Static<typeof EventView>;
export type EventKind = Static<typeof EventKind>;
export type MilestoneKind = Static<typeof MilestoneKind>;
export type EventTopic = (typeof EVENT_TOPICS)[number];
