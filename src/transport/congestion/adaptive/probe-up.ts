import { MS } from "../../../base/units.ts";
import type { LineView } from "./line-view.ts";
import { type Flow, flowOf, queueOf, type Sample, slopeOf } from "./samples.ts";

/** How much faster than the line we send at most to see whether it has become faster. */
const GAIN_MIN = 1.05;
const GAIN_MAX = 1.25;

/** The queue that this may make where the line has not: for a longer round trip the gain is less. */
const QUEUE_US = 2 * MS;

/** The shortest time of sending faster, and how much longer an unsteady line needs. */
const US_MIN = 25 * MS;
const NOISES = 40;

/** Fewer packets tell nothing. */
const PACKETS_MIN = 8;
const PACKETS_WANTED = 12;
const SATURATED_MIN = 20;

/** A queue that grows at this part of the rate that would make it shows that the line is full. */
const FULL = 0.4;

/** The least part of the rate so far that a single look is believed. */
const SLOWER_MIN = 0.9;

/** How much of a new rate is believed. */
const WEIGHT = 0.5;

/** What a while of sending faster has shown. */
export type Outcome =
  | { readonly kind: "nothing" }
  /** The line took all of it: it may be faster still. */
  | { readonly kind: "faster"; readonly capacity: number }
  | { readonly kind: "full"; readonly capacity: number };

/** Sends a little faster than the line now and then, to see whether it still is as fast as that. */
export class ProbeUp {
  #gain = GAIN_MIN;
  #fromUs = 0;
  #untilUs = 0;

  get gain(): number {
    return this.#gain;
  }

  get untilUs(): number {
    return this.#untilUs;
  }

  begin(nowUs: number, line: LineView): void {
    this.#fromUs = nowUs;
    this.#untilUs = nowUs + durationUs(line);
  }

  /** What it has shown, once all that left meanwhile has arrived. */
  end(line: LineView): Outcome {
    const { capacity, samples, noise } = line;
    const sent = samples.filter(
      ({ probe, sentAtUs }) => !probe && sentAtUs >= this.#fromUs && sentAtUs <= this.#untilUs,
    );
    const gain = this.#gain;
    this.#gain = 1 + Math.min(GAIN_MIN - 1, QUEUE_US / durationUs(line));
    const flow = flowOf(sent);
    const isEnough = flow !== undefined && sent.length >= PACKETS_MIN;
    if (!isEnough || flow.inRate < 0.9 * gain * capacity) return { kind: "nothing" };
    if (slopeOf(sent, queueOf) > FULL * (gain - 1)) {
      // It was sent into at `gain`: it is slower than that, and not much slower all of a sudden.
      const rate = saturatedRate(sent, flow, noise.us);
      const seen = Math.min(gain * capacity, Math.max(SLOWER_MIN * capacity, rate));
      return { kind: "full", capacity: capacity + WEIGHT * (seen - capacity) };
    }
    this.#gain = Math.min(GAIN_MAX, 1 + 1.6 * (gain - 1));
    return { kind: "faster", capacity: Math.max(capacity, Math.min(flow.inRate, gain * capacity)) };
  }
}

/** How long it takes: on a slow line as long as enough packets take to leave. */
function durationUs({ packetUs, roundUs, noise }: LineView): number {
  return Math.max(US_MIN, roundUs, NOISES * noise.us, PACKETS_WANTED * packetUs);
}

/** The line's rate, as those packets show it that found others before them all the time. */
function saturatedRate(samples: readonly Sample[], all: Flow, noiseUs: number): number {
  const leastUs = Math.max(MS / 2, 2 * noiseUs);
  const from = samples.findLastIndex(({ queueUs }) => queueUs < leastUs) + 1;
  const flow = samples.length - from >= SATURATED_MIN ? flowOf(samples.slice(from)) : undefined;
  return flow?.outRate ?? all.outRate;
}
