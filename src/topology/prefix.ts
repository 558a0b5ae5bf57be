import { addressBits, formatAddress, type IpAddress, parseAddress } from "./address.ts";

/** All addresses that begin with the same `length` bits; the bits of `value` behind them are 0. */
export type Prefix = {
  readonly family: 4 | 6;
  readonly value: bigint;
  readonly length: number;
};

/** Some addresses in a row, as somebody wrote them. */
export type Subnet = {
  /** Canonical: a CIDR, or `first-last`. */
  readonly text: string;
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
  /** The fewest prefixes that cover exactly these addresses. */
  readonly prefixes: readonly Prefix[];
};

/** Why a subnet cannot be read; a part of a sentence, to follow "the subnet". */
export type SubnetProblem = string;

/**
 * Reads a CIDR (`10.1.0.0/16`), a single address, or a range (`10.1.0.10-10.1.0.99`).
 *
 * @returns The subnet, or what is wrong with it.
 */
export function parseSubnet(
  text: string,
): { readonly subnet: Subnet } | { readonly problem: SubnetProblem } {
  const written = text.trim();
  if (written.includes("-")) return parseRange(written);
  const slash = written.indexOf("/");
  const address = parseAddress(slash < 0 ? written : written.slice(0, slash));
  if (address === undefined) return { problem: "does not begin with an IPv4 or IPv6 address" };
  const bits = addressBits(address.family);
  const lengthText = slash < 0 ? String(bits) : written.slice(slash + 1);
  const length = Number(lengthText);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(lengthText) || length > bits) {
    return { problem: `needs a prefix length from 0 to ${bits} behind the slash` };
  }
  const prefix = prefixOf(address, length);
  if (prefix.value !== address.value) {
    return { problem: `has bits set behind its prefix: write ${formatPrefix(prefix)}` };
  }
  const last = prefix.value + (1n << BigInt(bits - length)) - 1n;
  const { family, value: first } = prefix;
  return { subnet: { text: formatPrefix(prefix), family, first, last, prefixes: [prefix] } };
}

/** The prefix of a length that an address lies in. */
export function prefixOf(address: IpAddress, length: number): Prefix {
  const spare = BigInt(addressBits(address.family) - length);
  return { family: address.family, value: (address.value >> spare) << spare, length };
}

/** Writes a prefix as a CIDR. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.length}`;
}

/** A map from prefixes to values in which the longest prefix of an address is found. */
export class PrefixMap<T> {
  readonly #lengths: { readonly 4: number[]; readonly 6: number[] } = { 4: [], 6: [] };
  readonly #values = new Map<string, T>();

  /** A map of its own with the same prefixes. */
  copy(): PrefixMap<T> {
    const copy = new PrefixMap<T>();
    copy.#lengths[4].push(...this.#lengths[4]);
    copy.#lengths[6].push(...this.#lengths[6]);
    for (const [key, value] of this.#values) copy.#values.set(key, value);
    return copy;
  }

  set(prefix: Prefix, value: T): void {
    this.#values.set(keyOf(prefix), value);
    const lengths = this.#lengths[prefix.family];
    if (lengths.includes(prefix.length)) return;
    lengths.push(prefix.length);
    lengths.sort((a, b) => b - a);
  }

  get(prefix: Prefix): T | undefined {
    return this.#values.get(keyOf(prefix));
  }

  /** The value of the longest prefix that the address begins with. */
  longest(address: IpAddress): T | undefined {
    for (const length of this.#lengths[address.family]) {
      const value = this.#values.get(keyOf(prefixOf(address, length)));
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

function keyOf(prefix: Prefix): string {
  return `${prefix.family}/${prefix.length}/${prefix.value.toString(36)}`;
}

function parseRange(text: string): ReturnType<typeof parseSubnet> {
  const [firstText = "", lastText = "", ...rest] = text.split("-");
  const first = parseAddress(firstText.trim());
  const last = parseAddress(lastText.trim());
  if (first === undefined || last === undefined || rest.length > 0) {
    return { problem: "is no range: write it as 10.1.0.10-10.1.0.99" };
  }
  if (first.family !== last.family) return { problem: "mixes IPv4 and IPv6" };
  if (first.value > last.value) return { problem: "ends before it begins" };
  const prefixes = cover(first.family, first.value, last.value);
  const [only] = prefixes;
  return {
    subnet: {
      text:
        prefixes.length === 1 && only !== undefined
          ? formatPrefix(only)
          : `${formatAddress(first)}-${formatAddress(last)}`,
      family: first.family,
      first: first.value,
      last: last.value,
      prefixes,
    },
  };
}

/** The fewest prefixes that cover `[first, last]`: at most two for each bit of an address. */
function cover(family: 4 | 6, first: bigint, last: bigint): Prefix[] {
  const bits = addressBits(family);
  const prefixes: Prefix[] = [];
  let at = first;
  while (at <= last) {
    let free = 0;
    while (free < bits && fits(at, last, free + 1)) free += 1;
    prefixes.push({ family, value: at, length: bits - free });
    at += 1n << BigInt(free);
  }
  return prefixes;
}

/** Whether a prefix with `free` open bits can start at `at` without passing `last`. */
function fits(at: bigint, last: bigint, free: number): boolean {
  const size = 1n << BigInt(free);
  return at % size === 0n && at + size - 1n <= last;
}
