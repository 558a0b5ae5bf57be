import type { PortTable } from "../../effects/channels.ts";

/** The programs that others have to reach. */
export const FIREWALL_ROLES = [
  "device",
  "server",
  "content-server",
  "hosted-cache",
  "branchcache",
] as const;

/** One of them. */
export type FirewallRole = (typeof FIREWALL_ROLES)[number];

/** What a firewall must let in. */
export type FirewallRule = {
  readonly protocol: "udp" | "tcp";
  /** Ascending, none twice. */
  readonly ports: readonly number[];
  /** `subnet`: from the own subnet alone. */
  readonly from: "anywhere" | "subnet";
  /** What comes that way. */
  readonly purpose: string;
};

/** The rules for a program that listens on a table of channels. */
export function channelRules(table: PortTable): readonly FirewallRule[] {
  const { discovery, ...channels } = table;
  const rules: FirewallRule[] = [
    {
      protocol: "udp",
      ports: ascending(Object.values(channels)),
      from: "anywhere",
      purpose: "messages and contents between devices and the server",
    },
  ];
  if (discovery !== undefined) {
    const purpose = "discovery of devices in the subnet";
    rules.push({ protocol: "udp", ports: [discovery], from: "subnet", purpose });
  }
  return rules;
}

/** The rule for one port of TCP. */
export function tcpRule(
  port: number,
  purpose: string,
  from: FirewallRule["from"] = "anywhere",
): FirewallRule {
  return { protocol: "tcp", ports: [port], from, purpose };
}

function ascending(ports: readonly number[]): readonly number[] {
  return [...new Set(ports)].toSorted((a, b) => a - b);
}
