import { MS, SECOND } from "../../../base/units.ts";
import type { Arrivals, ControllerStatus, Sent } from "../controller.ts";
import {
  ALARM_NOISES,
  ALARM_PACKETS,
  ALARM_US,
  BURST_PACKETS,
  CLEAR_PART,
  CLEAR_US,
  HEADER_BYTES,
  RATE_MAX,
  ROUND_US_INITIAL,
  ROUND_US_MAX,
  ROUND_US_MIN,
  WINDOW_BYTES_MAX,
  WINDOW_SLACK_US,
} from "./constants.ts";
import { Noise } from "./noise.ts";
import { OwnQueue } from "./own-queue.ts";
import { PacketLog } from "./packet-log.ts";
import { PathDelay } from "./path-delay.ts";
import { latest, quantile, type Sample } from "./samples.ts";
import { PACKET_BYTES } from "./step.ts";

/** How long samples are kept: as long as what was sent to learn something takes to be reported. */
const KEPT_ROUNDS = 5;
const KEPT_US = 60 * MS;
const KEPT_US_MIN = 300 * MS;

/** What has arrived lately, where it is looked at for what it shows together. */
const RECENT_ROUNDS = 0.6;
const RECENT_US_MIN = 25 * MS;

/** More than can be under way. */
const SAMPLES_MAX = 16_384;

/** How many probes say anything together. */
const PROBES = 12;

/** How much half of them may differ where a wait does not change: others' queues change more. */
const FLAT_US = 300;
const FLAT_NOISES = 1.5;

/** A silence of the peer that is no mere hold-up. */
const UNANSWERED_ROUNDS = 3;
const UNANSWERED_US_MIN = 150 * MS;

/** By how much more than it was thought to be a line is faster by one look. */
const SHOWN_MAX = 1.05;

/** How much more than a round trip's worth may be under way. */
const WINDOW_GAIN = 1.5;

/** What is known of a line, by what was sent and when it arrived. */
export class LineView {
  readonly noise: Noise = new Noise();
  readonly #log = new PacketLog();
  readonly #own = new OwnQueue();
  readonly #delay = new PathDelay();
  #samples: Sample[] = [];
  /** The waits of the last probes since others came. */
  #probeWaits: readonly number[] = [];
  #answers = 0;
  #answeredAtUs = 0;
  /** The line's rate in bytes a second; 0 while it is unknown. */
  capacity = 0;

  /** What has arrived lately, in that order. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** How many packets have been answered since all was forgotten, and when the last was. */
  get answers(): number {
    return this.#answers;
  }

  get answeredAtUs(): number {
    return this.#answeredAtUs;
  }

