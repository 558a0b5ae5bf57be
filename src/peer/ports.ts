import {
  channelOf,
  DEVICE_PORTS,
  offsetPorts,
  type PortTable,
  singlePort,
} from "../effects/channels.ts";
import type { PeerPorts } from "../transport/association-types.ts";
import type { MemberEntry } from "../wire/messages.ts";
import type { PortMap } from "../wire/profile.ts";

const { discovery: _, ...ASSOCIATION_PORTS } = DEVICE_PORTS;

/** The port of each channel of a device with this map, but for discovery, which goes its own way. */
export function devicePortTable({ single, offset = 0, channels = [] }: PortMap): PortTable {
  if (single !== undefined) return singlePort(ASSOCIATION_PORTS, single);
  const moved = channels.flatMap(({ channel, port }) => {
    const name = channelOf(channel);
    return name === undefined || name === "discovery" ? [] : [[name, port] as const];
  });
  return { ...offsetPorts(ASSOCIATION_PORTS, offset), ...Object.fromEntries(moved) };
}

/** Where another device listens. */
export function memberPorts({ ports, portOffset }: MemberEntry): PeerPorts {
  if (ports?.single !== undefined) return { kind: "single", port: ports.single };
  return { kind: "table", table: devicePortTable({ offset: portOffset, ...ports }) };
}

/** What a device says of its ports besides its offset; nothing where that says it all. */
export function saidPorts(map: PortMap | undefined): { readonly ports?: PortMap } {
  const plain = map?.single === undefined && (map?.channels ?? []).length === 0;
  return map === undefined || plain ? {} : { ports: map };
}
