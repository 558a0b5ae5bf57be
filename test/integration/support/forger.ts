import { randomFillSync } from "node:crypto";
import type { Prng } from "../../../src/base/prng.ts";
import { RECORD_HEADER_BYTES } from "../../../src/wire/datagram.ts";

/** How long the longest datagram is that we make. */
const DATAGRAM_BYTES_MAX = 9_000;

/** Makes datagrams that nobody should heed, out of those that have passed. */
export class Forger {
  readonly #prng: Prng;
  readonly #noise = new Uint8Array(1 << 20);

  constructor(prng: Prng) {
    this.#prng = prng;
    randomFillSync(this.#noise);
  }

  /** A random, truncated, lengthened or replayed datagram. */
  nonsense(seen: Uint8Array): Uint8Array {
    switch (this.#prng.below(5)) {
      case 0:
        return this.#random(this.#prng.below(1_500));
      case 1:
        return seen.subarray(0, this.#prng.below(seen.length));
      case 2:
        return Buffer.concat([seen, this.#random(1 + this.#prng.below(DATAGRAM_BYTES_MAX))]);
      case 3:
        return this.#random(DATAGRAM_BYTES_MAX);
      default:
        return seen;
    }
  }

  /**
   * A datagram with the header of one that has passed, of numbers near to its own, and with a
   * payload that nobody has sealed.
   */
  forgery(seen: Uint8Array): Uint8Array {
    const forged = Buffer.concat([
      seen.subarray(0, RECORD_HEADER_BYTES),
      this.#random(Math.max(1, seen.length - RECORD_HEADER_BYTES)),
    ]);
    const way = this.#prng.below(10);
    // One in ten goes on with a handshake that is long over: its association is in the header.
    if (way === 0) forged[0] = HANDSHAKE | ((forged[0] ?? 0) & CHANNEL_BITS);
    if (way < 8) {
      this.#add(forged, PACKET_AT, 200);
      this.#add(forged, RECORD_AT, 8);
      forged[FRAGMENT_AT] = this.#prng.below(64);
    }
    forged.writeUInt16BE(forged.length - RECORD_HEADER_BYTES, LENGTH_AT);
    return forged;
  }

  #add(datagram: Buffer, at: number, most: number): void {
    datagram.writeUInt32BE((datagram.readUInt32BE(at) + this.#prng.below(most)) >>> 0, at);
  }

  #random(lengthBytes: number): Uint8Array {
    const at = this.#prng.below(this.#noise.length - lengthBytes);
    return this.#noise.subarray(at, at + lengthBytes);
  }
}

/** Where the fields of a record's header lie. */
const PACKET_AT = 5;
const RECORD_AT = 9;
const FRAGMENT_AT = 13;
const LENGTH_AT = 14;

/** The first byte of a datagram of the handshake, without its channel. */
const HANDSHAKE = 1 << 6;
const CHANNEL_BITS = 15;
