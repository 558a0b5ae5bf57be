import { OperatorError } from "../../runtime/operator-error.ts";
import { pause } from "../interruption.ts";
import type { Children } from "./children.ts";

/** How long a step of the demonstration may take, in milliseconds. */
const STEP_MS = 60_000;

/** How often is looked, in milliseconds. */
const LOOK_MS = 100;

/**
 * Looks again and again until there is something to see. What the look throws is tried again: a
 * program that is starting does not answer yet.
 *
 * @param what - Completes "waited for ...".
 * @throws OperatorError `demo-timeout` after a minute, or what became of a process that ended.
 */
export async function waitFor<T>(
  stage: { readonly children: Children; readonly options: { readonly signal: AbortSignal } },
  what: string,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const untilMs = performance.now() + STEP_MS;
  let problem: unknown;
  while (performance.now() < untilMs) {
    stage.children.check();
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      problem = error;
    }
    await pause(LOOK_MS, stage.options.signal);
  }
  const last = problem instanceof OperatorError ? ` The last problem: ${problem.message}` : "";
  throw new OperatorError(
    "demo-timeout",
    `Waited ${STEP_MS / 1000} s in vain for ${what}. Is this machine very busy?${last}`,
  );
}
