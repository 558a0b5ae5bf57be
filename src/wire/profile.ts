import {
  boolean,
  type Codec,
  field,
  integer,
  list,
  oneOf,
  optional,
  structure,
  text,
} from "./codec.ts";

/**
 * From whom a device takes packages and whom it gives them to (row A1): from and to its office and
 * the offices above and below; from a hosted cache; from its own cache and the origins, and to
 * nobody; from the origins alone, and to nobody.
 */
export type ProfileMode = "distributed" | "hosted" | "local" | "disabled";

/** A channel (CH1) with a port of its own. */
export type ChannelPort = { readonly channel: number; readonly port: number };

/** On which ports a device listens (row B11). */
export type PortMap = {
  /** One port for every channel but discovery; then the rest says nothing. */
  readonly single?: number;
  /** Added to every port of the table. */
  readonly offset?: number;
  /** Channels whose port is another one; the offset is not added to these. */
  readonly channels?: readonly ChannelPort[];
};

/** What a profile may set. What is absent is unset. */
export type ProfileValues = {
  readonly mode?: ProfileMode;
  /** How long a content may lie unused in the cache, in days; 0: for ever. */
  readonly maxAgeDays?: number;
  /** How much of its disk the cache may take, in percent. */
  readonly diskPercent?: number;
  /** What the cache leaves free on its disk, in MiB. */
  readonly minFreeMib?: number;
  /** Hosted cache servers, each a host or `host:port`, in the order in which they are asked. */
  readonly hostedCaches?: readonly string[];
  readonly ports?: PortMap;
  /** Whether the device is preferred for fetching on behalf of its office (row B8). */
  readonly preferred?: boolean;
};

/** What a profile may set, by name. */
export type ProfileKey = keyof ProfileValues;

/** A value and the name of the profile that set it; without one it is the device's own. */
export type SetValue<T> = { readonly value: T; readonly profile?: string };

/** Values and who set each. */
export type ProfileInForce = {
  readonly [K in ProfileKey]?: SetValue<NonNullable<ProfileValues[K]>>;
};

/** The names of all values, in the order in which they are shown. */
export const PROFILE_KEYS: readonly ProfileKey[] = [
  "mode",
  "maxAgeDays",
  "diskPercent",
  "minFreeMib",
  "hostedCaches",
  "ports",
  "preferred",
];

/** Most characters of a profile's name. */
export const PROFILE_NAME_LENGTH_MAX = 64;

/** Most hosted cache servers, and most characters of one. */
export const HOSTED_CACHES_MAX = 16;
export const HOSTED_CACHE_LENGTH_MAX = 256;

/** The greatest number of a channel that a port map may move: discovery keeps its port. */
export const MOVABLE_CHANNEL_MAX = 9;

/** Bounds of the values that are numbers; they are those of an agent's settings. */
export const PROFILE_BOUNDS = {
  maxAgeDays: { min: 0, max: 36_500 },
  diskPercent: { min: 1, max: 100 },
  minFreeMib: { min: 0, max: 1_073_741_824 },
} as const;

/** Most sentences on what hinders a device, and most characters of one. */
export const PROFILE_PROBLEMS_MAX = 8;
export const PROFILE_PROBLEM_LENGTH_MAX = 512;

const port = integer(1, 65_535);

/** A port map on the wire. */
export const portMapCodec: Codec<PortMap> = structure<PortMap>({
  single: optional(1, port),
  offset: optional(2, integer(0, 65_535)),
  channels: optional(
    3,
    list(
      structure<ChannelPort>({
        channel: field(1, integer(1, MOVABLE_CHANNEL_MAX)),
        port: field(2, port),
      }),
      MOVABLE_CHANNEL_MAX,
    ),
  ),
});

const { maxAgeDays, diskPercent, minFreeMib } = PROFILE_BOUNDS;

/** Values and who set each, on the wire. */
export const profileInForceCodec: Codec<ProfileInForce> = structure<ProfileInForce>({
  mode: optional(
    1,
    setBy(oneOf<ProfileMode>({ distributed: 0, hosted: 1, local: 2, disabled: 3 })),
  ),
  maxAgeDays: optional(2, setBy(integer(maxAgeDays.min, maxAgeDays.max))),
  diskPercent: optional(3, setBy(integer(diskPercent.min, diskPercent.max))),
  minFreeMib: optional(4, setBy(integer(minFreeMib.min, minFreeMib.max))),
  hostedCaches: optional(5, setBy(list(text(HOSTED_CACHE_LENGTH_MAX), HOSTED_CACHES_MAX))),
  ports: optional(6, setBy(portMapCodec)),
  preferred: optional(7, setBy(boolean)),
});

function setBy<T>(value: Codec<T>): Codec<SetValue<T>> {
  return structure<SetValue<T>>({
    value: field(1, value),
    profile: optional(2, text(PROFILE_NAME_LENGTH_MAX)),
  });
}

/** Whether two values are the same, whoever set them. */
export function sameValue(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other);
}

/** The same text for the same value: fields in order, and channels by number. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (Array.isArray(part)) return part.every(isChannelPort) ? part.toSorted(byChannel) : part;
    if (typeof part !== "object" || part === null) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function isChannelPort(value: unknown): value is ChannelPort {
  return typeof value === "object" && value !== null && "channel" in value;
}

function byChannel(a: ChannelPort, b: ChannelPort): number {
  return a.channel - b.channel;
}
