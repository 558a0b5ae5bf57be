import { OperatorError } from "../../src/runtime/operator-error.ts";
import { run } from "./commands.ts";
import type { Link, LinkEnd } from "./network.ts";

/** What has left an interface. */
export type Traffic = {
  /** Bytes of IP packets, without the header of Ethernet. */
  readonly ipBytes: number;
  readonly packets: number;
  /** Packets for which the queue had no room. */
  readonly drops: number;
};

/** What has crossed a link. */
export type LinkTraffic = { readonly into: Traffic; readonly outOf: Traffic };

/** The header of Ethernet, which `tc` counts with each packet. */
const ETHERNET_BYTES = 14;

/** What has crossed a link since it was made. */
export async function trafficOf({ above, below }: Link): Promise<LinkTraffic> {
  const [into, outOf] = await Promise.all([trafficFrom(above), trafficFrom(below)]);
  return { into, outOf };
}

/** What of `now` has come since `before`. */
export function trafficSince(before: LinkTraffic, now: LinkTraffic): LinkTraffic {
  return { into: difference(before.into, now.into), outOf: difference(before.outOf, now.outOf) };
}

/**
 * What the queue of an interface has let out. Interface counters would not do: they miss the
 * headers of packets that were cut from a batch.
 */
export async function trafficFrom({ namespace, device }: LinkEnd): Promise<Traffic> {
  const text = await run("tc", ["-n", namespace, "-s", "-j", "qdisc", "show", "dev", device]);
  const queues = JSON.parse(text) as readonly QueueStatistics[];
  const queue = queues.find(({ kind }) => kind === "tbf");
  if (queue === undefined) {
    throw new OperatorError("bench-command", `tc tells of no tbf on ${device} in ${namespace}.`);
  }
  const { bytes, packets, drops } = queue;
  return { ipBytes: bytes - ETHERNET_BYTES * packets, packets, drops };
}

type QueueStatistics = {
  readonly kind: string;
  readonly bytes: number;
  readonly packets: number;
  readonly drops: number;
};

function difference(before: Traffic, now: Traffic): Traffic {
  return {
    ipBytes: now.ipBytes - before.ipBytes,
    packets: now.packets - before.packets,
    drops: now.drops - before.drops,
  };
}
