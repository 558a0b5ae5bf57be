import { randomBytes } from "node:crypto";
import { KIB } from "../base/units.ts";
import { type Address, addressText } from "../effects/network.ts";
import { aborted } from "../runtime/aborted.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import type { AssociationEvent, Protocol } from "../transport/association-types.ts";
import { Meter, REPORT_MS, type Report, type Summary } from "./meter.ts";
import { Station } from "./station.ts";

/** How the sending end of a line test is made. */
export type SendOptions = {
  readonly to: Address;
  /** The address that it sends from; by default what the system's routes say. */
  readonly bind?: string;
  readonly protocol: Protocol;
  readonly word: string;
  /** How many bytes of payload; endless where it is absent. */
  readonly bytes?: number;
  readonly onReport: (report: Report) => void;
};

/** Most bytes that are handed over at a time, and that wait: as an agent does with pieces. */
const BLOCK_BYTES = 256 * KIB;
const AHEAD_BYTES = 1_024 * KIB;

/**
 * Sends until all bytes have arrived or the signal aborts.
 *
 * @returns What was sent, from when the association was up to the last byte.
 * @throws OperatorError `receiver-unreachable`, `receiver-refused`, `receiver-lost`, or where the
 * address cannot be had.
 */
export async function send(options: SendOptions, signal: AbortSignal): Promise<Summary> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const sending = new Sending(options, resolve);
  let association: number | undefined;
  const station = await Station.open({
    protocol: options.protocol,
    word: options.word,
    ...(options.bind === undefined ? {} : { bind: options.bind }),
    onEvent: (event) => {
      // Whoever else knocks is turned away, and is none of our business.
      if (event.association !== association) return;
      if (event.kind === "association-up") sending.begin(station, event.association);
      if (event.kind !== "association-down") return;
      sending.stop();
      reject(downError(event, options));
    },
    onStep: () => sending.goOn(),
  });
  const reporting = setInterval(() => sending.report(), REPORT_MS);
  try {
    association = station.connect(options.to);
    await Promise.race([promise, aborted(signal)]);
  } finally {
    sending.stop();
    clearInterval(reporting);
    await station.close();
  }
  return sending.summary();
}

/** A stream that is kept going. */
class Sending {
  readonly #options: SendOptions;
  readonly #onDone: () => void;
  readonly #data: Uint8Array = new Uint8Array(randomBytes(BLOCK_BYTES));
  /** Whom it goes to; absent before it begins and once it has stopped. */
  #receiver: { readonly station: Station; readonly association: number } | undefined;
  #meter: Meter | undefined;
  #handedBytes = 0;

  constructor(options: SendOptions, onDone: () => void) {
    this.#options = options;
    this.#onDone = onDone;
  }

  /** The association is up. */
  begin(station: Station, association: number): void {
    this.#receiver = { station, association };
    this.#meter = new Meter(performance.now());
  }

  /** Nothing more is handed over, and nothing more reported. */
  stop(): void {
    this.#receiver = undefined;
  }

  /** Hands over the next bytes if there is room; their own step brings us here again. */
  goOn(): void {
    if (this.#receiver === undefined) return;
    const { station, association } = this.#receiver;
    const { bytes = Number.POSITIVE_INFINITY } = this.#options;
    const queuedBytes = station.queuedBytes(association);
    this.#meter?.total(performance.now(), this.#handedBytes - queuedBytes);
    if (this.#handedBytes < bytes && queuedBytes < AHEAD_BYTES) {
      const some = this.#data.subarray(0, Math.min(BLOCK_BYTES, bytes - this.#handedBytes));
      this.#handedBytes += some.length;
      station.sendBlock(association, { requestId: 0, offsetBytes: 0, data: some });
    } else if (this.#handedBytes >= bytes && station.pathStatus(association)?.idle === true) {
      this.#meter?.end(performance.now());
      this.stop();
      this.#onDone();
    }
  }

  report(): void {
    if (this.#receiver === undefined || this.#meter === undefined) return;
    const { station, association } = this.#receiver;
    const path = station.pathStatus(association);
    this.#options.onReport(this.#meter.report(performance.now(), path));
  }

  summary(): Summary {
    return this.#meter?.summary() ?? { seconds: 0, bytes: 0, mbit: 0 };
  }
}

function downError(
  event: Extract<AssociationEvent, { kind: "association-down" }>,
  { to }: SendOptions,
): OperatorError {
  const where = addressText(to);
  const reason = event.reason.replace(/\.$/, "");
  if (event.wasUp) {
    const sentence = `The receiver at ${where} is gone: ${reason}.`;
    return new OperatorError("receiver-lost", `${sentence} Start it again there.`);
  }
  if (event.code === "unreachable") {
    const mend = `Start branchline netperf recv --listen ${where} there, and let UDP through.`;
    return new OperatorError("receiver-unreachable", `Nobody answers at ${where}. ${mend}`);
  }
  const mend = event.code === "foreign-certificate" ? " Give both ends the same --word." : "";
  const sentence = `The receiver at ${where} and this sender cannot speak: ${reason}.${mend}`;
  return new OperatorError("receiver-refused", sentence);
}
