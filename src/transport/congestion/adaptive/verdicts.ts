import { MS, SECOND } from "../../../base/units.ts";
import {
  ALARM_LASTS_PACKETS,
  ALARM_LASTS_US,
  ALARM_PACKETS,
  BURST_PACKETS,
  BURST_US,
  GENTLE_SLOPE,
  GENTLE_STEP_US,
  GENTLE_US_MAX,
  START_FULL_US,
  START_NOISES,
  START_SLOWER,
  START_SPAN_US,
  START_WAIT_US,
  TRAIN_ARRIVED,
  TRAIN_NOISES,
  TRAIN_PACKETS_MAX,
  TRAIN_PACKETS_MIN,
  TRAIN_RATE,
  TRAIN_SLOPE_MAX,
  TRAIN_US,
  TRAIN_WAIT_US,
} from "./constants.ts";
import type { LineView } from "./line-view.ts";
import { flowOf, foreignOf, queueOf, type Sample, slopeOf } from "./samples.ts";
import { PACKET_BYTES, type Step } from "./step.ts";

/** A foreign wait that grows no faster than this, beside so much of the line, is over. */
const OVER_SLOPE = 0.02;
const OVER_RATE = 0.93;
/** Fewer packets do not say how fast they come, nor those that a radio brings in a heap. */
const OVER_PACKETS = 24;
const HEAP_SLOPE = -0.2;

/** A wait that is as good as none. */
const EMPTY_US = 2 * MS;

/** How many packets say how a train began and ended. */
const TRAIN_END = 3;

/** How many packets of a burst must have left together and arrived for it to say anything. */
const BURST_ARRIVED = 0.7;

/** How many packets test whether a line of this rate is free, if it is as unsteady as this. */
export function trainPackets(capacity: number, noiseUs: number): number {
  const within = (us: number, rate: number): number =>
    Math.round((rate * us) / SECOND / PACKET_BYTES);
  const { slow, fast, withinUs } = TRAIN_PACKETS_MIN;
  const least = Math.max(slow, Math.min(fast, within(withinUs, capacity)));
  const wanted = within(Math.max(TRAIN_US, TRAIN_NOISES * noiseUs), TRAIN_RATE * capacity);
  return Math.min(TRAIN_PACKETS_MAX, Math.max(least, wanted));
}

/**
 * Whether a train came out of the line about as fast as it went in, and found nobody waiting. A busy
 * program sends it all at once: then it counts by how much more it waited at its end than its own
 * packets explain.
 */
export function trainVerdict(
  step: Step,
  line: LineView,
  waitUsMax: number,
): { readonly passed: boolean; readonly slope: number; readonly lastUs: number } {
  const arrived = step.arrived(line.samples);
  const lastUs = Math.min(...arrived.slice(-TRAIN_END).map(foreignOf));
  const slope = Math.min(slopeOf(arrived, foreignOf), growth(arrived, line));
  const isWhole = arrived.length >= TRAIN_ARRIVED * step.sent;
  const isFree = slope <= TRAIN_SLOPE_MAX && lastUs < waitUsMax + TRAIN_WAIT_US;
  return { passed: isWhole && isFree, slope, lastUs };
}

/** By how much foreign wait grew from a train's first packets to its last, if it left in turn. */
function growth(train: readonly Sample[], { capacity }: LineView): number {
  if (train.length <= 2 * TRAIN_END) return Number.POSITIVE_INFINITY;
  const least = (samples: readonly Sample[]): Sample =>
    samples.reduce((low, sample) => (sample.foreignUs < low.foreignUs ? sample : low));
  const [first, last] = [least(train.slice(0, TRAIN_END)), least(train.slice(-TRAIN_END))];
  const between = train.slice(train.indexOf(first), train.indexOf(last));
  const bytes = between.reduce((sum, sample) => sum + sample.bytes, 0);
  return (last.foreignUs - first.foreignUs) / ((bytes * SECOND) / (TRAIN_RATE * capacity));
}

/** How many packets measure a line that is about as fast as this. */
export function burstPackets(capacity: number): number {
  const { min, max } = BURST_PACKETS;
  const packets = Math.round((capacity * BURST_US) / SECOND / PACKET_BYTES);
  return Math.min(max, Math.max(min, packets));
}

/** How fast a burst came out of the line; `undefined` where it does not say. */
export function burstRate(step: Step, samples: readonly Sample[]): number | undefined {
  const arrived = step.arrived(samples);
  const lastSentUs = arrived.at(-1)?.sentAtUs ?? 0;
  const together = arrived.filter(({ sentAtUs }) => sentAtUs > lastSentUs - MS);
  return together.length < BURST_ARRIVED * step.sent ? undefined : flowOf(together)?.outRate;
}

