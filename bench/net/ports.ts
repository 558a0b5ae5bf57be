import { type Traffic, trafficFrom } from "./counters.ts";
import { HOST_DEVICE, type Host, type Network, shape } from "./network.ts";

/** Gives each device of a network a port that carries so much each way. */
export async function shapePorts({ devices }: Network, rateBitsPerS: number): Promise<void> {
  for (const { namespace, router, port } of devices) {
    await shape({ namespace, device: HOST_DEVICE }, rateBitsPerS);
    await shape({ namespace: router, device: port }, rateBitsPerS);
  }
}

/** What has left a device through its port, since it has one. */
export async function sentBy({ namespace }: Host): Promise<Traffic> {
  return await trafficFrom({ namespace, device: HOST_DEVICE });
}