  /** When the peer's silence is long enough to stop, for those who have sent since then. */
  unansweredUs(sinceUs: number): number {
    const waitUs = Math.max(UNANSWERED_ROUNDS * this.roundUs, UNANSWERED_US_MIN);
    return Math.max(this.#answeredAtUs, sinceUs) + waitUs;
  }

  /** The round trip of the empty path, within reason. */
  get roundUs(): number {
    const us = this.#delay.rttUs ?? ROUND_US_INITIAL;
    return Math.min(ROUND_US_MAX, Math.max(ROUND_US_MIN, us));
  }

  /** The foreign wait from which on others are there. */
  get alarmUs(): number {
    return Math.max(ALARM_US, ALARM_NOISES * this.noise.us, ALARM_PACKETS * this.packetUs);
  }

  /** How long a full packet takes to leave; 0 while the line's rate is unknown. */
  get packetUs(): number {
    return this.capacity > 0 ? (PACKET_BYTES * SECOND) / this.capacity : 0;
  }

  /** The data that arrived lately: of most of a round trip. */
  get recent(): readonly Sample[] {
    return latest(this.#samples, Math.max(RECENT_US_MIN, RECENT_ROUNDS * this.roundUs));
  }

  /** The wait up to which nobody waits. */
  get clearUs(): number {
    return Math.max(CLEAR_US, CLEAR_PART * this.alarmUs);
  }

  /** How long the newest packet waited. */
  get queueUs(): number {
    return this.#samples.at(-1)?.queueUs ?? 0;
  }

  /** What people are told of it. */
  get status(): Pick<ControllerStatus, "capacityBytesPerS" | "queueUs"> {
    const known = this.capacity > 0 ? { capacityBytesPerS: this.capacity } : {};
    return { queueUs: this.queueUs, ...known };
  }

  /** A wait that all probes have and that does not change; 0 where there is none. */
  get flatUs(): number {
    const isFlat = this.probeSpreadUs < Math.max(FLAT_US, FLAT_NOISES * this.noise.us);
    const leastUs = Math.min(...this.#probeWaits);
    return isFlat && leastUs > this.clearUs ? leastUs : 0;
  }

  /** How far apart half of the waits of the last probes are; `Infinity` where there are too few. */
  get probeSpreadUs(): number {
    const waits = this.#probeWaits;
    if (waits.length < PROBES) return Number.POSITIVE_INFINITY;
    return quantile(waits, 0.75) - quantile(waits, 0.25);
  }

  /** What may be under way at most, sent at this rate. */
  windowBytes(rate: number): number {
    const bytes =
      (WINDOW_GAIN * Math.max(rate, this.capacity) * (this.roundUs + WINDOW_SLACK_US)) / SECOND;
    return Math.min(WINDOW_BYTES_MAX, Math.max(BURST_PACKETS.max * PACKET_BYTES, bytes));
  }

  /** @returns What the line carries of it. */
  onSent(nowUs: number, { packet, bytes, probe }: Sent): number {
    const wireBytes = bytes + HEADER_BYTES;
    const rate = this.capacity > 0 ? this.capacity : RATE_MAX;
    const own = this.#own.onSent(nowUs, wireBytes, rate);
    this.#log.add(packet, { atUs: nowUs, bytes: wireBytes, probe, own });
    return wireBytes;
  }

  /**
   * @param isOurs - Whether the line is ours alone.
   * @returns Whether anything new has arrived.
   */
  onArrivals(
    nowUs: number,
    { heardAtUs, arrivals }: { readonly heardAtUs: number; readonly arrivals: Arrivals },
    isOurs: boolean,
  ): boolean {
    const before = this.#samples.length;
    const backUs = heardAtUs - arrivals.saidAtUs;
    for (const { packet, atUs: arrivedAtUs } of arrivals.arrived) {
      const sent = this.#log.take(packet);
      if (sent === undefined) continue;
      const { probe, bytes, atUs: sentAtUs, own } = sent;
      const delays = { owdUs: arrivedAtUs - sentAtUs, backUs };
      const queueUs = this.#delay.onArrived(nowUs, delays, isOurs);
      const foreignUs = queueUs - this.#own.onArrived(own, queueUs);
      this.#samples.push({ packet, probe, bytes, sentAtUs, arrivedAtUs, queueUs, foreignUs });
      if (probe) this.#probeWaits = [...this.#probeWaits, queueUs].slice(-PROBES);
    }
    if (this.#samples.length === before) return false;
    this.#answers += this.#samples.length - before;
    this.#answeredAtUs = nowUs;
    this.#forgetOld();
    return true;
  }

  /** What has waited came out of the line at this rate: it is at least so fast, or about so. */
  hasShown(rate: number): void {
    this.capacity = Math.max(this.capacity, Math.min(RATE_MAX, rate, SHOWN_MAX * this.capacity));
  }

  /** Nothing of ours waits in the line any more. */
  rest(): void {
    this.#own.clear();
  }

  /** Others came: what probes showed before shows nothing now. */
  forgetProbes(): void {
    this.#probeWaits = [];
  }

  /** The path has become so much longer. */
  lengthen(byUs: number): void {
    this.#delay.raise(byUs);
    this.#samples = [];
    this.#probeWaits = [];
  }

  /** It is another path, perhaps. */
  forget(): void {
    this.#delay.forget();
    this.#log.clear();
    this.#samples = [];
    this.#probeWaits = [];
    this.#answers = 0;
    this.capacity = 0;
  }

  #forgetOld(): void {
    const newestUs = this.#samples.at(-1)?.arrivedAtUs ?? 0;
    const keptUs = Math.max(KEPT_US_MIN, KEPT_ROUNDS * this.roundUs + KEPT_US);
    const kept = this.#samples.findIndex(({ arrivedAtUs }) => arrivedAtUs >= newestUs - keptUs);
    // The times are the peer's, who may say what he likes.
    const tooMany = this.#samples.length - SAMPLES_MAX;
    if (kept > 0 || tooMany > 0) this.#samples.splice(0, Math.max(kept, tooMany));
  }
}
