import type { PathStatus } from "../transport/association-types.ts";

/** How often is reported, in milliseconds. */
export const REPORT_MS = 1_000;

/** What a line test has to say once a second. Rates are of payload, in Mbit/s (10^6 bits a second). */
export type Report = {
  readonly seconds: number;
  /** Payload so far. */
  readonly bytes: number;
  readonly mbit: number;
  /** The smoothed round trip, in milliseconds. */
  readonly rttMs?: number;
  /** What the sender takes for the line's rate, in Mbit/s. */
  readonly capacityMbit?: number;
  /** What the sender takes for the line's queue, in milliseconds. */
  readonly queueMs?: number;
  readonly state?: string;
};

/** What a line test was in all. */
export type Summary = { readonly seconds: number; readonly bytes: number; readonly mbit: number };

/** Counts payload, and says how fast it goes. */
export class Meter {
  readonly #startedMs: number;
  #lastMs: number;
  #lastBytes = 0;
  #endMs: number;
  #bytes = 0;

  /** @param nowMs - When the first byte could go. */
  constructor(nowMs: number) {
    this.#startedMs = nowMs;
    this.#lastMs = nowMs;
    this.#endMs = nowMs;
  }

  /** So many bytes have gone or come in all. */
  total(nowMs: number, bytes: number): void {
    // What is sealed anew waits again, and has gone before.
    if (bytes <= this.#bytes) return;
    this.#bytes = bytes;
    this.#endMs = nowMs;
  }

  /** The last byte has arrived only now. */
  end(nowMs: number): void {
    this.#endMs = nowMs;
  }

  /** How it went since the last report. */
  report(nowMs: number, path?: PathStatus): Report {
    const mbit = mbitOf(this.#bytes - this.#lastBytes, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#lastBytes = this.#bytes;
    return { seconds: seconds(nowMs - this.#startedMs), bytes: this.#bytes, mbit, ...shown(path) };
  }

  /** How it went from the start to the last byte. */
  summary(): Summary {
    const ms = this.#endMs - this.#startedMs;
    return { seconds: seconds(ms), bytes: this.#bytes, mbit: mbitOf(this.#bytes, ms) };
  }
}

function shown(path: PathStatus | undefined): Partial<Report> {
  if (path === undefined) return {};
  const { rttUs, capacityBytesPerS, queueUs, state } = path;
  return {
    rttMs: round(rttUs / 1_000, 2),
    ...(capacityBytesPerS === undefined
      ? {}
      : { capacityMbit: round((capacityBytesPerS * 8) / 1e6, 2) }),
    ...(queueUs === undefined ? {} : { queueMs: round(queueUs / 1_000, 2) }),
    ...(state === undefined ? {} : { state }),
  };
}

function mbitOf(bytes: number, ms: number): number {
  return ms <= 0 ? 0 : round((bytes * 8) / ms / 1_000, 2);
}

function seconds(ms: number): number {
  return round(ms / 1_000, 2);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
