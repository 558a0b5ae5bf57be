/**
 * A part of the product that decides, and does nothing else.
 *
 * It is told the time, applies inputs in order, and writes every consequence into an outbox that
 * the world (the real one in `runtime/`, an invented one in `sim/`) carries out. It never waits.
 */
export type Machine<Input, Outbox> = {
  /** Applies one input. Synchronous; every consequence is in `outbox` when it returns. */
  step(nowUs: number, input: Input, outbox: Outbox): void;

  /** When `step` must next be called with a timer input, and why; `atUs` may be `Infinity`. */
  due(): Due;
};

/** A deadline and the name of the timer that set it: traces show why a machine woke up. */
export type Due = { readonly atUs: number; readonly reason: string };

/** The deadline of something that waits for the world and not for time. */
export const NEVER: Due = { atUs: Number.POSITIVE_INFINITY, reason: "never" };

/** The earlier of two deadlines; the first wins a tie. */
export function earlier(a: Due, b: Due): Due {
  return b.atUs < a.atUs ? b : a;
}
