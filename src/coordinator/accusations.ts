import type { DeviceId } from "../base/ids.ts";
import type { CoordinatorOutbox } from "./contract.ts";
import type { AccusationRow } from "./state.ts";

/** How many devices must accuse one for the organisation to shun it. */
export const REPORTERS_TO_SHUN = 3;

/** How long an accusation counts, in milliseconds. */
export const ACCUSATION_MS: number = 24 * 3_600_000;

/** Who accuses more devices than this within {@link ACCUSATION_MS} is not believed. */
export const ACCUSED_MAX = 8;

/** A repeated accusation is taken in at most so often, in milliseconds. */
const REPEAT_MS = 60_000;

/** Who has said what against whom (row B20): of each pair of devices the newest, for a day. */
export class Accusations {
  /** By reporter, then by accused: at most one more than {@link ACCUSED_MAX} for each reporter. */
  readonly #byReporter = new Map<DeviceId, Map<DeviceId, AccusationRow>>();
  readonly #reportersOf = new Map<DeviceId, Set<DeviceId>>();

  constructor(rows: readonly AccusationRow[]) {
    for (const row of rows) this.#put(row);
  }

  /** What is said against a device, the oldest first, also by those who are not believed. */
  against(accused: DeviceId): readonly AccusationRow[] {
    return [...(this.#reportersOf.get(accused) ?? [])].flatMap((reporter) => {
      const row = this.#byReporter.get(reporter)?.get(accused);
      return row === undefined ? [] : [row];
    });
  }

  /** Takes in an accusation; says whether it is news. */
  accuse(row: AccusationRow, outbox: CoordinatorOutbox): boolean {
    const said = this.#byReporter.get(row.reporter);
    for (const old of said?.values() ?? []) {
      if (old.atMs + ACCUSATION_MS <= row.atMs) this.#remove(old, outbox);
    }
    const before = said?.get(row.accused);
    if (before !== undefined && row.atMs < before.atMs + REPEAT_MS) return false;
    // Beyond the limit nothing of this reporter counts, so more of it need not be kept.
    if (before === undefined && (said?.size ?? 0) > ACCUSED_MAX) return false;
    this.#put(row);
    outbox.persist({ kind: "accusation-put", accusation: row });
    return true;
  }

  /** How many believable devices accuse this one now. */
  credibleReporters(accused: DeviceId, wallMs: number): number {
    return this.against(accused).filter(
      ({ reporter, atMs }) => isFresh(atMs, wallMs) && this.#isCredible(reporter, wallMs),
    ).length;
  }

  /** Forgets what was said against a device. */
  pardon(accused: DeviceId, outbox: CoordinatorOutbox): void {
    for (const row of this.against(accused)) this.#remove(row, outbox);
  }

  #isCredible(reporter: DeviceId, wallMs: number): boolean {
    const said = [...(this.#byReporter.get(reporter)?.values() ?? [])];
    return said.filter(({ atMs }) => isFresh(atMs, wallMs)).length <= ACCUSED_MAX;
  }

  #put(row: AccusationRow): void {
    const said = this.#byReporter.get(row.reporter) ?? new Map<DeviceId, AccusationRow>();
    this.#byReporter.set(row.reporter, said.set(row.accused, row));
    const reporters = this.#reportersOf.get(row.accused) ?? new Set<DeviceId>();
    this.#reportersOf.set(row.accused, reporters.add(row.reporter));
  }

  #remove({ reporter, accused }: AccusationRow, outbox: CoordinatorOutbox): void {
    this.#byReporter.get(reporter)?.delete(accused);
    this.#reportersOf.get(accused)?.delete(reporter);
    outbox.persist({ kind: "accusation-remove", reporter, accused });
  }
}

function isFresh(atMs: number, wallMs: number): boolean {
  return atMs + ACCUSATION_MS > wallMs;
}
