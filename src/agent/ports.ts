import { readFileSync } from "node:fs";
import { DEVICE_PORTS, offsetPorts, SERVER_PORTS } from "../effects/channels.ts";
import type { Address } from "../effects/network.ts";
import type { Listening } from "../peer/profile-in-force.ts";
import { parseSocketAddress } from "../runtime/settings.ts";
import type { PeerPorts } from "../transport/association-types.ts";
import { decodeMessage } from "../wire/messages.ts";
import type { PortMap, SetValue } from "../wire/profile.ts";
import { agentFiles } from "./enrolment-file.ts";
import type { AgentSettings } from "./settings.ts";
import { rememberedFile } from "./store/memory.ts";

const { discovery: DISCOVERY_PORT = 0 } = DEVICE_PORTS;

/** Where the agent listens by its own settings. */
export function ownPortMap({ network }: AgentSettings): PortMap {
  const { singlePort: single, portOffset: offset } = network;
  return single === undefined ? { offset } : { single, offset };
}

/**
 * Where the agent is to listen: as a profile says that the server told it of before, else as its own
 * settings say.
 */
export function wantedListening(
  settings: AgentSettings,
  remembered: ReadonlyMap<string, Uint8Array>,
): Listening {
  const said = profilePorts(remembered.get("profile"));
  if (said === undefined) return { map: ownPortMap(settings) };
  const { value: map, profile } = said;
  return { map, ...(profile === undefined ? {} : { profile }) };
}

/**
 * The ports of a profile on which the agent with this data folder is to listen from its next start
 * on; `undefined` where none sets any, or none of it can be read.
 */
export function rememberedPorts(dataFolder: string): PortMap | undefined {
  const file = rememberedFile(agentFiles(dataFolder).store, "profile");
  try {
    return profilePorts(new Uint8Array(readFileSync(file)))?.value;
  } catch {
    // It has not been told of any profile yet, or is not ours to read.
    return undefined;
  }
}

function profilePorts(bytes: Uint8Array | undefined): SetValue<PortMap> | undefined {
  const word = bytes && decodeMessage(bytes);
  return word?.kind === "profile" ? word.values.ports : undefined;
}

/**
 * Where discovery asks and listens. What never leaves the LAN needs no single port, and what goes to
 * everybody must go to one port whatever the offsets are.
 */
export function discoveryPorts({ offset = 0 }: PortMap): {
  readonly port: number;
  readonly ownPort: number;
} {
  return { port: DISCOVERY_PORT, ownPort: DISCOVERY_PORT + offset };
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
