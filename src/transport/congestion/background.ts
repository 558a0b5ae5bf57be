import { MIB, MS, SECOND } from "../../base/units.ts";
import { type Acked, type Controller, DATAGRAM_BYTES, WINDOW_BYTES_MIN } from "./controller.ts";

const WINDOW_BYTES_MAX = 4 * MIB;

/** The first rate, in bytes a second: ten datagrams in 20 ms. */
const RATE_INITIAL = (10 * DATAGRAM_BYTES * SECOND) / (20 * MS);

/** The slowest rate, in bytes a second, however full the line. */
const RATE_MIN = (2 * DATAGRAM_BYTES * SECOND) / SECOND;

/** The queue we may hold in the edge router. */
const QUEUE_TARGET_US = 10 * MS;

/** The shortest round over which a delivery rate is measured: Node's timers are 1 ms coarse. */
const ROUND_US_MIN = 20 * MS;

/** For how many rounds the largest delivery rate stands for the line's. */
const RATE_ROUNDS = 10;

/** How long the smallest round trip stands for the empty path before it is learnt anew. */
const BASE_US_MAX = 60 * SECOND;

/** For how many rounds the queue is let run empty before the smallest round trip is learnt anew. */
const DRAIN_ROUNDS = 3;

/** Late timers and batched acknowledgements on both sides, which are no queue. */
const SLACK_US = 60 * MS;

/**
 * Over what time the smallest round trip shows the queue. A peer that waits for its processor
 * answers everything late but the last of what it found, and a round may end before that.
 */
const QUEUE_US = 60 * MS;

/** What has happened in the present round. */
type Round = { startUs: number; deliveredBytes: number; minRttUs: number; limited: boolean };

/**
 * A first Background controller: sends at the rate that the line delivers, a little faster while
 * the queue is nearly empty and slower while it is not.
 *
 * The delivery rate and the smallest round trip are measured as BBR does (Cardwell et al., 2016);
 * unlike BBR the gain follows the queueing delay, round by round, so that a standing queue, ours
 * or another's, slows us down at once. The window only bounds what a stalled peer can have.
 */
export function background(): Controller {
  let baseUs = Number.POSITIVE_INFINITY;
  let baseSinceUs = 0;
  let smoothedUs = 20 * MS;
  let gain = 2;
  let searching = true;
  let drainRounds = 0;
  let rates: readonly number[] = [RATE_INITIAL];
  let queues: readonly { readonly atUs: number; readonly queueUs: number }[] = [];
  let round: Round = newRound(0);

  const queueNowUs = (): number =>
    queues.length === 0 ? 0 : Math.min(...queues.map((seen) => seen.queueUs));
  const lineRate = (): number => Math.max(RATE_MIN, ...rates);

  const endRound = (nowUs: number): void => {
    const recent = queues.filter(({ atUs }) => atUs > nowUs - QUEUE_US);
    queues = [...recent, { atUs: nowUs, queueUs: Math.max(0, round.minRttUs - baseUs) }];
    const queueUs = queueNowUs();
    const delivered = (round.deliveredBytes * SECOND) / (nowUs - round.startUs);
    // No more arrives than was sent: what goes beyond came at once after a wait.
    const rate = Math.min(delivered, Math.max(gain, 1) * lineRate());
    // A round in which we had little to say shows a lower bound of the line's rate only.
    if (!round.limited || rate > lineRate()) rates = [...rates.slice(1 - RATE_ROUNDS), rate];
    if (queueUs > QUEUE_TARGET_US) searching = false;
    if (drainRounds === 1) {
      baseUs = round.minRttUs;
      baseSinceUs = nowUs;
    }
    drainRounds = Math.max(0, drainRounds - 1);
    if (drainRounds === 0 && nowUs - baseSinceUs > BASE_US_MAX) drainRounds = DRAIN_ROUNDS;
    const room = 1 - queueUs / QUEUE_TARGET_US;
    // What we change shows two round trips later: a gain that does not fall with the round trip
    // makes the queue swing (measured at 100 ms: up to 90 ms in place of 12).
    const slope = Math.min(1 / 4, QUEUE_TARGET_US / (3 * Math.max(ROUND_US_MIN, smoothedUs)));
    gain = searching ? 2 : Math.min(1.25, Math.max(0.5, 1 + room * slope));
    if (drainRounds > 0) gain = 0.5;
    round = newRound(nowUs);
  };

  return {
    inTrains: false,
    onAcked: (nowUs: number, acked: Acked): void => {
      round.deliveredBytes += acked.bytes;
      if (acked.appLimited) round.limited = true;
      if (acked.rttUs === undefined) return;
      smoothedUs += (acked.rttUs - smoothedUs) / 8;
      if (acked.rttUs <= baseUs) {
        baseUs = acked.rttUs;
        baseSinceUs = nowUs;
      }
      round.minRttUs = Math.min(round.minRttUs, acked.rttUs);
      if (nowUs - round.startUs >= Math.max(ROUND_US_MIN, smoothedUs)) endRound(nowUs);
    },
    onCongestion: (): void => {
      if (searching) rates = rates.map((rate) => rate * 0.7);
      searching = false;
      gain = Math.min(gain, 0.85);
    },
    onPersistentCongestion: (): void => {
      rates = [RATE_INITIAL];
      searching = true;
    },
    windowBytes: () => {
      const holdUs = Math.min(baseUs, SECOND) + QUEUE_TARGET_US + SLACK_US;
      const bytes = (2 * lineRate() * holdUs) / SECOND;
      return Math.min(WINDOW_BYTES_MAX, Math.max(10 * WINDOW_BYTES_MIN, bytes));
    },
    pacingRate: () => gain * lineRate(),
    status: () => ({
      // Our own queue is shorter: what makes it twice as long is somebody else's.
      state: searching ? "seeking" : queueNowUs() > 2 * QUEUE_TARGET_US ? "yielding" : "steady",
      capacityBytesPerS: lineRate(),
      queueUs: queueNowUs(),
    }),
  };
}

function newRound(startUs: number): Round {
  return { startUs, deliveredBytes: 0, minRttUs: Number.POSITIVE_INFINITY, limited: false };
}
