import { runIp } from "../net/commands.ts";
import type { Namespaces } from "../net/namespaces.ts";
import { HOST_DEVICE, makeQuiet } from "../net/network.ts";

/** A computer of two that a cable joins. */
export type End = { readonly namespace: string; readonly address: string };

/** Two computers and nothing between them. */
export type Pair = { readonly sender: End; readonly receiver: End };

/** Makes two namespaces that a veth joins, which is as fast as the machine. */
export async function makePair(namespaces: Namespaces): Promise<Pair> {
  const sender = { namespace: await makeQuiet(namespaces, "sender"), address: "10.0.0.1" };
  const receiver = { namespace: await makeQuiet(namespaces, "receiver"), address: "10.0.0.2" };
  await runIp(sender.namespace, [
    `link add ${HOST_DEVICE} type veth peer name ${HOST_DEVICE} netns ${receiver.namespace}`,
  ]);
  for (const { namespace, address } of [sender, receiver]) {
    await runIp(namespace, [
      `address add ${address}/24 dev ${HOST_DEVICE}`,
      `link set ${HOST_DEVICE} up`,
    ]);
  }
  return { sender, receiver };
}
