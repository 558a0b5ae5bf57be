import { pause } from "../../src/cli/interruption.ts";
import { OperatorError } from "../../src/runtime/operator-error.ts";

/** How often is looked, and for how long, in milliseconds. */
const LOOK_MS = 100;
const PATIENCE_MS = 60_000;

/** How something is waited for. */
export type Patience = {
  readonly signal: AbortSignal;
  readonly patienceMs?: number;
  readonly lookMs?: number;
};

/**
 * Looks again and again until there is something to see. What the look throws is waited out: a
 * program that is starting does not answer yet.
 *
 * @param what - Completes "waited in vain for ...".
 * @throws OperatorError `bench-timeout`, or `interrupted`.
 */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  { signal, patienceMs = PATIENCE_MS, lookMs = LOOK_MS }: Patience,
): Promise<T> {
  const untilMs = performance.now() + patienceMs;
  let last = "";
  while (performance.now() < untilMs) {
    try {
      const found = await look();
      if (found !== undefined) return found;
      last = "";
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (FATAL.has(error.code)) throw error;
      last = ` The last problem: ${error.message}`;
    }
    await pause(lookMs, signal);
  }
  const seconds = Math.round(patienceMs / 1000);
  throw new OperatorError("bench-timeout", `Waited ${seconds} s in vain for ${what}.${last}`);
}

/** The same, but a wait in vain gives `undefined`. */
export async function waitAtMost<T>(
  look: () => Promise<T | undefined> | T | undefined,
  patience: Patience,
): Promise<T | undefined> {
  try {
    return await waitFor("it", look, patience);
  } catch (error) {
    if (error instanceof OperatorError && error.code === "bench-timeout") return undefined;
    throw error;
  }
}

/** What no waiting mends. */
const FATAL: ReadonlySet<string> = new Set(["interrupted", "bench-program"]);
