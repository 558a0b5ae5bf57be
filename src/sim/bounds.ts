import { SECOND } from "../base/units.ts";
import type { OfficeType } from "../topology/office.ts";

/** An office as far as it decides how soon a package can be everywhere. */
export type BoundedOffice = {
  readonly name: string;
  /** Absent for the Central Office alone. */
  readonly parent?: string;
  readonly type: OfficeType;
  readonly devices: number;
  /** Of its line to its parent, in bytes a second; not looked at in the Central Office. */
  readonly lineRate: number;
  readonly lineDelayUs: number;
};

/** What may be the slowest on the way to an office. */
export type Narrow = {
  /** Its line; what its devices send to the offices below it; what one of them takes in. */
  readonly kind: "line" | "uploads" | "lan";
  readonly office: string;
  /** How long everything takes that has to go through there. */
  readonly seconds: number;
};

/** The least time in which an office can have everything. */
export type OfficeBound = {
  readonly seconds: number;
  readonly narrowest: Narrow;
  /** How many copies have to cross its line; 0 for the Central Office. */
  readonly copies: number;
};

/**
 * When each office can be done at the earliest:
 *
 *     the most of  copies x size / rate  over all that is on the way
 *     + for each line on the way, the time of one piece and the delay
 *
 * On the way are the lines from the Central Office to the office, each crossed by one copy (by one
 * for each device of a VPN office); what the devices of each office above send to those below; and
 * what one device takes in from its LAN.
 */
export function boundsOf(
  offices: readonly BoundedOffice[],
  content: BoundedContent,
): ReadonlyMap<string, OfficeBound> {
  const tree = treeOf(offices);
  const bounds = new Map<string, OfficeBound>();
  for (const central of tree.childrenOf(undefined)) {
    const nothing = { kind: "lan", office: central.name, seconds: 0 } as const;
    visit(central, { fillS: 0, narrowest: nothing }, { tree, content, bounds });
  }
  return bounds;
}

/** What is to be distributed, and how fast a device sends and receives in its LAN. */
export type BoundedContent = {
  readonly sizeBytes: number;
  readonly pieceBytes: number;
  /** Bytes a second; `Infinity` where nothing but lines is slow. */
  readonly lanRate: number;
};

/** What has been passed on the way to an office. */
type Passage = { readonly fillS: number; readonly narrowest: Narrow };

type Work = {
  readonly tree: Tree;
  readonly content: BoundedContent;
  readonly bounds: Map<string, OfficeBound>;
};

function visit(office: BoundedOffice, above: Passage, work: Work): void {
  const { name, parent, devices } = office;
  const { tree, content, bounds } = work;
  const { sizeBytes, lanRate } = content;
  const isCentral = parent === undefined;
  const copies = isCentral ? 0 : tree.wanted(office);
  const passage = isCentral ? above : onward(above, office, { content, copies });
  // The first device of the Central Office is the publisher, and has everything.
  const lanS = devices > (isCentral ? 1 : 0) ? sizeBytes / lanRate : 0;
  const narrowest = narrower(passage.narrowest, { kind: "lan", office: name, seconds: lanS });
  bounds.set(name, { seconds: narrowest.seconds + passage.fillS, narrowest, copies });
  const below = tree.childrenOf(name);
  const sentBytes = below.reduce((sum, child) => sum + tree.wanted(child), 0) * sizeBytes;
  const senders = office.type === "vpn" ? 0 : devices;
  const seconds = senders === 0 ? 0 : sentBytes / (senders * lanRate);
  const uploads = { kind: "uploads", office: name, seconds } as const;
  const next = { ...passage, narrowest: narrower(passage.narrowest, uploads) };
  for (const child of below) visit(child, next, work);
}

type Tree = {
  childrenOf(name: string | undefined): readonly BoundedOffice[];
  /** How many copies an office and those below it want from above. */
  wanted(office: BoundedOffice): number;
};

function treeOf(offices: readonly BoundedOffice[]): Tree {
  const children = new Map<string | undefined, BoundedOffice[]>();
  for (const office of offices) {
    const siblings = children.get(office.parent);
    if (siblings === undefined) children.set(office.parent, [office]);
    else siblings.push(office);
  }
  const known = new Map<string, number>();
  const childrenOf = (name: string | undefined) => children.get(name) ?? [];
  const wanted = (office: BoundedOffice): number => {
    const before = known.get(office.name);
    if (before !== undefined) return before;
    const below = childrenOf(office.name).reduce((sum, child) => sum + wanted(child), 0);
    const copies = wantedBy(office, below);
    known.set(office.name, copies);
    return copies;
  };
  return { childrenOf, wanted };
}

function wantedBy({ type, devices }: BoundedOffice, below: number): number {
  // Devices of a VPN office fetch each for itself, and serve nobody below them.
  if (type === "vpn" || devices === 0) return devices + below;
  return 1;
}

function onward(
  above: Passage,
  { name, lineRate, lineDelayUs }: BoundedOffice,
  { content, copies }: { readonly content: BoundedContent; readonly copies: number },
): Passage {
  const { sizeBytes, pieceBytes } = content;
  const seconds = (copies * sizeBytes) / lineRate;
  return {
    fillS: above.fillS + pieceBytes / lineRate + lineDelayUs / SECOND,
    narrowest: narrower(above.narrowest, { kind: "line", office: name, seconds }),
  };
}

function narrower(one: Narrow, other: Narrow): Narrow {
  return other.seconds > one.seconds ? other : one;
}
