import type { ContentId } from "../base/ids.ts";
import type { OfficeBytes } from "../wire/messages.ts";
import type { CoordinatorOutbox } from "./contract.ts";
import { add, type Counters, type LedgerRow } from "./state.ts";

/** What a device has taken in since it reported last. */
export type Intake = Pick<Counters, "wanInBytes" | "lanInBytes" | "originInBytes"> & {
  readonly farInBytes: readonly OfficeBytes[];
};

/**
 * What has come into every office of every content (row D3).
 *
 * Bytes are charged when they are reported, to the office in which the device is then: one that
 * moves on leaves behind what it has taken in there.
 */
export class Ledger {
  readonly #rows = new Map<ContentId, Map<string, LedgerRow>>();
  readonly #unsaved = new Set<LedgerRow>();

  constructor(rows: readonly LedgerRow[]) {
    for (const row of rows) this.#put(row);
  }

  /** All rows, or those of one content. */
  rows(contentId?: ContentId): readonly LedgerRow[] {
    if (contentId !== undefined) return [...(this.#rows.get(contentId)?.values() ?? [])];
    return [...this.#rows.values()].flatMap((offices) => [...offices.values()]);
  }

  /**
   * Charges what a device has taken in.
   *
   * @param path - From the office of the device up to the Central Office. What came from an office
   * above the parent has crossed the links of all offices below that one.
   * @param newcomer - The device has not reported about the content in this office before.
   */
  charge(
    contentId: ContentId,
    path: readonly string[],
    { intake, newcomer }: { readonly intake: Intake; readonly newcomer: boolean },
  ): void {
    const [own, ...above] = path;
    if (own === undefined) return;
    const known = this.#rowOf(contentId, own);
    this.#change({
      ...known,
      wanBytes: add(known.wanBytes, intake.wanInBytes),
      lanBytes: add(known.lanBytes, intake.lanInBytes),
      originBytes: add(known.originBytes, intake.originInBytes),
      devices: known.devices + (newcomer ? 1 : 0),
    });
    // What came from far is part of what came over the line: nobody can have more from there.
    let restBytes = intake.wanInBytes;
    for (const { office, bytes } of intake.farInBytes) {
      const farBytes = Math.min(bytes, restBytes);
      restBytes -= farBytes;
      const at = above.indexOf(office);
      for (const crossed of at < 0 ? [] : above.slice(0, at)) {
        const row = this.#rowOf(contentId, crossed);
        if (farBytes > 0) this.#change({ ...row, wanBytes: add(row.wanBytes, farBytes) });
      }
    }
  }

  /** Persists the rows that have changed. */
  save(outbox: CoordinatorOutbox): void {
    for (const row of this.#unsaved) outbox.persist({ kind: "ledger-put", row });
    this.#unsaved.clear();
  }

  #rowOf(contentId: ContentId, office: string): LedgerRow {
    const none = { contentId, office, wanBytes: 0, lanBytes: 0, originBytes: 0, devices: 0 };
    return this.#rows.get(contentId)?.get(office) ?? none;
  }

  #change(row: LedgerRow): void {
    const before = this.#put(row);
    if (before !== undefined) this.#unsaved.delete(before);
    this.#unsaved.add(row);
  }

  #put(row: LedgerRow): LedgerRow | undefined {
    const offices = this.#rows.get(row.contentId) ?? new Map<string, LedgerRow>();
    const before = offices.get(row.office);
    offices.set(row.office, row);
    this.#rows.set(row.contentId, offices);
    return before;
  }
}
