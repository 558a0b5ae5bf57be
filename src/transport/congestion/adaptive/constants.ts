import { KIB, MIB, MS, SECOND } from "../../../base/units.ts";

/** Headers of IP and UDP, which the line carries too. */
export const HEADER_BYTES = 28;

export const WINDOW_BYTES_MAX: number = 8 * MIB;

/** What may be under way beyond a round trip's worth: late timers, reports that are gathered. */
export const WINDOW_SLACK_US: number = 100 * MS;

/** A round trip is taken to be between these, whatever was measured, and so before the first. */
export const ROUND_US_MIN: number = 10 * MS;
export const ROUND_US_MAX: number = 500 * MS;
export const ROUND_US_INITIAL: number = 100 * MS;

/** How much of the line we take after a round trip of taking more than it has. */
export const SHARE_DOWN = 0.93;

/**
 * Foreign wait beyond which others are taken to be there: this, or so many times the noise, or so
 * many packets. It has to last for some packets and some time, since what a path or a processor
 * held up comes in a heap.
 */
export const ALARM_US: number = 4 * MS;
export const ALARM_NOISES = 4;
export const ALARM_PACKETS = 2.5;
export const ALARM_LASTS_US: number = 3 * MS;
export const ALARM_LASTS_PACKETS = 4;

/** Below this, or this part of the alarm, nobody waits. */
export const CLEAR_US: number = 2.5 * MS;
export const CLEAR_PART = 0.6;

/** How much more foreign wait is borne while we send faster than the line. */
export const PROBE_UP_SLACK_US: number = 1.5 * MS;

/** Foreign wait that grows more slowly than this comes of those who do not push. */
export const GENTLE_SLOPE = 0.35;
export const GENTLE_STEP_US: number = MS;
export const GENTLE_US_MAX: number = 15 * MS;

/** Of others who take less than this part it is believed that the line is slower than thought. */
export const OTHERS_MIN = 0.04;

/** A rate that has never been seen from above may be wrong by this part. */
export const UNCALIBRATED = 0.3;

/** A train: at what part of the line's rate, and how long. */
export const TRAIN_RATE = 0.9;
export const TRAIN_US: number = 10 * MS;
export const TRAIN_NOISES = 8;
export const TRAIN_PACKETS_MAX = 400;
/** A short one for slow lines, so that it is not long there; a longer one tells more. */
export const TRAIN_PACKETS_MIN = { slow: 6, fast: 16, withinUs: 20_000 } as const;
/** It has passed if so many came, and their wait grew no faster: out at 0.8 of in. */
export const TRAIN_ARRIVED = 0.8;
export const TRAIN_SLOPE_MAX = 0.25;
export const TRAIN_WAIT_US: number = 3 * MS;
/** A train whose wait grew faster than this shows a slower line, which is believed in steps. */
export const TRAIN_SLOPE_MIN = 0.03;
export const TRAIN_SLOWER = 0.93;

/** How much of the line the first round trip after a train that has passed takes. */
export const RAMP = 0.7;

/** Meeting a line: answers, and then packets and time of bursts at whatever speed they go. */
export const GREETINGS = 5;
export const PAIR_PACKETS = 4;
export const BURST_US: number = 8 * MS;
export const BURST_PACKETS = { min: 6, max: 24 } as const;
export const BURST_TRIES = 3;
/** No line is faster than this, whatever a burst shows: 20 Gbit/s. */
export const RATE_MAX = 2.5e9;

/** Feeling for the line's rate where bursts do not tell it, in bytes a second. */
export const START_RATE: number = 100 * 1_000;
export const START_GAIN = 1.6;
export const START_WAIT_US: number = 3 * MS;
export const START_NOISES = 4;
/** What comes out of the line slower than this of what goes in, has filled it. */
export const START_SLOWER = 0.93;
export const START_FULL_US: number = 9 * MS;
export const START_SPAN_US: number = 15 * MS;

/** What records are cut for while the line's rate is unknown. */
export const LINE_RATE_INITIAL: number = 125 * KIB;

/** How long a rate is kept that losses have shown. */
export const POLICED_US: number = 10 * SECOND;
