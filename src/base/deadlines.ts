import { type Due, NEVER } from "./machine.ts";

/**
 * Many deadlines, of which the earliest is asked for often: a binary heap with stale entries.
 *
 * Setting a deadline costs O(log n); an entry that was replaced is dropped when it surfaces.
 */
export class Deadlines {
  readonly #current = new Map<number, Due>();
  #heap: Entry[] = [];

  /** Sets, moves or (with an infinite time) clears the deadline of `key`. */
  set(key: number, due: Due): void {
    if (this.#current.get(key)?.atUs === due.atUs) return;
    if (!Number.isFinite(due.atUs)) {
      this.#current.delete(key);
      return;
    }
    this.#current.set(key, due);
    this.#push({ key, atUs: due.atUs });
    if (this.#heap.length > 64 + 4 * this.#current.size) this.#rebuild();
  }

  delete(key: number): void {
    this.#current.delete(key);
  }

  /** The earliest deadline of all. */
  due(): Due {
    const top = this.#top();
    return top === undefined ? NEVER : (this.#current.get(top.key) ?? NEVER);
  }

  /** Takes out one key whose deadline has come; `undefined` where there is none (any more). */
  takeExpired(nowUs: number): number | undefined {
    const top = this.#top();
    if (top === undefined || top.atUs > nowUs) return undefined;
    this.#current.delete(top.key);
    return top.key;
  }

  #top(): Entry | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined || this.#current.get(top.key)?.atUs === top.atUs) return top;
      this.#pop();
    }
  }

  #rebuild(): void {
    this.#heap = [...this.#current]
      .map(([key, { atUs }]) => ({ key, atUs }))
      .sort((a, b) => a.atUs - b.atUs || a.key - b.key);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(entry, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      if (left === undefined) break;
      const takeRight = right !== undefined && before(right, left);
      const child = takeRight ? right : left;
      if (!before(child, last)) break;
      heap[index] = child;
      index = 2 * index + (takeRight ? 2 : 1);
    }
    heap[index] = last;
  }
}

type Entry = { readonly key: number; readonly atUs: number };

function before(a: Entry, b: Entry): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.key < b.key);
}
