import { MIB, MS, SECOND } from "../../base/units.ts";
import { type Acked, type Controller, DATAGRAM_BYTES, WINDOW_BYTES_MIN } from "./controller.ts";

/** First window: enough for a small piece in one round trip of a LAN. */
const WINDOW_BYTES_INITIAL = 32 * DATAGRAM_BYTES;

/** Largest window: what a socket's receive buffer takes in one go, several times over. */
const WINDOW_BYTES_MAX = 4 * MIB;

/** What remains of the window after a loss (CUBIC's factor, RFC 9438, section 4.6). */
const BETA = 0.7;

/**
 * The Foreground controller: loss-based, as fast as the LAN.
 *
 * Slow start and additive increase as NewReno (RFC 9002, section 7), with CUBIC's gentler
 * decrease; on a LAN's round trips of under a millisecond one datagram a round trip is quick.
 */
export function foreground(): Controller {
  let windowBytes = WINDOW_BYTES_INITIAL;
  let thresholdBytes = WINDOW_BYTES_MAX;
  let rttUs = 10 * MS;
  return {
    onAcked: (_nowUs: number, acked: Acked): void => {
      if (acked.rttUs !== undefined) rttUs += (acked.rttUs - rttUs) / 8;
      if (acked.appLimited) return;
      const slowStart = windowBytes < thresholdBytes;
      windowBytes += slowStart ? acked.bytes : (DATAGRAM_BYTES * acked.bytes) / windowBytes;
      windowBytes = Math.min(windowBytes, WINDOW_BYTES_MAX);
    },
    onCongestion: (): void => {
      windowBytes = Math.max(WINDOW_BYTES_MIN, windowBytes * BETA);
      thresholdBytes = windowBytes;
    },
    onPersistentCongestion: (): void => {
      thresholdBytes = Math.max(WINDOW_BYTES_MIN, windowBytes * BETA);
      windowBytes = WINDOW_BYTES_MIN;
    },
    windowBytes: () => windowBytes,
    // Twice the window a round trip while the rate is being sought, a quarter above it afterwards
    // (RFC 9002, section 7.7): the window decides, pacing only takes the edge off bursts.
    pacingRate: () => {
      const gain = windowBytes < thresholdBytes ? 2 : 1.25;
      return (gain * windowBytes * SECOND) / Math.max(rttUs, MS / 4);
    },
  };
}
