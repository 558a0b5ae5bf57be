import { invariant } from "../base/invariant.ts";
import { err, ok, type Result } from "../base/result.ts";
import { formatAddress } from "../topology/address.ts";
import { parseSubnet, type Subnet } from "../topology/prefix.ts";

/** Where the server and all devices of an organisation are. */
export type AddressPlan = {
  readonly server: string;
  /** In the order of the offices. */
  readonly offices: readonly {
    readonly subnets: readonly string[];
    /** One for each device. */
    readonly hosts: readonly string[];
  }[];
};

/** An office that has fewer addresses than devices. */
export type AddressProblem = { readonly office: number; readonly room: number };

/** Most offices that addresses can be invented for: each has a /23 or more of 10.0.0.0/8. */
export const INVENTED_OFFICES_MAX = 32_768;

/**
 * Invents addresses of 10.0.0.0/8: each office has a block, a /16 where there are at most 256 of
 * them. Its devices begin behind the first /24, in which the server is that of the first office.
 *
 * @param devices - How many each office has.
 */
export function inventAddresses(devices: readonly number[]): Result<AddressPlan, AddressProblem> {
  invariant(devices.length <= INVENTED_OFFICES_MAX, "so many offices have addresses");
  const bits = Math.min(16, 24 - Math.ceil(Math.log2(Math.max(1, devices.length))));
  const blockAt = (office: number): bigint => (10n << 24n) + (BigInt(office) << BigInt(bits));
  const offices: { subnets: readonly string[]; hosts: readonly string[] }[] = [];
  for (const [office, wanted] of devices.entries()) {
    const first = blockAt(office);
    const own = { family: 4, first: first + 256n, last: blockAt(office + 1) - 1n } as const;
    const room = roomIn(own);
    if (room < wanted) return err({ office, room });
    const subnets = [`${formatAddress({ family: 4, value: first })}/${32 - bits}`];
    offices.push({ subnets, hosts: firstHosts([[own]], wanted) });
  }
  return ok({ server: "10.0.0.1", offices });
}

/** An office whose subnets somebody has entered, and how many devices it is to have. */
export type AddressedOffice = { readonly subnets: readonly string[]; readonly devices: number };

/**
 * Finds addresses in the subnets that offices have: each device gets one that the topology gives
 * to its office, IPv4 where the office has any, from one subnet after the other in turn.
 *
 * @param offices - Of a sound topology; the first is the Central Office.
 * @param server - Where the server is; absent: at the first address of the Central Office.
 */
export function findAddresses(
  offices: readonly AddressedOffice[],
  server?: string,
): Result<AddressPlan, AddressProblem> {
  const rooms = roomsOf(offices.map(({ subnets }) => subnets));
  const [central] = rooms;
  const atServer = server ?? (central === undefined ? undefined : firstHosts(central, 1)[0]);
  if (atServer === undefined) return err({ office: 0, room: 0 });
  const planned: { subnets: readonly string[]; hosts: readonly string[] }[] = [];
  for (const [office, { subnets, devices }] of offices.entries()) {
    const spare = office === 0 ? 1 : 0;
    const found = firstHosts(rooms[office] ?? [], devices + spare);
    const hosts = found.filter((host) => host !== atServer).slice(0, devices);
    if (hosts.length < devices) return err({ office, room: hosts.length });
    planned.push({ subnets, hosts });
  }
  return ok({ server: atServer, offices: planned });
}

/** How many devices fit into each office, the server being in the first. */
export function roomsFor(offices: readonly (readonly string[])[]): readonly number[] {
  return roomsOf(offices).map((subnets, office) => {
    const room = subnets.flat().reduce((sum, segment) => sum + roomIn(segment), 0);
    return Math.max(0, room - (office === 0 ? 1 : 0));
  });
}

/** Addresses in a row that belong to one office. */
type Segment = { readonly family: 4 | 6; readonly first: bigint; readonly last: bigint };

