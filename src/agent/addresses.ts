import { existsSync, readFileSync } from "node:fs";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { join } from "node:path";

/** The network interfaces of a machine, by name. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** What an interface is: a cable is better than the air, and both are better than a tunnel. */
export type InterfaceKind = "wired" | "wireless" | "other";

/** The addresses under which others can reach this machine, the best first. */
export function reachableHosts(
  address: string | undefined,
  interfaces: Interfaces = networkInterfaces(),
  kindOf: (name: string) => InterfaceKind = interfaceKind,
): readonly string[] {
  if (address !== undefined) return [address];
  return Object.entries(interfaces)
    .flatMap(([name, own]) => {
      const rank = KINDS.indexOf(kindOf(name));
      return (own ?? []).filter(isReachable).map((one) => ({ rank, one }));
    })
    .sort((a, b) => a.rank - b.rank || familyRank(a.one) - familyRank(b.one))
    .map(({ one }) => one.address)
    .slice(0, HOSTS_MAX);
}

/** Looks for other addresses again and again, and tells of them. */
export class AddressWatch {
  readonly #timer: NodeJS.Timeout;

  constructor(options: {
    /** What was told before. */
    readonly known: readonly string[];
    readonly onChange: (hosts: readonly string[]) => void;
    readonly look?: () => readonly string[];
    readonly everyMs?: number;
  }) {
    const { onChange, look = () => reachableHosts(undefined), everyMs = LOOK_MS } = options;
    let known = options.known.join(" ");
    this.#timer = setInterval(() => {
      const hosts = look();
      // Without any address there is nobody to tell, and the old ones may come back.
      if (hosts.length === 0 || hosts.join(" ") === known) return;
      known = hosts.join(" ");
      onChange(hosts);
    }, everyMs);
  }

  /** Ends the looking. */
  close(): void {
    clearInterval(this.#timer);
  }
}

/** How often the addresses are looked at, in milliseconds. */
const LOOK_MS = 1_000;

/** How many addresses a device tells of: as many as a message carries. */
const HOSTS_MAX = 8;

const KINDS: readonly InterfaceKind[] = ["wired", "wireless", "other"];

/** Neither loopback nor link-local: those mean something else on every machine. */
function isReachable({ address, internal, family }: NetworkInterfaceInfo): boolean {
  if (internal) return false;
  return family === "IPv4" ? !address.startsWith("169.254.") : !/^fe[89ab]/i.test(address);
}

/** IPv4 first, because all see it; then the addresses of IPv6 that lead everywhere. */
function familyRank({ address, family }: NetworkInterfaceInfo): number {
  if (family === "IPv4") return 0;
  return /^f[cd]/i.test(address) ? 2 : 1;
}

function interfaceKind(name: string): InterfaceKind {
  return process.platform === "linux" ? linuxKind(name) : kindByName(name);
}

function linuxKind(name: string): InterfaceKind {
  const folder = join("/sys/class/net", name);
  if (existsSync(join(folder, "wireless")) || existsSync(join(folder, "phy80211"))) {
    return "wireless";
  }
  if (existsSync(join(folder, "bridge"))) return "other";
  try {
    // ARPHRD_ETHER: a tunnel has another type.
    return readFileSync(join(folder, "type"), "utf8").trim() === "1" ? "wired" : "other";
  } catch {
    return kindByName(name);
  }
}

function kindByName(name: string): InterfaceKind {
  if (/^(wl|wi-?fi|airport|wireless)/i.test(name)) return "wireless";
  return /^(tun|tap|utun|wg|ppp|ipsec|vpn|docker|br-|virbr|vmnet|awdl|llw)/i.test(name)
    ? "other"
    : "wired";
}
