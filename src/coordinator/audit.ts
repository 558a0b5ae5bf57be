import type { CoordinatorOutbox } from "./contract.ts";
import type { AuditRow } from "./state.ts";

/** Most characters of what an audit row says of before and after. */
const DETAIL_LENGTH_MAX = 4_096;

/** What operators did: one row for each change, in the same transaction as the change itself. */
export class Audit {
  readonly #epoch: number;
  #number = 0;

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** Writes a row. What was before and is after may be any value that JSON can say. */
  write(
    row: Pick<AuditRow, "atMs" | "who" | "action" | "subject"> & {
      readonly before?: unknown;
      readonly after?: unknown;
    },
    outbox: CoordinatorOutbox,
  ): void {
    this.#number += 1;
    const { before, after, ...rest } = row;
    const numbers = { epoch: this.#epoch, number: this.#number };
    const details = { before: detail(before), after: detail(after) };
    outbox.persist({ kind: "audit-add", row: { ...numbers, ...rest, ...details } });
  }
}

function detail(value: unknown): string {
  const text = value === undefined ? "" : JSON.stringify(value);
  return text.length <= DETAIL_LENGTH_MAX ? text : `${text.slice(0, DETAIL_LENGTH_MAX - 1)}…`;
}
