import { renameSync, writeFileSync } from "node:fs";
import type { Address } from "../effects/network.ts";
import { aborted } from "../runtime/aborted.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { Protocol } from "../transport/association-types.ts";
import { Meter, REPORT_MS, type Report, type Summary } from "./meter.ts";
import { Station } from "./station.ts";

/** How the receiving end of a line test is made. */
export type ReceiveOptions = {
  readonly listen: Address;
  readonly protocol: Protocol;
  readonly word: string;
  /** A file that always says how many bytes of payload have come so far. */
  readonly counter?: string;
  /** Ends with the first sender instead of waiting for the next. */
  readonly once: boolean;
  readonly onReport: (report: Report) => void;
};

/** How often the counter is written, in milliseconds. */
const COUNTER_MS = 100;

/**
 * Takes what senders send, until the signal aborts.
 *
 * @returns What has come, from the first byte to the last.
 * @throws OperatorError where the port or the address cannot be had, or the counter not be written.
 */
export async function receive(options: ReceiveOptions, signal: AbortSignal): Promise<Summary> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let meter: Meter | undefined;
  let bytes = 0;
  const station = await Station.open({
    protocol: options.protocol,
    word: options.word,
    listen: options.listen,
    onEvent: (event) => {
      if (event.kind === "block-received") {
        const nowMs = performance.now();
        meter ??= new Meter(nowMs);
        bytes += event.data.length;
        meter.total(nowMs, bytes);
      } else if (event.kind === "association-down" && event.wasUp && options.once) resolve();
    },
  });
  const count = () => {
    try {
      if (options.counter !== undefined) writeCounter(options.counter, bytes);
    } catch (error) {
      reject(error);
    }
  };
  const counting = setInterval(count, COUNTER_MS);
  const reporting = setInterval(() => {
    if (meter !== undefined) options.onReport(meter.report(performance.now()));
  }, REPORT_MS);
  try {
    await Promise.race([promise, aborted(signal)]);
    if (options.counter !== undefined) writeCounter(options.counter, bytes);
  } finally {
    clearInterval(counting);
    clearInterval(reporting);
    await station.close();
  }
  return meter?.summary() ?? { seconds: 0, bytes: 0, mbit: 0 };
}

/** Whoever reads the file finds the old number or the new one, and never a part of it. */
function writeCounter(file: string, bytes: number): void {
  try {
    writeFileSync(`${file}.new`, `${bytes}\n`);
    renameSync(`${file}.new`, file);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    const sentence = `The counter ${file} cannot be written: ${problem}. Choose another file.`;
    throw new OperatorError("counter-not-written", sentence, { cause });
  }
}
