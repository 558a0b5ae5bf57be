import type { ContentId } from "../base/ids.ts";
import { type DeploymentEntry, type Interval, PRIORITY_STEP } from "../wire/messages.ts";
import { type Condition, parseCondition, satisfies } from "./conditions.ts";
import { type Place, type Said, saidOf, scopeText } from "./directives.ts";
import type { DeploymentRow, DeviceRow, Priority } from "./state.ts";
import { openingsOf, parseWindow, type Window, weekOf } from "./windows.ts";

/** Most deployments that a server keeps; a device can be told of as many. */
export const DEPLOYMENTS_MAX = 4_096;

/** How much of what is said to one device may be times at which deployments open. */
const INTERVALS_TOLD_MAX = 16_384;

/** On the wire: lower is served first. */
const CLASSES: Readonly<Record<Priority, number>> = { high: 0, medium: 1, low: 2 };

/** What deployments have to be judged with. */
export type DeploymentSources = {
  /** An office and those above it. */
  readonly upwards: (office: string) => ReadonlySet<string>;
  /** The time zone of an office. */
  readonly zoneOf: (office: string) => string;
  readonly offsetMs: (zone: string, atMs: number) => number;
  readonly isInGroup: (group: string, deviceId: string) => boolean;
};

/** How a deployment stands to a device that it is for. */
export type Standing = {
  readonly kind: "active" | "paused" | "closed" | "cancelled";
  readonly priority: Priority;
  /** Why nothing is fetched; empty where something may be. */
  readonly why: string;
  /** When it may be fetched next; absent where it may be now, or nobody knows. */
  readonly opensAtMs?: number;
};

/** A deployment in a form that is quick to ask. */
type Indexed = {
  row: DeploymentRow;
  readonly offices: ReadonlySet<string>;
  readonly officeTrees: readonly string[];
  readonly groups: readonly string[];
  readonly devices: ReadonlySet<string>;
  readonly conditions: readonly Condition[];
  readonly windows: readonly Window[];
  /** When it is open, by time zone, in the week for which this was worked out. */
  readonly openings: Map<string, readonly Interval[] | undefined>;
};

/** All deployments, and what each of them says to a device: rules, looked at anew each time. */
export class Deployments {
  readonly #sources: DeploymentSources;
  readonly #deployments = new Map<string, Indexed>();
  /** The ids of those that bring a content. */
  readonly #byContent = new Map<ContentId, Set<string>>();
  #week = Number.NaN;

  constructor(rows: readonly DeploymentRow[], sources: DeploymentSources) {
    this.#sources = sources;
    for (const row of rows) this.put(row);
  }

  /** Whether there can be no more of them. Those that were cancelled do not count. */
  get full(): boolean {
    return this.#active().length >= DEPLOYMENTS_MAX;
  }

