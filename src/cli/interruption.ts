import { OperatorError } from "../runtime/operator-error.ts";

/** Runs until it is done or someone asks the process to end; see {@link untilInterrupted}. */
export type Interruptible<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Runs `work` with a signal that aborts when the process is asked to end (SIGINT, SIGTERM, SIGHUP).
 *
 * @param withParent - Also when standard input closes, as it does once the parent is gone, however
 * it went.
 */
export async function untilInterrupted<T>(
  work: Interruptible<T>,
  { withParent = false }: { readonly withParent?: boolean } = {},
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(interrupted());
  for (const signal of SIGNALS) process.on(signal, abort);
  if (withParent) {
    process.stdin.on("end", abort).on("close", abort).on("error", abort);
    process.stdin.resume();
  }
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, abort);
    if (withParent) {
      process.stdin.off("end", abort).off("close", abort).off("error", abort);
      process.stdin.destroy();
    }
  }
}

/** What is thrown where work ends because the process was asked to end. */
export function interrupted(): OperatorError {
  return new OperatorError("interrupted", "Interrupted.");
}

/** Waits. @throws OperatorError `interrupted` as soon as the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (signal.aborted) {
      reject(interrupted());
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(interrupted());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** What asks a process to end. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
