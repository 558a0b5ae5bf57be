import type { DeviceId } from "../base/ids.ts";
import type { ProfileInForce } from "../wire/profile.ts";
import type { CoordinatorOutbox } from "./contract.ts";

/** A registered device and what it was told last. */
type Reader = {
  readonly association: number;
  readonly deviceId: DeviceId;
  sentKey: string | undefined;
};

/**
 * Tells each device which values of profiles are in force for it: when it registers, and then only
 * where they differ from what it was told last (PF1).
 */
export class ProfileWords {
  readonly #epoch: number;
  readonly #valuesFor: (deviceId: DeviceId) => ProfileInForce;
  readonly #readers = new Map<number, Reader>();
  /** Readers to be looked at at the end of this step. */
  readonly #unlooked = new Set<Reader>();
  #version = 0;

  constructor(epoch: number, valuesFor: (deviceId: DeviceId) => ProfileInForce) {
    this.#epoch = epoch;
    this.#valuesFor = valuesFor;
  }

  /** From now on this device is told. */
  registered({ association, deviceId }: Pick<Reader, "association" | "deviceId">): void {
    const known = this.#readers.get(association);
    const reader = known ?? { association, deviceId, sentKey: undefined };
    this.#readers.set(association, reader);
    this.#unlooked.add(reader);
  }

  forget(association: number): void {
    const reader = this.#readers.get(association);
    if (reader === undefined) return;
    this.#readers.delete(association);
    this.#unlooked.delete(reader);
  }

  /** Profiles, groups or offices have changed: everybody is looked at. */
  changed(): void {
    for (const reader of this.#readers.values()) this.#unlooked.add(reader);
  }

  /** Tells those for whom something else is in force than before. */
  send(outbox: CoordinatorOutbox): void {
    for (const reader of this.#unlooked) {
      const values = this.#valuesFor(reader.deviceId);
      const key = JSON.stringify(values);
      if (key === reader.sentKey) continue;
      reader.sentKey = key;
      this.#version += 1;
      const numbers = { epoch: this.#epoch, version: this.#version };
      outbox.send(reader.association, { kind: "profile", ...numbers, values });
    }
    this.#unlooked.clear();
  }
}
