import { MS, SECOND } from "../base/units.ts";
import type { Packet, Plan } from "./router.ts";

/** What a segment is long, with its headers. */
const SEGMENT_BYTES = 1_500;

/** RFC 9438, section 4.1 and 4.6. */
const C = 0.4;
const BETA = 0.7;

/** The first window (RFC 6928). */
const WINDOW_INITIAL = 10;

/** HyStart++ without its ACK train (RFC 9406): how much delay ends slow start. */
const HYSTART_MIN_US = 4 * MS;
const HYSTART_MAX_US = 16 * MS;
const HYSTART_WINDOW = 16;

const REORDERED = 3;
const RTO_MIN_US = 200 * MS;

/** How a transfer is made. */
export type CubicOptions = {
  readonly flow: number;
  /** The way back, of acknowledgements. */
  readonly backUs: number;
  readonly plan: Plan;
  readonly now: () => number;
  readonly carry: (packet: Packet) => void;
};

/**
 * Somebody else's transfer: TCP with CUBIC (RFC 9438), selective acknowledgements and HyStart, with
 * what matters to those who share a line with it and nothing more.
 */
export class CubicFlow {
  readonly #options: CubicOptions;
  #window = WINDOW_INITIAL;
  #threshold = Number.POSITIVE_INFINITY;
  #windowMax = 0;
  #epochUs: number | undefined;
  #next = 0;
  #limit = 0;
  #highest = -1;
  readonly #inFlight = new Map<number, number>();
  readonly #lost: number[] = [];
  #recoverUntil = -1;
  #smoothedUs = 0;
  #baseUs = Number.POSITIVE_INFINITY;
  #roundEnd = 0;
  #roundMinUs = Number.POSITIVE_INFINITY;
  #lastHeardUs = 0;
  #ticking = false;
  #onDone: (() => void) | undefined;
  /** Segments that have reached the other end, each once. */
  delivered = 0;

  constructor(options: CubicOptions) {
    this.#options = options;
  }

  /** Sends so many bytes; calls back once all have been acknowledged. */
  start(bytes: number, onDone?: () => void): void {
    this.#limit = this.#next + Math.ceil(bytes / (SEGMENT_BYTES - 52));
    this.#onDone = onDone;
    this.#lastHeardUs = this.#options.now();
    this.#pump();
    if (!this.#ticking) this.#tick();
  }

  /** Sends no more. */
  stop(): void {
    this.#limit = 0;
    this.#lost.length = 0;
    this.#onDone = undefined;
  }

  #pump(): void {
    while (this.#inFlight.size < Math.floor(this.#window)) {
      const again = this.#lost.shift();
      if (again === undefined && this.#next >= this.#limit) return;
      this.#send(again ?? this.#next++);
    }
  }

  #send(segment: number): void {
    const { flow, backUs, plan, now, carry } = this.#options;
    const sentAtUs = now();
    this.#inFlight.set(segment, sentAtUs);
    const arrive = () => plan(backUs, () => this.#onAck(segment, sentAtUs));
    carry({ flow, bytes: SEGMENT_BYTES, arrive });
  }

  #onAck(segment: number, sentAtUs: number): void {
    const nowUs = this.#options.now();
    this.#lastHeardUs = nowUs;
    if (!this.#inFlight.delete(segment)) return;
    this.delivered += 1;
    this.#measure(nowUs - sentAtUs);
    this.#highest = Math.max(this.#highest, segment);
    for (const [other, otherAtUs] of this.#inFlight) {
      if (other > this.#highest - REORDERED || otherAtUs > sentAtUs) continue;
      this.#inFlight.delete(other);
      this.#lost.push(other);
      if (other > this.#recoverUntil) this.#reduce();
    }
    if (segment > this.#recoverUntil) this.#grow(nowUs, segment);
    const done = this.#next >= this.#limit && this.#inFlight.size === 0 && this.#lost.length === 0;
    if (!done) this.#pump();
    else if (this.#limit > 0) {
      this.#limit = 0;
      this.#onDone?.();
    }
  }

  #measure(rttUs: number): void {
    this.#smoothedUs += this.#smoothedUs === 0 ? rttUs : (rttUs - this.#smoothedUs) / 8;
    this.#baseUs = Math.min(this.#baseUs, rttUs);
    this.#roundMinUs = Math.min(this.#roundMinUs, rttUs);
  }

  #grow(nowUs: number, segment: number): void {
    if (this.#window < this.#threshold) {
      this.#window += 1;
      const limitUs = Math.min(HYSTART_MAX_US, Math.max(HYSTART_MIN_US, this.#baseUs / 8));
      if (segment >= this.#roundEnd) {
        const slow = this.#roundMinUs > this.#baseUs + limitUs && this.#window >= HYSTART_WINDOW;
        if (slow) this.#threshold = this.#window;
        this.#roundEnd = this.#next;
        this.#roundMinUs = Number.POSITIVE_INFINITY;
      }
      return;
    }
    this.#windowMax ||= this.#window;
    this.#epochUs ??= nowUs;
    const k = Math.cbrt(Math.max(0, this.#windowMax - this.#window0()) / C);
    const t = (nowUs - this.#epochUs + this.#smoothedUs) / SECOND;
    const target = Math.min(1.5 * this.#window, C * (t - k) ** 3 + this.#windowMax);
    this.#window += Math.max(0.01, target - this.#window) / this.#window;
  }

  #window0(): number {
    return Math.min(this.#windowMax, this.#threshold);
  }

  #reduce(): void {
    this.#recoverUntil = this.#next - 1;
    this.#windowMax =
      this.#window < this.#windowMax ? (this.#window * (1 + BETA)) / 2 : this.#window;
    this.#window = Math.max(2, this.#window * BETA);
    this.#threshold = this.#window;
    this.#epochUs = undefined;
  }

  #tick(): void {
    const { now, plan } = this.#options;
    this.#ticking = this.#limit > 0;
    if (!this.#ticking) return;
    const waitUs = Math.max(RTO_MIN_US, 2 * this.#smoothedUs);
    if (this.#inFlight.size > 0 && now() - this.#lastHeardUs > waitUs) {
      this.#lost.push(...this.#inFlight.keys());
      this.#inFlight.clear();
      this.#threshold = Math.max(2, this.#window * BETA);
      this.#window = 1;
      this.#lastHeardUs = now();
      this.#pump();
    }
    plan(50 * MS, () => this.#tick());
  }
}
