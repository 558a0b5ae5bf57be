import type { Sample } from "./watch.ts";

/** A time on the clock of the samples. */
export type Span = { readonly fromMs: number; readonly toMs: number };

/** What is counted. */
type Counter = "lineBytes" | "oursBytes" | "foregroundBytes";

/** How long a rate has to hold to count as one. */
const HOLDS_MS = 200;

/** Bytes of one counter in a span; what lies between two samples is shared out by time. */
export function bytesIn(samples: readonly Sample[], counter: Counter, span: Span): number {
  return countAt(samples, counter, span.toMs) - countAt(samples, counter, span.fromMs);
}

/** What of the samples lies in a span. */
export function samplesIn(samples: readonly Sample[], { fromMs, toMs }: Span): readonly Sample[] {
  return samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
}

/**
 * From when on our own rate, as bytes a second over a while, satisfies the wish.
 *
 * @returns Seconds since the span began; null where it never did.
 */
export function secondsUntil(
  samples: readonly Sample[],
  { fromMs, toMs }: Span,
  wish: (bytesPerS: number) => boolean,
): number | null {
  for (const { atMs } of samplesIn(samples, { fromMs, toMs: toMs - HOLDS_MS })) {
    const bytes = bytesIn(samples, "oursBytes", { fromMs: atMs, toMs: atMs + HOLDS_MS });
    if (wish((bytes * 1_000) / HOLDS_MS)) return (atMs - fromMs) / 1_000;
  }
  return null;
}

function countAt(samples: readonly Sample[], counter: Counter, atMs: number): number {
  const index = samples.findIndex((sample) => sample.atMs >= atMs);
  const [before, after] = [samples[index - 1], samples[index] ?? samples.at(-1)];
  if (before === undefined || after === undefined || index < 0) return after?.[counter] ?? 0;
  const part = (atMs - before.atMs) / (after.atMs - before.atMs);
  return before[counter] + part * (after[counter] - before[counter]);
}
