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

/** The ports that the agent listens on. */
export function ownPorts({ network }: AgentSettings): PortTable {
  return network.singlePort === undefined
    ? offsetPorts(DEVICE_PORTS, network.portOffset)
    : singlePort(DEVICE_PORTS, network.singlePort);
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
