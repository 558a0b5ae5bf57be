import { type Static, type TSchema, Type } from "typebox";
import { AtMs, Count, DeviceIdText } from "./common.ts";
import { GroupName } from "./deployment-schemas.ts";
import { exact } from "./route.ts";

/** The name of a profile. */
export const ProfileName = Type.String({ minLength: 1, maxLength: 64 });

/** Whom a device takes packages from and gives them to (row A1). */
export const ProfileModeWord = Type.Enum(["distributed", "hosted", "local", "disabled"]);

/** Channels that may have a port of their own, in the order of their numbers on the wire, from 1. */
export const MOVABLE_CHANNELS = [
  "message-small",
  "reply-small",
  "message-large-foreground",
  "reply-large-foreground",
  "message-large-background",
  "reply-large-background",
  "content-foreground",
  "content-background",
  "control-adaptive",
] as const;

const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

/** On which ports a device listens (row B11): one for all, or the table, moved and mended. */
export const PortMapView = exact({
  /** One port for every channel but discovery. */
  single: Type.Optional(Port),
  /** Added to every port of the table. */
  offset: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  /** Channels whose port is another one; the offset is not added to these. */
  channels: Type.Optional(
    Type.Array(exact({ channel: Type.Enum([...MOVABLE_CHANNELS]), port: Port }), {
      maxItems: MOVABLE_CHANNELS.length,
    }),
  ),
});

const values = {
  mode: ProfileModeWord,
  /** Days that a content may lie unused in the cache; 0: for ever. */
  maxAgeDays: Type.Integer({ minimum: 0, maximum: 36_500 }),
  /** How much of its disk the cache may take. */
  diskPercent: Type.Integer({ minimum: 1, maximum: 100 }),
  /** What the cache leaves free on its disk. */
  minFreeMib: Type.Integer({ minimum: 0, maximum: 1_073_741_824 }),
  /** Hosts, or `host:port`, in the order in which they are asked; in Hosted mode at least one. */
  hostedCaches: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 16 }),
  /** In force from the agent's next start on. */
  ports: PortMapView,
  /** Whether the device is preferred for fetching on behalf of its office (row B8). */
  preferred: Type.Boolean(),
};

/** What a profile sets; what is absent it leaves to others. */
export const ProfileValuesView = exact({
  mode: Type.Optional(values.mode),
  maxAgeDays: Type.Optional(values.maxAgeDays),
  diskPercent: Type.Optional(values.diskPercent),
  minFreeMib: Type.Optional(values.minFreeMib),
  hostedCaches: Type.Optional(values.hostedCaches),
  ports: Type.Optional(values.ports),
  preferred: Type.Optional(values.preferred),
});

/** A value and the profile that set it; without one it is the device's own. */
function setBy<T extends TSchema>(value: T) {
  return exact({ value, profile: Type.Optional(Type.String()) });
}

/** Values and who set each. */
export const ProfileInForceView = exact({
  mode: Type.Optional(setBy(values.mode)),
  maxAgeDays: Type.Optional(setBy(values.maxAgeDays)),
  diskPercent: Type.Optional(setBy(values.diskPercent)),
  minFreeMib: Type.Optional(setBy(values.minFreeMib)),
  hostedCaches: Type.Optional(setBy(values.hostedCaches)),
  ports: Type.Optional(setBy(values.ports)),
  preferred: Type.Optional(setBy(values.preferred)),
});

/** The names of the values. */
export const ProfileKeyWord = Type.Enum(
  Object.keys(values) as (keyof typeof values)[] as [keyof typeof values],
);

const Offices = Type.Array(Type.String({ maxLength: 256 }), { maxItems: 4_096 });
const Groups = Type.Array(GroupName, { maxItems: 4_096 });
const Devices = Type.Array(DeviceIdText, { maxItems: 4_096 });

/** For whom a profile is; an office stands for all offices below it as well. */
export const ProfileTargetsView = exact({ groups: Groups, offices: Offices, devices: Devices });

const someTargets = {
  groups: Type.Optional(Groups),
  offices: Type.Optional(Offices),
  devices: Type.Optional(Devices),
};

/** Some for whom a profile is to be. */
export const PublicationTargets = exact(someTargets);

/** Some for whom a profile is not to be any more, or all. */
export const UnpublicationTargets = exact({
  ...someTargets,
  everywhere: Type.Optional(Type.Literal(true)),
});

/** Of profiles that reach a device in the same way the lower order wins. */
const Order = Type.Integer({ minimum: 0, maximum: 1_000_000 });

/** A profile. */
export const ProfileView = exact({
  name: ProfileName,
  order: Order,
  values: ProfileValuesView,
  targets: ProfileTargetsView,
  createdAtMs: AtMs,
  changedAtMs: AtMs,
});

/** A profile to be made; without an order it comes behind all others. */
export const ProfileInput = exact({
  name: ProfileName,
  order: Type.Optional(Order),
  values: ProfileValuesView,
});

/** All that a profile sets from now on; without an order it keeps its place. */
export const ProfileChange = exact({
  order: Type.Optional(Order),
  values: ProfileValuesView,
});

/** A profile that was changed, for how many devices it sets anything, and how many hear of it now. */
export const ProfileChanged = exact({ profile: ProfileView, devices: Count, present: Count });

/** What profiles say to a device, and what it has taken of it. */
export const DeviceProfileView = exact({
  /** The values that are meant to be in force, and which profile sets each. */
  wanted: ProfileInForceView,
  /** The values that the device said last were in force on it; absent where it never did. */
  reported: Type.Optional(ProfileInForceView),
  reportedAtMs: Type.Optional(AtMs),
  /** Values that are otherwise on the device than they are meant to be. */
  pending: Type.Array(ProfileKeyWord),
  /** What hinders the device, as sentences. */
  problems: Type.Array(Type.String()),
});

/** A device for which a profile sets something. */
export const ProfileDeviceView = exact({
  deviceId: DeviceIdText,
  hostName: Type.String(),
  office: Type.String(),
  present: Type.Boolean(),
  /** What the profile sets there. */
  sets: Type.Array(ProfileKeyWord),
  /** What of that the device has not taken yet. */
  pending: Type.Array(ProfileKeyWord),
});

export type PortMapView = Static<typeof PortMapView>;
export type ProfileValuesView = Static<typeof ProfileValuesView>;
export type ProfileInForceView = Static<typeof ProfileInForceView>;
export type ProfileKeyWord = Static<typeof ProfileKeyWord>;
export type ProfileTargetsView = Static<typeof ProfileTargetsView>;
export type ProfileView = Static<typeof ProfileView>;
export type ProfileChanged = Static<typeof ProfileChanged>;
export type DeviceProfileView = Static<typeof DeviceProfileView>;
export type ProfileDeviceView = Static<typeof ProfileDeviceView>;