  /** In the order of their creation. */
  rows(): readonly DeploymentRow[] {
    return [...this.#deployments.values()].map(({ row }) => row);
  }

  get(deploymentId: string): DeploymentRow | undefined {
    return this.#deployments.get(deploymentId)?.row;
  }

  /** Takes in a deployment, or what has become of one. */
  put(row: DeploymentRow): void {
    this.#deployments.set(row.deploymentId, indexed(row));
    const ids = this.#byContent.get(row.contentId) ?? new Set();
    this.#byContent.set(row.contentId, ids.add(row.deploymentId));
  }

  /** The contents that deployments name that were not cancelled, each once. */
  contents(): ReadonlySet<ContentId> {
    return new Set(this.#active().map(({ row }) => row.contentId));
  }

  /** Whether a deployment is a rule for a device, whatever has been said of it since. */
  isFor(deploymentId: string, device: DeviceRow): boolean {
    const one = this.#deployments.get(deploymentId);
    return one !== undefined && this.#matches(one, device);
  }

  /** Whether a deployment brings a content to a device, now or later. */
  brings(contentId: ContentId, device: DeviceRow): boolean {
    for (const deploymentId of this.#byContent.get(contentId) ?? []) {
      const one = this.#deployments.get(deploymentId);
      if (one === undefined || one.row.cancelledAtMs !== undefined) continue;
      if (!this.#matches(one, device)) continue;
      const { directives } = one.row;
      if (directives.length === 0) return true;
      if (saidOf(directives, this.#placeOf(device)).cancelled === undefined) return true;
    }
    return false;
  }

  /** How a deployment stands to a device that it is for. */
  standing(deploymentId: string, device: DeviceRow, wallMs: number): Standing {
    const one = this.#deployments.get(deploymentId);
    if (one === undefined) return { kind: "cancelled", priority: "medium", why: "" };
    const said = saidOf(one.row.directives, this.#placeOf(device));
    const { priority = one.row.priority } = said;
    if (one.row.cancelledAtMs !== undefined) {
      return { kind: "cancelled", priority, why: "the deployment is cancelled" };
    }
    if (said.cancelled !== undefined) {
      return { kind: "cancelled", priority, why: `cancelled for ${scopeText(said.cancelled)}` };
    }
    if (said.paused !== undefined) {
      return { kind: "paused", priority, why: `${scopeText(said.paused)} is paused` };
    }
    const open = this.#openings(one, device.office, wallMs);
    const isOpen = open?.some(({ fromMs, toMs }) => fromMs <= wallMs && wallMs < toMs) ?? true;
    if (isOpen) return { kind: "active", priority, why: "" };
    const next = open?.find(({ fromMs }) => fromMs > wallMs);
    if (next === undefined) return { kind: "closed", priority, why: "its time is over" };
    const why = "it waits for its time";
    return { kind: "closed", priority, why, opensAtMs: next.fromMs };
  }

  /** All that a device is told: what it is to have, and what it need not finish. */
  listFor(
    device: DeviceRow,
    wallMs: number,
  ): {
    readonly deployments: readonly DeploymentEntry[];
    readonly cancelled: readonly ContentId[];
  } {
    const place = this.#placeOf(device);
    const entries: DeploymentEntry[] = [];
    const cancelled = new Set<ContentId>();
    for (const one of this.#deployments.values()) {
      if (!this.#matches(one, device)) continue;
      const said = saidOf(one.row.directives, place);
      if (one.row.cancelledAtMs !== undefined || said.cancelled !== undefined) {
        cancelled.add(one.row.contentId);
        continue;
      }
      entries.push(entryOf(one.row, said, this.#openings(one, device.office, wallMs)));
    }
    for (const { contentId } of entries) cancelled.delete(contentId);
    return {
      deployments: withinBounds(entries.slice(0, DEPLOYMENTS_MAX)),
      cancelled: [...cancelled].slice(-DEPLOYMENTS_MAX),
    };
  }

  /** Whether a new week has begun since this was last asked, so that devices know too few. */
  isNewWeek(wallMs: number): boolean {
    const week = weekOf(wallMs);
    if (week === this.#week) return false;
    const isFirst = Number.isNaN(this.#week);
    this.#week = week;
    for (const { openings } of this.#deployments.values()) openings.clear();
    return !isFirst;
  }

  #active(): readonly Indexed[] {
    return [...this.#deployments.values()].filter(({ row }) => row.cancelledAtMs === undefined);
  }

  #placeOf({ deviceId, office }: DeviceRow): Place {
    return { deviceId, offices: this.#sources.upwards(office) };
  }

  #matches(one: Indexed, device: DeviceRow): boolean {
    const { row, offices, officeTrees, groups, devices, conditions } = one;
    const { deviceId, office } = device;
    const isNamed =
      row.targets.all === true ||
      offices.has(office) ||
      devices.has(deviceId) ||
      officeTrees.some((tree) => this.#sources.upwards(office).has(tree)) ||
      groups.some((group) => this.#sources.isInGroup(group, deviceId)) ||
      (conditions.length > 0 && namesNobody(one));
    return isNamed && satisfies(device, conditions);
  }

  #openings(one: Indexed, office: string, wallMs: number): readonly Interval[] | undefined {
    this.isNewWeek(wallMs);
    const zone = this.#sources.zoneOf(office);
    if (one.openings.has(zone)) return one.openings.get(zone);
    const offsetMs = (atMs: number): number => this.#sources.offsetMs(zone, atMs);
    const open = openingsOf({ ...one.row, windows: one.windows }, offsetMs, wallMs);
    one.openings.set(zone, open);
    return open;
  }
}

/** The place of a priority and an order on the one scale that devices know. */
export function priorityNumber(priority: Priority, place: number): number {
  const middle = PRIORITY_STEP / 2;
  const order = Math.max(0, Math.min(PRIORITY_STEP - 1, middle + place));
  return CLASSES[priority] * PRIORITY_STEP + order;
}

function namesNobody({ offices, officeTrees, groups, devices }: Indexed): boolean {
  return offices.size + officeTrees.length + groups.length + devices.size === 0;
}

function entryOf(
  { deploymentId, contentId, priority, place, runAction }: DeploymentRow,
  said: Said,
  open: readonly Interval[] | undefined,
): DeploymentEntry {
  return {
    deploymentId,
    contentId,
    priority: priorityNumber(said.priority ?? priority, place),
    ...(said.paused === undefined ? {} : { paused: true }),
    ...(open === undefined ? {} : { open }),
    ...(said.attempt === 0 ? {} : { attempt: said.attempt }),
    ...(runAction ? { runAction } : {}),
  };
}

/** Of many deployments with windows each is told for a shorter time. */
function withinBounds(entries: readonly DeploymentEntry[]): readonly DeploymentEntry[] {
  const all = entries.reduce((sum, { open = [] }) => sum + open.length, 0);
  if (all <= INTERVALS_TOLD_MAX) return entries;
  const each = Math.floor(INTERVALS_TOLD_MAX / entries.length);
  return entries.map((entry) =>
    entry.open === undefined ? entry : { ...entry, open: entry.open.slice(0, each) },
  );
}

/** What cannot be read was refused when it was said: a row holds none of it. */
function indexed(row: DeploymentRow): Indexed {
  const { offices = [], officeTrees = [], groups = [], devices = [], where = [] } = row.targets;
  return {
    row,
    offices: new Set(offices),
    officeTrees,
    groups,
    devices: new Set(devices),
    conditions: where.flatMap((text) => {
      const condition = parseCondition(text);
      return "problem" in condition ? [] : [condition];
    }),
    windows: row.windows.flatMap((text) => parseWindow(text) ?? []),
    openings: new Map(),
  };
}
