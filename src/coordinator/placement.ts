import type { DeviceId } from "../base/ids.ts";
import { parseAddress } from "../topology/address.ts";
import { formatPrefix, prefixOf } from "../topology/prefix.ts";

/** What is known of where a device is. Addresses are canonical. */
export type Whereabouts = {
  /** What it says of itself, the best first. */
  readonly hosts: readonly string[];
  /** The address from which the server hears it. */
  readonly seenHost: string;
  /** Devices that have answered on its own LAN, as it says. */
  readonly witnesses: readonly DeviceId[];
};

/** What a device is placed by. */
export type PlacementSources = {
  /** The office whose subnet holds an address by the longest prefix. */
  readonly officeOf: (host: string) => string | undefined;
  /** From where the server hears a device that is present and known to be in this office. */
  readonly seenMember: (deviceId: DeviceId, office: string) => string | undefined;
};

/**
 * The office of a device; `undefined` where it is in none.
 *
 * That its own address fits is not enough: many home networks have the addresses of some office. So
 * the server must see it from that office's side too, or see it from where it sees a member of the
 * office that has answered on the device's LAN. What fits neither belongs where it is seen from.
 */
export function placeOf(where: Whereabouts, sources: PlacementSources): string | undefined {
  const seen = sources.officeOf(where.seenHost);
  const claimed = where.hosts.map(sources.officeOf).filter((office) => office !== undefined);
  const confirmed = claimed.find((office) => office === seen);
  if (confirmed !== undefined) return confirmed;
  const witnessed = claimed.find((office) =>
    where.witnesses.some((witness) => {
      const beside = sources.seenMember(witness, office);
      return beside !== undefined && onSameSide(beside, where.seenHost);
    }),
  );
  return witnessed ?? seen;
}

/** How much of two addresses must be equal for one network to be behind both, by family. */
const SIDE_LENGTH = { 4: 24, 6: 64 } as const;

function onSameSide(a: string, b: string): boolean {
  const side = sideOf(a);
  return side !== undefined && side === sideOf(b);
}

function sideOf(host: string): string | undefined {
  const address = parseAddress(host);
  if (address === undefined) return undefined;
  return formatPrefix(prefixOf(address, SIDE_LENGTH[address.family]));
}
