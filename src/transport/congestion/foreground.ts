import { NEVER } from "../../base/machine.ts";
import { MIB, MS, SECOND } from "../../base/units.ts";
import { RECORD_BYTES_MAX } from "../constants.ts";
import { type Acked, type Controller, DATAGRAM_BYTES } from "./controller.ts";
import { Pacer } from "./pacer.ts";

/**
 * First window, and the one that is left whatever happens: one record with its headers. A receiver
 * that acknowledges on a timer makes smaller ones crawl at a window per timer.
 */
const WINDOW_BYTES_FLOOR = 54 * DATAGRAM_BYTES;

/** Largest window: what a socket's receive buffer takes in one go, several times over. */
const WINDOW_BYTES_MAX = 4 * MIB;

/** What may leave at once: two records. */
const TRAINS_BYTES = 2 * RECORD_BYTES_MAX;

/** By what part of itself the window grows in a round trip, once it has met a loss. */
const GROWTH = 1 / 8;

/** What remains of the window after a loss (CUBIC's factor, RFC 9438, section 4.6). */
const BETA = 0.7;

/**
 * The Foreground controller: loss-based, as fast as the LAN.
 *
 * Slow start as NewReno (RFC 9002, section 7) and CUBIC's decrease. On a LAN most losses are a
 * full receive buffer that is empty again a moment later, and a datagram more per round trip would
 * take seconds to make up for one: the window grows by a part of itself instead.
 */
export function foreground(): Controller {
  let windowBytes = WINDOW_BYTES_FLOOR;
  let thresholdBytes = WINDOW_BYTES_MAX;
  let rttUs = 10 * MS;
  const pacer = new Pacer();
  // Twice the window a round trip while the rate is being sought, a quarter above it afterwards
  // (RFC 9002, section 7.7): the window decides, pacing only takes the edge off bursts.
  const rate = (): number => {
    const gain = windowBytes < thresholdBytes ? 2 : 1.25;
    return (gain * windowBytes * SECOND) / Math.max(rttUs, MS / 4);
  };
  return {
    inTrains: true,
    onSent: (_nowUs, { bytes, probe }): void => {
      if (!probe) pacer.onSent(bytes);
    },
    // Losses say enough of a line that is ours.
    onArrivals: (): void => {},
    onLost: (): void => {},
    onWaiting: (): void => {},
    due: () => NEVER,
    onTimer: (): void => {},
    wantsProbe: () => false,
    busyUs: () => 0,
    onAcked: (_nowUs: number, acked: Acked): void => {
      if (acked.rttUs !== undefined) rttUs += (acked.rttUs - rttUs) / 8;
      if (acked.appLimited) return;
      const slowStart = windowBytes < thresholdBytes;
      windowBytes += slowStart ? acked.bytes : acked.bytes * GROWTH;
      windowBytes = Math.min(windowBytes, WINDOW_BYTES_MAX);
    },
    onCongestion: (): void => {
      windowBytes = Math.max(WINDOW_BYTES_FLOOR, windowBytes * BETA);
      thresholdBytes = windowBytes;
    },
    onPersistentCongestion: (): void => {
      thresholdBytes = Math.max(WINDOW_BYTES_FLOOR, windowBytes * BETA);
      windowBytes = WINDOW_BYTES_FLOOR;
    },
    windowBytes: () => windowBytes,
    allowance: (nowUs) => pacer.allowance(nowUs, rate(), TRAINS_BYTES),
    allowedAtUs: () => pacer.nextAtUs(rate()),
    lineRate: rate,
    status: () => ({ state: windowBytes < thresholdBytes ? "seeking" : "steady" }),
  };
}
