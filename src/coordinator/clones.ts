import type { DeviceId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";
import type { Register } from "../wire/messages.ts";
import type { DeviceRow } from "./state.ts";

/** How often two starts of one device may take turns within {@link CLONE_US}: not so often. */
export const TURNS_OF_CLONES = 3;

/** Within which time turns are counted. */
export const CLONE_US: number = 60 * SECOND;

/** Most identities that are given for one that was taken back; a golden image has many copies. */
export const REENROLMENTS_MAX = 1_024;

/** Most machines at a time that may ask for an identity in place of one. */
export const CLONE_SESSIONS_MAX = 64;

/** One start of a device and when it registered. */
type Turn = { readonly bootId: number; readonly atUs: number };

/**
 * Finds identities that more than one machine has (row B25), as copies of one disk have.
 *
 * Either the machines have names of their own, or they push each other's connection aside: a device
 * that is merely restarted never comes back with the boot id of an earlier start.
 */
export class Clones {
  readonly #turns = new Map<DeviceId, Turn[]>();
  /** Sessions of identities that were taken back: they may ask for one of their own. */
  readonly #sessions = new Map<number, DeviceId>();
  readonly #given = new Map<DeviceId, number>();

  /** Whether what a device says of itself shows that another machine has its identity too. */
  isClone(device: DeviceRow, said: Register, nowUs: number): boolean {
    // An agent that cannot name its machine says nothing by that.
    const named = device.machineId !== "" && said.machineId !== "";
    if (named && device.machineId !== said.machineId) return true;
    const turns = this.#turns.get(device.deviceId) ?? [];
    if (turns.at(-1)?.bootId === said.bootId) return false;
    const recent = turns.filter(({ atUs }) => nowUs < atUs + CLONE_US).slice(-8);
    const returns = recent.some(({ bootId }) => bootId === said.bootId);
    recent.push({ bootId: said.bootId, atUs: nowUs });
    this.#turns.set(device.deviceId, recent);
    return returns && recent.length > TURNS_OF_CLONES;
  }

  /**
   * Takes in a session of an identity that was taken back.
   *
   * @returns The one that has to make room for it, where there are too many.
   */
  admit(association: number, deviceId: DeviceId): number | undefined {
    this.#turns.delete(deviceId);
    this.#sessions.set(association, deviceId);
    const others = [...this.#sessions].filter(([, former]) => former === deviceId);
    const oldest = others.length > CLONE_SESSIONS_MAX ? others[0]?.[0] : undefined;
    if (oldest !== undefined) this.#sessions.delete(oldest);
    return oldest;
  }

  /** The identity that this session must give up; `undefined` where it is none of these. */
  former(association: number): DeviceId | undefined {
    return this.#sessions.get(association);
  }

  forget(association: number): void {
    this.#sessions.delete(association);
  }

  /** Counts an identity given for one that was taken back; says whether there may be one more. */
  mayGive(former: DeviceId): boolean {
    const given = this.#given.get(former) ?? 0;
    if (given >= REENROLMENTS_MAX) return false;
    this.#given.set(former, given + 1);
    return true;
  }
}
