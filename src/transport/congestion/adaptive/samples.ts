import { SECOND } from "../../../base/units.ts";

/** What is known of a packet that arrived. */
export type Sample = {
  readonly packet: number;
  readonly probe: boolean;
  readonly bytes: number;
  readonly sentAtUs: number;
  /** By the peer's clock. */
  readonly arrivedAtUs: number;
  /** How long it waited in the line's queue, and what of it was not our own. */
  readonly queueUs: number;
  readonly foreignUs: number;
};

/** How fast packets went into the line and came out of it, in bytes a second. */
export type Flow = { readonly inRate: number; readonly outRate: number; readonly spanUs: number };

/**
 * The rates of packets in the order of their arrival; `undefined` where they are too few. By least
 * squares, since timers send packets in small bursts and paths hold some of them up.
 */
export function flowOf(samples: readonly Sample[]): Flow | undefined {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || samples.length < 3) return undefined;
  const spanUs = last.arrivedAtUs - first.arrivedAtUs;
  const inRate = rateOf(samples, (sample) => sample.sentAtUs - first.sentAtUs);
  const outRate = rateOf(samples, (sample) => sample.arrivedAtUs - first.arrivedAtUs);
  return { inRate, outRate, spanUs };
}

/** How fast bytes pass a place, in bytes a second, by the times at which they pass it. */
function rateOf(samples: readonly Sample[], timeUs: (sample: Sample) => number): number {
  let passed = 0;
  const places = samples.map((sample) => {
    passed += sample.bytes;
    return passed;
  });
  const meanBytes = places.reduce((sum, bytes) => sum + bytes, 0) / samples.length;
  let along = 0;
  let across = 0;
  for (const [index, sample] of samples.entries()) {
    const bytes = (places[index] ?? 0) - meanBytes;
    along += bytes * bytes;
    across += bytes * timeUs(sample);
  }
  return (SECOND * along) / Math.max(along / 1e10, across);
}

/**
 * By how much a wait grows for each unit of time that passes between packets as they leave: 0 where
 * they come out of the line as fast as they go in, 1 where half as fast. By least squares, since
 * timers send packets in small bursts.
 */
export function slopeOf(samples: readonly Sample[], wait: (sample: Sample) => number): number {
  const count = samples.length;
  if (count < 2) return 0;
  let meanAt = 0;
  let meanWait = 0;
  for (const sample of samples) {
    meanAt += sample.sentAtUs / count;
    meanWait += wait(sample) / count;
  }
  let along = 0;
  let across = 0;
  for (const sample of samples) {
    const at = sample.sentAtUs - meanAt;
    along += at * at;
    across += at * (wait(sample) - meanWait);
  }
  return along === 0 ? 0 : across / along;
}

/** The value below which `part` of the values lie; 0 where there are none. */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}

export const queueOf = (sample: Sample): number => sample.queueUs;
export const foreignOf = (sample: Sample): number => sample.foreignUs;

/** The data that arrived last, of so long a time. */
export function latest(samples: readonly Sample[], us: number): readonly Sample[] {
  const newestUs = samples.at(-1)?.arrivedAtUs ?? 0;
  return samples.filter(({ probe, arrivedAtUs }) => !probe && arrivedAtUs > newestUs - us);
}
