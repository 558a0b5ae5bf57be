import { parseAddress } from "./address.ts";
import type { OfficeSpec } from "./office.ts";
import { formatPrefix, type Prefix, prefixOf } from "./prefix.ts";

/** The name that a generated Central Office has. */
export const CENTRAL_OFFICE = "Central Office";

/** Most offices that are generated; devices beyond them belong to none. */
export const GENERATED_OFFICES_MAX = 4_096;

/** How long a generated subnet's prefix is, by family. */
const PREFIX_LENGTH = { 4: 24, 6: 64 } as const;

/**
 * The office to add for a device at `address`, where the topology is generated: one for each /24
 * or /64 (row B5). The first is the Central Office and also has the subnets of the server itself;
 * all others are its children.
 *
 * @param offices - What has been generated so far; none of them claims `address`.
 * @returns `undefined` where `address` is none, or enough have been generated.
 */
export function generateOffice(
  offices: readonly Pick<OfficeSpec, "name" | "parent">[],
  address: string,
  serverAddresses: readonly string[],
): OfficeSpec | undefined {
  const subnet = subnetOf(address);
  if (subnet === undefined || offices.length >= GENERATED_OFFICES_MAX) return undefined;
  const central = offices.find(({ parent }) => parent === undefined);
  if (central === undefined) {
    const own = serverAddresses.map(subnetOf).filter((text) => text !== undefined);
    const subnets = own.length > 0 ? [...new Set(own)] : [subnet];
    return { name: CENTRAL_OFFICE, type: "default", subnets };
  }
  return { name: subnet, parent: central.name, type: "default", subnets: [subnet] };
}

function subnetOf(address: string): string | undefined {
  const parsed = parseAddress(address);
  if (parsed === undefined || parsed.value === 0n) return undefined;
  const prefix: Prefix = prefixOf(parsed, PREFIX_LENGTH[parsed.family]);
  return formatPrefix(prefix);
}
