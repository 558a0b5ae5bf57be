import { runIn } from "./commands.ts";
import type { Host, Office } from "./network.ts";

/** What devices have sent of UDP. */
export type Sent = {
  /** Datagrams to all of a network, by broadcast or multicast. */
  readonly broadcasts: number;
  /** Bytes of IP packets to devices of the same office. */
  readonly toMatesBytes: number;
};

const TABLE = "sent";

/** Counts, in the kernel of each device of an office, what leaves it from now on. */
export async function countSent({ devices }: Office): Promise<void> {
  for (const { namespace, address } of devices) {
    const mates = devices.filter((mate) => mate.address !== address);
    const table = [
      `table inet ${TABLE} {`,
      "counter broadcasts { }",
      "counter mates { }",
      "chain c {",
      "type filter hook output priority 0;",
      `ip daddr { 255.255.255.255, ${broadcastOf(address)}, 224.0.0.0/4 } counter name "broadcasts"`,
      ...mates.map((mate) => `ip daddr ${mate.address} counter name "mates"`),
      "}",
      "}",
      "",
    ];
    await runIn(namespace, "nft", ["-f", "-"], table.join("\n"));
  }
}

/** What all devices of an office have sent since {@link countSent}. */
export async function readSent({ devices }: Office): Promise<Sent> {
  let [broadcasts, toMatesBytes] = [0, 0];
  for (const { namespace } of devices) {
    const args = ["-j", "list", "counters", "table", "inet", TABLE];
    const { nftables } = JSON.parse(await runIn(namespace, "nft", args)) as Listing;
    for (const { counter } of nftables) {
      if (counter?.name === "broadcasts") broadcasts += counter.packets;
      if (counter?.name === "mates") toMatesBytes += counter.bytes;
    }
  }
  return { broadcasts, toMatesBytes };
}

type Listing = {
  readonly nftables: readonly {
    readonly counter?: {
      readonly name: string;
      readonly packets: number;
      readonly bytes: number;
    };
  }[];
};

const broadcastOf = (address: Host["address"]): string => address.replace(/\d+$/, "255");
