import type { Address } from "../effects/network.ts";
import type { RecordDatagram } from "../wire/datagram.ts";

/** How many are kept; more are sent again by themselves. */
const DATAGRAMS_MAX = 16;

/** A record's datagram, and whence it came. */
type Early = { readonly from: Address; readonly datagram: RecordDatagram };

/** Datagrams of records that came before the handshake was done here; kept to save a probe. */
export class EarlyRecords {
  #kept: Early[] = [];

  /** Keeps a copy of a datagram, where there is room. */
  keep(from: Address, datagram: RecordDatagram): void {
    if (this.#kept.length >= DATAGRAMS_MAX) return;
    this.#kept.push({ from, datagram: { ...datagram, payload: datagram.payload.slice() } });
  }

  /** What was kept, which is kept no longer. */
  take(): readonly Early[] {
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }
}
