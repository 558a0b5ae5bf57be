import type { Prng } from "../../base/prng.ts";
import type { Parcel } from "../world.ts";

/** Whether a datagram from one host to another does not get through. */
type Wall = (from: string, to: string) => boolean;

/** What happens to datagrams that no line does: walls, translated addresses, flipped bits. */
export class FaultyNetwork {
  readonly #prng: Prng;
  readonly #officeOf: (host: string) => string;
  readonly #walls = new Set<Wall>();
  /** What others see of a host behind a router, and whose that address is. */
  readonly #seenAs = new Map<string, string>();
  readonly #behind = new Map<string, string>();
  /** Of a thousand datagrams so many have a flipped bit. */
  flippedPerMille = 0;
  /** How many were flipped, and how many a wall has stopped. */
  flipped = 0;
  stopped = 0;

  constructor(prng: Prng, officeOf: (host: string) => string) {
    this.#prng = prng;
    this.#officeOf = officeOf;
  }

  /** Puts up a wall. @returns What takes it away. */
  block(wall: Wall): () => void {
    this.#walls.add(wall);
    return () => this.#walls.delete(wall);
  }

  /** A host is seen under this address from now on, outside its office; absent: under its own. */
  translate(host: string, seenAs?: string): void {
    const before = this.#seenAs.get(host);
    if (before !== undefined) this.#behind.delete(before);
    this.#seenAs.delete(host);
    if (seenAs === undefined) return;
    this.#seenAs.set(host, seenAs);
    this.#behind.set(seenAs, host);
  }

  /** What becomes of a datagram. */
  readonly carry = (parcel: Parcel): readonly Parcel[] => {
    const there = this.#behind.get(parcel.to) ?? parcel.to;
    for (const wall of this.#walls) {
      if (!wall(parcel.from, there)) continue;
      this.stopped += 1;
      return [];
    }
    const inside = this.#officeOf(parcel.from) === this.#officeOf(there);
    // From outside, who is behind a router has no other address than the one it is seen under.
    if (!inside && there === parcel.to && this.#seenAs.has(there)) return [];
    const from = inside ? parcel.from : (this.#seenAs.get(parcel.from) ?? parcel.from);
    const seen =
      from === parcel.from && there === parcel.to ? parcel : { ...parcel, from, to: there };
    return [this.#flip(seen)];
  };

  #flip(parcel: Parcel): Parcel {
    if (this.flippedPerMille === 0) return parcel;
    if (this.#prng.below(1_000) >= this.flippedPerMille || parcel.bytes.length === 0) return parcel;
    this.flipped += 1;
    const bytes = parcel.bytes.slice();
    const at = this.#prng.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#prng.below(8));
    return { ...parcel, bytes };
  }
}
