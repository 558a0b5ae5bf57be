import { concat } from "../base/bytes.ts";
import { type Due, NEVER } from "../base/machine.ts";
import { DATAGRAM_BYTES_INITIAL, HANDSHAKE_HEADER_BYTES } from "../wire/datagram.ts";
import { HANDSHAKE_BYTES_MAX, HANDSHAKE_RESEND_US } from "./constants.ts";

/** A part of our TLS bytes to be sent. */
export type Flight = { readonly offsetBytes: number; readonly tls: Uint8Array };

const FLIGHT_BYTES = DATAGRAM_BYTES_INITIAL - HANDSHAKE_HEADER_BYTES;

/** Most parts that are kept because they came too early. */
const EARLY_PARTS_MAX = 32;

/** Carries the TLS bytes of a handshake reliably, both ways, over datagrams. */
export class HandshakeFlights {
  /** Our bytes that the peer has not confirmed; those before them are let go. */
  #out: Uint8Array = new Uint8Array(0);
  #ackedBytes = 0;
  #receivedBytes = 0;
  readonly #early = new Map<number, Uint8Array>();
  #resendAtUs = Number.POSITIVE_INFINITY;
  #resendUs = HANDSHAKE_RESEND_US;

  /** How much of the peer's bytes has arrived without a gap. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** When what the peer has not confirmed goes again. */
  due(): Due {
    return Number.isFinite(this.#resendAtUs)
      ? { atUs: this.#resendAtUs, reason: "handshake" }
      : NEVER;
  }

  /** Adds bytes of ours; returns what to send. */
  add(nowUs: number, bytes: Uint8Array): readonly Flight[] {
    const from = this.#endBytes;
    this.#out = concat([this.#out, bytes]);
    this.#resendAtUs = nowUs + this.#resendUs;
    return this.#flightsFrom(from);
  }

  /** All that the peer has not confirmed, for another try. */
  resend(nowUs: number): readonly Flight[] {
    this.#resendUs *= 2;
    this.#resendAtUs = nowUs + this.#resendUs;
    return this.#flightsFrom(this.#ackedBytes);
  }

  /** The first bytes of all, as they go into a HELLO: nothing is confirmed then. */
  get opening(): Uint8Array {
    return this.#out;
  }

  /**
   * Applies a datagram of the peer's.
   *
   * @returns The bytes that are now in order, and whether the peer repeats itself: then what we
   * sent last has not reached it.
   */
  onFlight(
    nowUs: number,
    flight: Flight & { readonly receivedBytes: number },
  ): { readonly tls: Uint8Array; readonly repeated: boolean } {
    if (flight.receivedBytes > this.#ackedBytes && flight.receivedBytes <= this.#endBytes) {
      this.#out = this.#out.slice(flight.receivedBytes - this.#ackedBytes);
      this.#ackedBytes = flight.receivedBytes;
      this.#resendUs = HANDSHAKE_RESEND_US;
      this.#resendAtUs = this.#out.length === 0 ? Number.POSITIVE_INFINITY : nowUs + this.#resendUs;
    }
    const { offsetBytes, tls } = flight;
    const repeated = tls.length > 0 && offsetBytes + tls.length <= this.#receivedBytes;
    // What comes next is taken even where forged parts have filled the table.
    const room = this.#early.size < EARLY_PARTS_MAX || offsetBytes <= this.#receivedBytes;
    if (tls.length > 0 && offsetBytes + tls.length <= HANDSHAKE_BYTES_MAX && room) {
      this.#early.set(offsetBytes, tls.slice());
    }
    return { tls: this.#takeInOrder(), repeated };
  }

  /** How many bytes we have had to say so far. */
  get #endBytes(): number {
    return this.#ackedBytes + this.#out.length;
  }

  #takeInOrder(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let part = this.#next(); part !== undefined; part = this.#next()) {
      parts.push(part);
      this.#receivedBytes += part.length;
    }
    return concat(parts);
  }

  #next(): Uint8Array | undefined {
    for (const [offsetBytes, tls] of this.#early) {
      if (offsetBytes > this.#receivedBytes) continue;
      this.#early.delete(offsetBytes);
      const fresh = tls.subarray(this.#receivedBytes - offsetBytes);
      if (fresh.length > 0) return fresh;
    }
    return undefined;
  }

  #flightsFrom(offsetBytes: number): readonly Flight[] {
    const flights: Flight[] = [];
    for (let at = offsetBytes; at < this.#endBytes; at += FLIGHT_BYTES) {
      const from = at - this.#ackedBytes;
      flights.push({ offsetBytes: at, tls: this.#out.subarray(from, from + FLIGHT_BYTES) });
    }
    return flights;
  }
}
