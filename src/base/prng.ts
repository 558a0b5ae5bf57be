/**
 * The only source of chance in the pure folders: the same seed gives the same run, anywhere.
 *
 * SplitMix32 (the 32-bit finaliser by Ettinger, after Steele, Lea and Flood 2014): fast, passes
 * the usual batteries for our needs, and is no source of secrets.
 */
export class Prng {
  #state: number;

  /** @param seed - Any 32-bit unsigned integer. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A uniformly drawn integer in `[0, bound)`. */
  below(bound: number): number {
    return Math.floor((this.next() / 0x1_00_00_00_00) * bound);
  }

  /** A uniformly drawn 32-bit unsigned integer. */
  next(): number {
    this.#state = (this.#state + 0x9e_37_79_b9) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 16), 0x21_f0_aa_ad);
    x = Math.imul(x ^ (x >>> 15), 0x73_5a_2d_97);
    return (x ^ (x >>> 15)) >>> 0;
  }
}
