import {
  DEVICE_PORTS,
  offsetPorts,
  type PortTable,
  SERVER_PORTS,
  singlePort,
} from "../effects/channels.ts";
import type { Address } from "../effects/network.ts";
import { parseSocketAddress } from "../runtime/settings.ts";
import type { PeerPorts } from "../transport/association-types.ts";
import type { AgentSettings } from "./settings.ts";

const { discovery: DISCOVERY_PORT = 0, ...ASSOCIATION_PORTS } = DEVICE_PORTS;

/** The ports that the agent listens on, but for discovery, which has sockets of its own kind. */
export function ownPorts({ network }: AgentSettings): PortTable {
  return network.singlePort === undefined
    ? offsetPorts(ASSOCIATION_PORTS, network.portOffset)
    : singlePort(ASSOCIATION_PORTS, network.singlePort);
}

/**
 * Where discovery asks and listens. What never leaves the LAN needs no single port, and what goes to
 * everybody must go to one port whatever the offsets are.
 */
export function discoveryPorts({ network }: AgentSettings): {
  readonly port: number;
  readonly ownPort: number;
} {
  return { port: DISCOVERY_PORT, ownPort: DISCOVERY_PORT + network.portOffset };
}

/** The ports that the server listens on. */
export function serverPorts({ server }: AgentSettings): PeerPorts {
  return server.singlePort === undefined
    ? { kind: "table", table: offsetPorts(SERVER_PORTS, server.portOffset) }
    : { kind: "single", port: server.singlePort };
}

/** The line emulator that carries what leaves the subnet, where there is one. */
export function lineOf(text: string | undefined): { readonly line?: Address } {
  const line = text === undefined ? undefined : parseSocketAddress(text);
  return line === undefined ? {} : { line };
}
