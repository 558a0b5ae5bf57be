import type { ContentId, DeviceId } from "../base/ids.ts";
import { SECOND } from "../base/units.ts";

/** How many devices of our LAN are remembered. */
export const DISCOVERED_MAX = 256;

/** A device that has not answered for this long is forgotten. */
export const DISCOVERED_US: number = 60 * SECOND;

/** How many of them a device names to the server as proof of where it is. */
export const WITNESSES_MAX = 8;

/** A device of our office that has answered on our LAN. */
export type Discovered = {
  /** Where its answer came from. */
  readonly host: string;
  readonly portOffset: number;
  /** Its one port in the single-port mode. */
  readonly singlePort: number | undefined;
  readonly heardAtUs: number;
  /** Of the contents that we asked for, those that it has or is to have. */
  readonly contents: readonly ContentId[];
};

/** The devices that have answered on our LAN, the one that has been silent longest first. */
export class DiscoveredDevices {
  readonly #devices = new Map<DeviceId, Discovered>();

  get size(): number {
    return this.#devices.size;
  }

  get(deviceId: DeviceId): Discovered | undefined {
    return this.#devices.get(deviceId);
  }

  has(deviceId: DeviceId): boolean {
    return this.#devices.has(deviceId);
  }

  entries(): readonly (readonly [DeviceId, Discovered])[] {
    return [...this.#devices];
  }

  /** Those that answered last, the latest first: what a device names to the server. */
  witnesses(): readonly DeviceId[] {
    return [...this.#devices.keys()].slice(-WITNESSES_MAX).reverse();
  }

  /** A device has answered; the one that has been silent longest makes room where there is none. */
  heard(deviceId: DeviceId, device: Discovered): void {
    this.#devices.delete(deviceId);
    this.#devices.set(deviceId, device);
    for (const oldest of this.#devices.keys()) {
      if (this.#devices.size <= DISCOVERED_MAX) return;
      this.#devices.delete(oldest);
    }
  }

  /** Forgets those that have been silent for too long. */
  forgetSilent(nowUs: number): void {
    for (const [deviceId, { heardAtUs }] of this.#devices) {
      if (nowUs - heardAtUs < DISCOVERED_US) return;
      this.#devices.delete(deviceId);
    }
  }

  clear(): void {
    this.#devices.clear();
  }
}
