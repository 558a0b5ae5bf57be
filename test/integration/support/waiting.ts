import { OperatorError } from "../../../src/runtime/operator-error.ts";

/** How often is looked, in milliseconds. */
const LOOK_MS = 50;

/** How long something may take before the test gives up, in milliseconds. */
const PATIENCE_MS = 60_000;

/**
 * Looks again and again until there is something to see.
 *
 * @param what - Completes "waited in vain for ...".
 * @param look - An `OperatorError` that it throws is waited out: a program that is starting does
 * not answer yet.
 */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  options: { readonly patienceMs?: number; readonly lookMs?: number } = {},
): Promise<T> {
  const { patienceMs = PATIENCE_MS, lookMs = LOOK_MS } = options;
  const untilMs = performance.now() + patienceMs;
  let problem: unknown;
  while (performance.now() < untilMs) {
    try {
      const found = await look();
      if (found !== undefined) return found;
      problem = undefined;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      problem = error;
    }
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  throw new Error(`waited in vain for ${what}`, { cause: problem });
}
