import type { CoordinatorOutbox } from "./contract.ts";
import type { GroupRow } from "./state.ts";

/** Most groups, and most devices of one. */
export const GROUPS_MAX = 1_024;
export const GROUP_DEVICES_MAX = 16_384;

/** Named sets of devices, for deployments. */
export class Groups {
  readonly #groups = new Map<string, ReadonlySet<string>>();

  constructor(groups: readonly GroupRow[]) {
    for (const { name, devices } of groups) this.#groups.set(name, new Set(devices));
  }

  get full(): boolean {
    return this.#groups.size >= GROUPS_MAX;
  }

  /** All groups, in the order of their creation. */
  list(): readonly GroupRow[] {
    return [...this.#groups].map(([name, devices]) => ({ name, devices: [...devices] }));
  }

  get(name: string): ReadonlySet<string> | undefined {
    return this.#groups.get(name);
  }

  has(name: string, deviceId: string): boolean {
    return this.#groups.get(name)?.has(deviceId) === true;
  }

  /** Makes a group, or says who is in it from now on. */
  put(name: string, devices: Iterable<string>, outbox: CoordinatorOutbox): void {
    const members = new Set(devices);
    this.#groups.set(name, members);
    outbox.persist({ kind: "group-put", group: { name, devices: [...members] } });
  }

  remove(name: string, outbox: CoordinatorOutbox): void {
    if (this.#groups.delete(name)) outbox.persist({ kind: "group-remove", name });
  }
}
