import type { OutRecord } from "./sent-packets.ts";

/** A part of a record that is to be sent. */
export type Fragment = { readonly record: OutRecord; readonly fragment: number };

/** What has to be sent again, oldest first. */
export class Repairs {
  readonly #fragments: Fragment[] = [];

  get empty(): boolean {
    return this.#fragments.length === 0;
  }

  add(record: OutRecord, fragment: number): void {
    this.#fragments.push({ record, fragment });
  }

  /** Adds the first fragments of a record. */
  addAll(record: OutRecord, count: number): void {
    for (let fragment = 0; fragment < count; fragment += 1) this.add(record, fragment);
  }

  /** The first that is still needed, of those records that `isMeant` lets through. */
  first(
    isNeeded: (fragment: Fragment) => boolean,
    isMeant: (record: OutRecord) => boolean = () => true,
  ): Fragment | undefined {
    for (let head = this.#fragments[0]; head && !isNeeded(head); head = this.#fragments[0]) {
      this.#fragments.shift();
    }
    return this.#fragments.find((fragment) => isMeant(fragment.record) && isNeeded(fragment));
  }

  /** It has been sent. */
  delete(fragment: Fragment): void {
    const index = this.#fragments.indexOf(fragment);
    if (index >= 0) this.#fragments.splice(index, 1);
  }
}
