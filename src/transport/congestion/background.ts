import { MIB, MS, SECOND } from "../../base/units.ts";
import { type Acked, type Controller, DATAGRAM_BYTES, WINDOW_BYTES_MIN } from "./controller.ts";

const WINDOW_BYTES_INITIAL = 10 * DATAGRAM_BYTES;
const WINDOW_BYTES_MAX = 4 * MIB;

/** The queue we may hold in the edge router. */
const QUEUE_TARGET_US = 8 * MS;

/** How long the smallest round trip stands for the empty path before it is learnt anew. */
const BASE_US_MAX = 60 * SECOND;

/**
 * A first Background controller: keeps the queue it causes near `QUEUE_TARGET_US`.
 *
 * A window moved by the queueing delay, in the manner of LEDBAT (RFC 6817), with a target far
 * below its 100 ms, a decrease in proportion to the excess, and the smallest of the round trips of
 * one round as the sample, so that a late timer on our side is not taken for a queue.
 */
export function background(): Controller {
  let windowBytes = WINDOW_BYTES_INITIAL;
  let slowStart = true;
  let baseUs = Number.POSITIVE_INFINITY;
  let baseSinceUs = 0;
  let round = { endsAtUs: 0, minUs: Number.POSITIVE_INFINITY, limited: false };
  let smoothedUs = 50 * MS;

  const endRound = (nowUs: number): void => {
    const queueUs = round.minUs - baseUs;
    if (queueUs > QUEUE_TARGET_US) {
      slowStart = false;
      windowBytes *= Math.max(0.5, 1 - (queueUs - QUEUE_TARGET_US) / round.minUs);
    } else if (!round.limited) {
      const gain = slowStart && queueUs < QUEUE_TARGET_US / 2 ? 1 : 1 / 8;
      windowBytes += windowBytes * gain * (1 - Math.max(0, queueUs) / QUEUE_TARGET_US);
    }
    windowBytes = Math.min(WINDOW_BYTES_MAX, Math.max(WINDOW_BYTES_MIN, windowBytes));
    const lengthUs = Math.max(smoothedUs, 2 * MS);
    round = { endsAtUs: nowUs + lengthUs, minUs: Number.POSITIVE_INFINITY, limited: false };
  };

  return {
    onAcked: (nowUs: number, acked: Acked): void => {
      if (acked.appLimited) round.limited = true;
      if (acked.rttUs === undefined) return;
      smoothedUs += (acked.rttUs - smoothedUs) / 8;
      if (acked.rttUs <= baseUs || nowUs - baseSinceUs > BASE_US_MAX) {
        baseUs = acked.rttUs;
        baseSinceUs = nowUs;
      }
      round.minUs = Math.min(round.minUs, acked.rttUs);
      if (nowUs >= round.endsAtUs) endRound(nowUs);
    },
    onCongestion: (): void => {
      slowStart = false;
      windowBytes = Math.max(WINDOW_BYTES_MIN, windowBytes * 0.7);
    },
    onPersistentCongestion: (): void => {
      slowStart = true;
      windowBytes = WINDOW_BYTES_MIN;
    },
    windowBytes: () => windowBytes,
    pacingRate: () => (1.25 * windowBytes * SECOND) / Math.max(smoothedUs, MS),
  };
}
