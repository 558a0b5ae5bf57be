import type { NetworkInput } from "../effects/network.ts";
import type { PeerOutbox } from "../peer/contract.ts";
import { devicePortTable } from "../peer/ports.ts";
import type { Listening } from "../peer/profile-in-force.ts";
import { DiscoverySockets } from "../runtime/discovery-socket.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { UdpSockets } from "../runtime/udp.ts";
import { type PortMap, PROFILE_PROBLEM_LENGTH_MAX } from "../wire/profile.ts";
import { discoveryPorts, lineOf, ownPortMap, wantedListening } from "./ports.ts";
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
 * Opens the agent's sockets where a profile has it listen, or, where these ports are not to be had,
 * where its own settings do: a wrong profile must not cut a device off from the server that has to
 * take it back.
 *
 * @param remembered - What the server said before the last restart.
 * @throws OperatorError as {@link openSockets}.
 */
export async function openListening(
  settings: AgentSettings,
  remembered: ReadonlyMap<string, Uint8Array>,
  onInput: (input: NetworkInput) => void,
): Promise<{ readonly sockets: AgentSockets; readonly listening: Listening }> {
  const wanted = wantedListening(settings, remembered);
  if (wanted.profile === undefined) {
    return { sockets: await openSockets(settings, wanted.map, onInput), listening: wanted };
  }
  try {
    return { sockets: await openSockets(settings, wanted.map, onInput), listening: wanted };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const map = ownPortMap(settings);
    const problem =
      `The ports of profile "${wanted.profile}" are not to be had, so the device listens on its ` +
      `own: ${error.message}`;
    const sockets = await openSockets(settings, map, onInput);
    return { sockets, listening: { map, problem: problem.slice(0, PROFILE_PROBLEM_LENGTH_MAX) } };
  }
}

/**
 * Opens the agent's sockets: those of associations, and those of discovery.
 *
 * @param onInput - Must be ready for datagrams of associations as soon as this is done.
 * @throws OperatorError where a port or an address is not to be had; nothing stays open then.
 */
async function openSockets(
  settings: AgentSettings,
  ports: PortMap,
  onInput: (input: NetworkInput) => void,
): Promise<AgentSockets> {
  const { address, broadcast, line } = settings.network;
  const bound = address === undefined ? {} : { address };
  const discovery = await DiscoverySockets.open({
    ...bound,
    ...(broadcast === undefined ? {} : { broadcast }),
    ...discoveryPorts(ports),
    onInput,
  });
  try {
    const table = devicePortTable(ports);
    const udp = await UdpSockets.open({ ...bound, ...lineOf(line), ports: table, onInput });
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
