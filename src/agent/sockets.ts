import type { NetworkInput } from "../effects/network.ts";
import type { PeerOutbox } from "../peer/contract.ts";
import { DiscoverySockets } from "../runtime/discovery-socket.ts";
import { UdpSockets } from "../runtime/udp.ts";
import { discoveryPorts, lineOf, ownPorts } from "./ports.ts";
import type { AgentSettings } from "./settings.ts";

/** The agent's ways to the network. */
export type AgentSockets = Pick<
  PeerOutbox,
  "send" | "broadcast" | "leftAtUs" | "datagramBytesMax"
> & {
  /** From now on discovery is heard as well. */
  start(): void;
  close(): Promise<void>;
};

/**
 * Opens the agent's sockets: those of associations, and those of discovery.
 *
 * @param onInput - Must be ready for datagrams of associations as soon as this is done.
 * @throws OperatorError where a port or an address is not to be had; nothing stays open then.
 */
export async function openSockets(
  settings: AgentSettings,
  onInput: (input: NetworkInput) => void,
): Promise<AgentSockets> {
  const { address, broadcast, line } = settings.network;
  const bound = address === undefined ? {} : { address };
  const discovery = await DiscoverySockets.open({
    ...bound,
    ...(broadcast === undefined ? {} : { broadcast }),
    ...discoveryPorts(settings),
    onInput,
  });
  try {
    const ports = ownPorts(settings);
    const udp = await UdpSockets.open({ ...bound, ...lineOf(line), ports, onInput });
    return {
      send: (to, channel, bytes, segmentBytes) =>
        channel === "discovery"
          ? discovery.send(to, bytes)
          : udp.send(to, channel, bytes, segmentBytes),
      leftAtUs: () => udp.leftAtUs(),
      datagramBytesMax: (host) => udp.datagramBytesMax(host),
      broadcast: (bytes) => discovery.broadcast(bytes),
      start: () => discovery.start(),
      close: async () => {
        await Promise.all([udp.close(), discovery.close()]);
      },
    };
  } catch (error) {
    await discovery.close();
    throw error;
  }
}
