import type { ControllerStatus } from "../controller.ts";

/**
 * What the law does now.
 *
 * ```text
 * greeting --answers--> step (pair, burst, train) --sent--> judging
 * judging  --train passed--> ramp --round trip--> run --now and then--> up --> down --> run
 * judging  --train failed--> quiet; --bursts do not tell--> start --line full--> drain
 * ramp, run, up, down --foreign wait--> quiet; --foreign wait that grows slowly, or is over--> drain
 * drain    --queue empty--> run; --not--> quiet
 * quiet    --nobody waits, and silent for long enough--> step (train)
 * ```
 */
export type State =
  /** Learns the empty path with probes. */
  | "greeting"
  /** Sends a burst or a train, and then waits for what comes of it. */
  | "step"
  | "judging"
  /** Feels its way up, where bursts do not tell. */
  | "start"
  /** Uses the line: the first round trip, as usual, a little faster, and a little slower. */
  | "ramp"
  | "run"
  | "up"
  | "down"
  /** Lets the queue run empty, to see whose it was. */
  | "drain"
  /** Others are there: nothing but probes. */
  | "quiet";

/** In these the line is used, and others may be met. */
export const USING: ReadonlySet<State> = new Set(["start", "ramp", "run", "up", "down"]);

/** What people are told of it. */
export function told(state: State): ControllerStatus["state"] {
  if (state === "quiet") return "yielding";
  return USING.has(state) ? "steady" : "seeking";
}
