import { CHANNELS, channelOf, DEVICE_PORTS } from "../effects/channels.ts";
import {
  HOSTED_CACHE_LENGTH_MAX,
  HOSTED_CACHES_MAX,
  MOVABLE_CHANNEL_MAX,
  type PortMap,
  PROFILE_BOUNDS,
  type ProfileValues,
} from "../wire/profile.ts";
import type { RefusalCode } from "./contract.ts";

/** The largest offset at which every port of a device is still one. */
export const DEVICE_PORT_OFFSET_MAX: number = 65_535 - Math.max(...Object.values(DEVICE_PORTS));

/** Why values cannot be those of a profile. */
export type BadValues = { readonly code: RefusalCode; readonly reason: string };

/** Says what is wrong with the values of a profile; `undefined` where nothing is. */
export function judgeValues(values: ProfileValues): BadValues | undefined {
  const { hostedCaches } = values;
  const isHosted = values.mode === "hosted";
  if (isHosted && (hostedCaches === undefined || hostedCaches.length === 0)) {
    const reason =
      "In Hosted mode devices need somewhere to ask: name at least one hosted cache server.";
    return { code: "hosted-cache-missing", reason };
  }
  const problem =
    badNumber(values) ??
    (hostedCaches === undefined ? undefined : badHostedCaches(hostedCaches)) ??
    (values.ports === undefined ? undefined : badPorts(values.ports));
  return problem === undefined ? undefined : { code: "bad-profile-value", reason: problem };
}

function badNumber(values: ProfileValues): string | undefined {
  for (const [key, { min, max }] of Object.entries(PROFILE_BOUNDS)) {
    const value = values[key as keyof typeof PROFILE_BOUNDS];
    if (value === undefined || isWhole(value, min, max)) continue;
    return `${NUMBER_NAMES[key as keyof typeof PROFILE_BOUNDS]} is a whole number from ${min} to ${max}.`;
  }
  return undefined;
}

const NUMBER_NAMES: Readonly<Record<keyof typeof PROFILE_BOUNDS, string>> = {
  maxAgeDays: "The maximum age in days",
  diskPercent: "The percentage of the disk",
  minFreeMib: "What stays free, in MiB,",
};

function badHostedCaches(caches: readonly string[]): string | undefined {
  if (caches.length === 0) return "A list of hosted cache servers without any says nothing.";
  if (caches.length > HOSTED_CACHES_MAX) {
    return `A profile names at most ${HOSTED_CACHES_MAX} hosted cache servers.`;
  }
  if (new Set(caches).size < caches.length) return "A hosted cache server is named twice.";
  const bad = caches.find((cache) => !isServer(cache));
  if (bad === undefined) return undefined;
  return `"${bad.slice(0, 80)}" is no server: write a host or HOST:PORT; IPv6 as [2001:db8::1]:PORT.`;
}

/** Whether a text is a host name, an address, or one of these and a port. */
function isServer(text: string): boolean {
  if (text.length > HOSTED_CACHE_LENGTH_MAX) return false;
  const [, port] = SERVER.exec(text) ?? [];
  if (!SERVER.test(text)) return false;
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}

const SERVER =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,62}(?:\.[a-z0-9-]{1,63})*)?|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?$/i;

function badPorts(map: PortMap): string | undefined {
  const { single, offset, channels = [] } = map;
  if (single === undefined && offset === undefined && channels.length === 0) {
    return "A port map names one port, an offset, or ports of channels; an offset of 0 is the table.";
  }
  if (single !== undefined && (offset !== undefined || map.channels !== undefined)) {
    return "One port for every channel leaves nothing to say of an offset or of channels.";
  }
  const ports = [...(single === undefined ? [] : [single]), ...channels.map(({ port }) => port)];
  if (ports.some((port) => !isWhole(port, 1, 65_535))) {
    return "A port is a whole number from 1 to 65535.";
  }
  if (!isWhole(offset ?? 0, 0, DEVICE_PORT_OFFSET_MAX)) {
    return `The port offset is a whole number from 0 to ${DEVICE_PORT_OFFSET_MAX}.`;
  }
  const discovery = (DEVICE_PORTS.discovery ?? 0) + (offset ?? 0);
  if (ports.includes(discovery)) {
    return `Port ${discovery} is that of discovery, which shares it with nothing.`;
  }
  return badChannels(channels.map(({ channel }) => channel));
}

function badChannels(numbers: readonly number[]): string | undefined {
  if (new Set(numbers).size < numbers.length) return "A channel is named twice.";
  const isMovable = (channel: number) =>
    channel <= MOVABLE_CHANNEL_MAX && channelOf(channel) !== undefined;
  if (numbers.every(isMovable)) return undefined;
  const known = Object.keys(CHANNELS).filter((name) => name !== "discovery");
  return `A channel is one of ${known.join(", ")}.`;
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
