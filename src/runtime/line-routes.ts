import ipaddr from "ipaddr.js";
import { OperatorError } from "./operator-error.ts";

/** An office as a line emulator knows it. */
export type LineOffice = {
  readonly name: string;
  readonly parent?: string;
  /** In CIDR notation: `127.20.0.0/24`. */
  readonly subnets: readonly string[];
  /** Rates of its line to its parent office, in Mbit/s (10^6 bits a second). */
  readonly upMbit?: number;
  readonly downMbit?: number;
};

/** One direction of an office's line to its parent. */
export type Crossing = { readonly office: string; readonly direction: "up" | "down" };

/**
 * Knows which lines lie between two addresses: up from the source's office to the first office
 * that both have above them, then down to the destination's.
 */
export class LineRoutes {
  readonly #subnets: readonly Subnet[];
  readonly #parents: ReadonlyMap<string, string | undefined>;
  readonly #offices = new Map<string, string | undefined>();
  readonly #paths = new Map<string, readonly Crossing[] | undefined>();

  /** @throws OperatorError `line-topology` for a malformed subnet, unknown parent or a circle. */
  constructor(offices: readonly LineOffice[]) {
    this.#parents = new Map(offices.map((office) => [office.name, office.parent]));
    this.#subnets = offices
      .flatMap((office) => office.subnets.map((subnet) => parseSubnet(office.name, subnet)))
      .toSorted((a, b) => b.prefixBits - a.prefixBits);
    for (const office of offices) this.#checkAncestors(office.name);
  }

  /** The lines between two IP addresses, in order; `undefined` where one is in no office. */
  between(fromHost: string, toHost: string): readonly Crossing[] | undefined {
    const key = `${fromHost} ${toHost}`;
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    const path = this.#find(fromHost, toHost);
    if (this.#paths.size >= REMEMBERED_MAX) this.#paths.clear();
    if (path !== undefined) this.#paths.set(key, path);
    return path;
  }

  #find(fromHost: string, toHost: string): readonly Crossing[] | undefined {
    const from = this.#officeOf(fromHost);
    const to = this.#officeOf(toHost);
    if (from === undefined || to === undefined) return undefined;
    const upwards = this.#lineage(from);
    const downwards = this.#lineage(to);
    const shared = new Set(upwards.filter((office) => downwards.includes(office)));
    // An office without a parent has no line of its own: above it is nothing.
    const crosses = (office: string) =>
      !shared.has(office) && this.#parents.get(office) !== undefined;
    return [
      ...upwards.filter(crosses).map((office) => ({ office, direction: "up" as const })),
      ...downwards
        .filter(crosses)
        .reverse()
        .map((office) => ({ office, direction: "down" as const })),
    ];
  }

  #officeOf(host: string): string | undefined {
    if (this.#offices.has(host)) return this.#offices.get(host);
    const address = ipaddr.parse(host);
    const subnet = this.#subnets.find((candidate) => contains(candidate, address));
    if (this.#offices.size >= REMEMBERED_MAX) this.#offices.clear();
    this.#offices.set(host, subnet?.office);
    return subnet?.office;
  }

  /** The office and all above it. */
  #lineage(office: string): readonly string[] {
    const lineage = [office];
    for (let parent = this.#parents.get(office); parent !== undefined; ) {
      lineage.push(parent);
      parent = this.#parents.get(parent);
    }
    return lineage;
  }

  #checkAncestors(name: string): void {
    const seen = new Set([name]);
    for (let parent = this.#parents.get(name); parent !== undefined; ) {
      if (!this.#parents.has(parent)) {
        throw new OperatorError(
          "line-topology",
          `The office ${parent} is a parent but not listed.`,
        );
      }
      if (seen.has(parent)) {
        throw new OperatorError("line-topology", `The office ${parent} lies below itself.`);
      }
      seen.add(parent);
      parent = this.#parents.get(parent);
    }
  }
}

/** How many addresses and pairs of them are remembered. */
const REMEMBERED_MAX = 16_384;

type Subnet = {
  readonly office: string;
  readonly address: ipaddr.IPv4 | ipaddr.IPv6;
  readonly prefixBits: number;
};

function parseSubnet(office: string, subnet: string): Subnet {
  if (!ipaddr.isValidCIDR(subnet)) {
    throw new OperatorError(
      "line-topology",
      `${subnet} of ${office} is no subnet; write it as 192.0.2.0/24.`,
    );
  }
  const [address, prefixBits] = ipaddr.parseCIDR(subnet);
  return { office, address, prefixBits };
}

function contains(subnet: Subnet, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return (
    address.kind() === subnet.address.kind() && address.match(subnet.address, subnet.prefixBits)
  );
}
