/** Something that happens at a time; of equal times the lower order comes first. */
export type Planned = { readonly atUs: number; readonly order: number; readonly run: () => void };

/** What is planned, the earliest first: a binary heap. */
export class Agenda {
  readonly #heap: Planned[] = [];

  get first(): Planned | undefined {
    return this.#heap[0];
  }

  push(planned: Planned): void {
    let at = this.#heap.length;
    for (; at > 0; ) {
      const above = (at - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || isBefore(parent, planned)) break;
      this.#heap[at] = parent;
      at = above;
    }
    this.#heap[at] = planned;
  }

  takeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    let at = 0;
    for (;;) {
      const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]];
      if (left === undefined) break;
      const [next, below] =
        right !== undefined && isBefore(right, left) ? [right, 2 * at + 2] : [left, 2 * at + 1];
      if (isBefore(last, next)) break;
      this.#heap[at] = next;
      at = below;
    }
    this.#heap[at] = last;
  }
}

function isBefore(one: Planned, other: Planned): boolean {
  return one.atUs < other.atUs || (one.atUs === other.atUs && one.order < other.order);
}
