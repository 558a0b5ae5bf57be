import type { DeviceId } from "../base/ids.ts";
import type { Parts } from "./commands.ts";
import type { ContentRow, DeviceRow } from "./state.ts";
import { addTallies, NO_TALLY, type Tally } from "./tallies.ts";

/** What of the organisation is looked at. What is not said is not narrowed down. */
export type DistributionScope = {
  /** With all offices below it. */
  readonly office?: string;
  readonly deviceId?: string;
  readonly contents: readonly ContentRow[];
};

/** How the devices of an office and of those below it stand (row C2). */
export type OfficeDistribution = {
  readonly office: string;
  /** Absent for the Central Office, and for what is in no office. */
  readonly parent?: string;
  /** How many offices lie above it. */
  readonly depth: number;
  /** How many devices are enrolled there. */
  readonly devices: number;
  readonly tally: Tally;
};

/** What the distribution is read from. */
export type DistributionParts = Pick<Parts, "roster" | "rollout">;

/** The offices in scope in the order of the tree, each with the sums of all below it. */
export function distributionByOffice(
  parts: DistributionParts,
  scope: DistributionScope,
): readonly OfficeDistribution[] {
  const { offices } = parts.roster;
  const devices = new Map<string, number>();
  for (const { office } of devicesInScope(parts, scope)) {
    for (const name of upwards(parts, office)) devices.set(name, (devices.get(name) ?? 0) + 1);
  }
  const tallies = new Map<string, Tally>();
  for (const [office, tally] of scope.contents.flatMap((one) => contributions(parts, scope, one))) {
    for (const name of upwards(parts, office)) {
      tallies.set(name, addTallies(tallies.get(name) ?? NO_TALLY, tally));
    }
  }
  const tree = inTreeOrder(parts);
  // Devices that no office claims, and offices that are in no topology any more.
  const strays = [...new Set([...devices.keys(), ...tallies.keys()])].filter(
    (name) => !offices.has(name),
  );
  return [...tree, ...strays]
    .filter((name) => isInScope(parts, scope.office, name))
    .map((name) => {
      const parent = offices.get(name)?.parent;
      return {
        office: name,
        ...(parent === undefined ? {} : { parent }),
        depth: upwards(parts, name).size - 1,
        devices: devices.get(name) ?? 0,
        tally: tallies.get(name) ?? NO_TALLY,
      };
    });
}

/** The sums of a content over what is in scope. */
export function distributionOfContent(
  parts: DistributionParts,
  scope: Omit<DistributionScope, "contents">,
  content: ContentRow,
): Tally {
  return contributions(parts, scope, content)
    .map(([, tally]) => tally)
    .reduce(addTallies, NO_TALLY);
}

/** The sums of a device over contents. */
export function distributionOfDevice(
  { rollout }: Pick<Parts, "rollout">,
  contents: readonly ContentRow[],
  device: DeviceRow,
): Tally {
  return contents
    .map((content) => rollout.tallies.device(content.contentId, device))
    .reduce(addTallies, NO_TALLY);
}

/** The devices in scope whose identity is good; of one that is named, also where it is not. */
export function* devicesInScope(
  { roster }: Pick<Parts, "roster">,
  { office, deviceId }: Omit<DistributionScope, "contents">,
): Iterable<DeviceRow> {
  if (deviceId !== undefined) {
    const device = roster.device(deviceId as DeviceId);
    if (device !== undefined && isInScope({ roster }, office, device.office)) yield device;
    return;
  }
  for (const device of roster.everyDevice()) {
    if (device.retiredAtMs !== undefined) continue;
    if (isInScope({ roster }, office, device.office)) yield device;
  }
}

/** What the offices in scope, or the one device, add to a content. */
function contributions(
  parts: DistributionParts,
  scope: Omit<DistributionScope, "contents">,
  content: ContentRow,
): readonly (readonly [string, Tally])[] {
  if (scope.deviceId === undefined) {
    return [...parts.rollout.tallies.of(content.contentId)].filter(([office]) =>
      isInScope(parts, scope.office, office),
    );
  }
  return [...devicesInScope(parts, scope)].map((device) => [
    device.office,
    parts.rollout.tallies.device(content.contentId, device),
  ]);
}

function inTreeOrder({ roster }: Pick<Parts, "roster">): readonly string[] {
  const withBelow = (name: string): readonly string[] => [
    name,
    ...(roster.offices.get(name)?.children ?? []).flatMap(withBelow),
  ];
  const roots = roster.offices.specs().filter(({ parent }) => parent === undefined);
  return roots.flatMap(({ name }) => withBelow(name));
}

/** An office and those above it; of one that is in no topology any more itself alone. */
function upwards({ roster }: Pick<Parts, "roster">, office: string): ReadonlySet<string> {
  const names = roster.offices.upwards(office);
  return names.size === 0 ? new Set([office]) : names;
}

/** Whether an office is the wanted one or below it; all are where none is wanted. */
export function isInScope(
  { roster }: Pick<Parts, "roster">,
  wanted: string | undefined,
  office: string,
): boolean {
  if (wanted === undefined || wanted === office) return true;
  return roster.offices.upwards(office).has(wanted);
}
