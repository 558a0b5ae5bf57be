/** Makes rates from counters that only rise, one for each office. */
export class Rates {
  readonly #windowMs: number;
  #samples: { readonly atMs: number; readonly bytes: ReadonlyMap<string, number> }[] = [];

  /** @param windowMs - Over how long a rate is taken. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Takes in what the counters say now. */
  add(atMs: number, bytes: ReadonlyMap<string, number>): void {
    this.#samples = [
      ...this.#samples.filter((old) => atMs - old.atMs <= this.#windowMs),
      { atMs, bytes },
    ];
  }

  /** What has come into an office so far. */
  bytes(office: string): number {
    return this.#samples.at(-1)?.bytes.get(office) ?? 0;
  }

  /** How fast it comes now. */
  bytesPerS(office: string): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    const gained = (last.bytes.get(office) ?? 0) - (first.bytes.get(office) ?? 0);
    return (1000 * gained) / (last.atMs - first.atMs);
  }
}