/**
 * Looks at a line that is sent into faster and faster: the rate of one that has just become full,
 * whether `others` fill it, or nothing yet.
 */
export function startVerdict(line: LineView): number | "others" | undefined {
  const { recent } = line;
  const flow = flowOf(recent);
  if (flow === undefined || flow.spanUs < START_SPAN_US) return undefined;
  const queueUs = Math.min(...recent.slice(-4).map(queueOf));
  const highUs = Math.max(START_WAIT_US, START_NOISES * line.noise.us);
  if (queueUs > highUs && flow.outRate < START_SLOWER * flow.inRate) return flow.outRate;
  return queueUs > highUs + START_FULL_US ? "others" : undefined;
}

/**
 * The newest packets, if they are a few that have all waited for others longer than the limit and
 * did not arrive at once; none otherwise.
 */
export function lastingForeign(samples: readonly Sample[], limitUs: number): readonly Sample[] {
  const from = samples.findLastIndex(({ foreignUs }) => foreignUs <= limitUs) + 1;
  const waited = samples.slice(from);
  const newestUs = waited.at(-1)?.arrivedAtUs ?? 0;
  const few = waited.at(-ALARM_LASTS_PACKETS);
  const lastedUs = newestUs - (waited[0]?.arrivedAtUs ?? 0);
  return few !== undefined && lastedUs >= ALARM_LASTS_US ? waited : [];
}

/** What a foreign wait says of those whose it is. */
export type Foreign = {
  /**
   * It came at once and grows no more, while as much of ours comes out of the line as it can carry:
   * whoever it was has gone, or something held the line up.
   */
  readonly isOver: boolean;
  /** How fast ours come out of the line since then, in bytes a second. */
  readonly outRate: number;
  /** It grows slowly: they take a steady part, and do not push. */
  readonly isGentle: boolean;
  /** Their part of the line, if the line is as fast as we think... */
  readonly others: number;
  /** ... and how fast it is, in bytes a second, if nobody is there. */
  readonly slower: number;
};

/** Looks at packets that waited for others. */
export function judgeForeign(line: LineView, waited: readonly Sample[]): Foreign {
  const { recent } = line;
  const slope = slopeOf(recent, foreignOf);
  const outRate = flowOf(recent)?.outRate ?? 0;
  const sinceSlope = slopeOf(waited, foreignOf);
  const sinceRate = flowOf(waited)?.outRate ?? 0;
  const foreignUs = Math.min(...waited.map(foreignOf));
  const isSlow = largestStepUs(recent) < stepUsMax(line);
  return {
    isOver:
      cameAtOnce(line, waited) && sinceSlope < OVER_SLOPE && sinceRate > OVER_RATE * line.capacity,
    outRate: waited.length < OVER_PACKETS || sinceSlope < HEAP_SLOPE ? 0 : sinceRate,
    isGentle: isSlow && foreignUs < GENTLE_US_MAX && slope > 0 && slope < GENTLE_SLOPE,
    others: Math.max(0, 1 - outRate / line.capacity),
    slower: Math.min(line.capacity, outRate),
  };
}

/** Whether foreign wait grew by more than packets of others make it grow in turn, and then no more. */
function cameAtOnce(line: LineView, waited: readonly Sample[]): boolean {
  const [first] = waited;
  const before = line.samples.at(-waited.length - 1);
  if (first === undefined || before === undefined) return false;
  return first.foreignUs - before.foreignUs > stepUsMax(line);
}

/** A window's worth comes at once, and what does not push in small packets. */
function stepUsMax({ packetUs }: LineView): number {
  return Math.max(GENTLE_STEP_US, ALARM_PACKETS * packetUs);
}

/** By how much foreign wait grew at most from one packet to the next. */
function largestStepUs(samples: readonly Sample[]): number {
  const steps = samples.map(
    ({ foreignUs }, index) => foreignUs - (samples[index - 1]?.foreignUs ?? foreignUs),
  );
  return Math.max(0, ...steps);
}

/** Whether what arrived last waited for next to nobody, or not for others. */
export function isEmpty(line: LineView, wait: (sample: Sample) => number): boolean {
  const waits = line.samples.slice(-ALARM_LASTS_PACKETS).map(wait);
  return Math.min(...waits) < Math.max(EMPTY_US, line.alarmUs / 2);
}