/** Of each office, of each of its subnets, what no narrower subnet takes away. */
function roomsOf(offices: readonly (readonly string[])[]): readonly (readonly Segment[][])[] {
  const claims = offices
    .flatMap((subnets) => readSubnets(subnets))
    .sort((a, b) => compare(a.first, b.first));
  return offices.map((subnets) => {
    const read = readSubnets(subnets);
    const spoken = read.some(({ family }) => family === 4) ? 4 : 6;
    const own = read.filter(({ family }) => family === spoken);
    return own.map((subnet) => without(subnet, claimsIn(claims, subnet)));
  });
}

/** What is left of a subnet where others, in order, are taken out of it. */
function without(subnet: Subnet, inner: readonly Subnet[]): Segment[] {
  const { family } = subnet;
  const segments: Segment[] = [];
  let at = firstHost(subnet);
  for (const { first, last } of inner) {
    if (first > at) segments.push({ family, first: at, last: first - 1n });
    if (last >= at) at = last + 1n;
  }
  const last = lastHost(subnet);
  if (at <= last) segments.push({ family, first: at, last });
  return segments;
}

/** The claims that lie within a subnet and are narrower, in the order in which they begin. */
function claimsIn(claims: readonly Subnet[], outer: Subnet): readonly Subnet[] {
  const found: Subnet[] = [];
  for (let index = firstFrom(claims, outer.first); index < claims.length; index += 1) {
    const inner = claims[index];
    if (inner === undefined || inner.first > outer.last) break;
    const same = inner.first === outer.first && inner.last === outer.last;
    if (inner.family === outer.family && inner.last <= outer.last && !same) found.push(inner);
  }
  return found;
}

/** The place of the first claim, of those in order, that begins at `first` or behind it. */
function firstFrom(claims: readonly Subnet[], first: bigint): number {
  let low = 0;
  let high = claims.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((claims[middle]?.first ?? 0n) < first) low = middle + 1;
    else high = middle;
  }
  return low;
}

function readSubnets(texts: readonly string[]): readonly Subnet[] {
  return [...new Set(texts)].map((text) => {
    const parsed = parseSubnet(text);
    invariant("subnet" in parsed, "a sound topology has subnets that can be read");
    return parsed.subnet;
  });
}

/** The address of the subnet itself and its broadcast address are no device's. */
function firstHost(subnet: Subnet): bigint {
  return subnet.first + (hasEnds(subnet) ? 1n : 0n);
}

function lastHost(subnet: Subnet): bigint {
  return subnet.last - (hasEnds(subnet) ? 1n : 0n);
}

/** Ranges, point-to-point subnets (RFC 3021) and single addresses are used to the last. */
function hasEnds({ text, first, last }: Subnet): boolean {
  return text.includes("/") && last - first > 1n;
}

/** How many devices a segment has room for; capped, as that of a /64 is no number any more. */
function roomIn({ family, first, last }: Segment): number {
  const all = last - first + 1n;
  const skipped = family === 6 ? 0n : endings(last) - endings(first - 1n);
  return Number(all - skipped < ROOM_MAX ? all - skipped : ROOM_MAX);
}

const ROOM_MAX = 1n << 32n;

/** How many addresses up to this one end in 0 or 255, which in most networks are no device's. */
function endings(value: bigint): bigint {
  return (value >> 8n) + 1n + ((value + 1n) >> 8n);
}

function isHost(family: 4 | 6, value: bigint): boolean {
  const end = value & 255n;
  return family === 6 || (end !== 0n && end !== 255n);
}

/** The first hosts of subnets, of one after the other in turn; fewer where there are no more. */
function firstHosts(subnets: readonly (readonly Segment[])[], wanted: number): readonly string[] {
  const hosts = new Set<string>();
  let open = subnets.map((segments) => hostsOf(segments));
  while (hosts.size < wanted && open.length > 0) {
    const still: Generator<string>[] = [];
    for (const one of open) {
      const next = hosts.size < wanted ? one.next() : { done: true as const, value: undefined };
      if (next.done === true) continue;
      hosts.add(next.value);
      still.push(one);
    }
    open = still;
  }
  return [...hosts];
}

function* hostsOf(segments: readonly Segment[]): Generator<string> {
  for (const { family, first, last } of segments) {
    for (let value = first; value <= last; value += 1n) {
      if (isHost(family, value)) yield formatAddress({ family, value });
    }
  }
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
