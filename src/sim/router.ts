import type { Prng } from "../base/prng.ts";
import { MS, SECOND } from "../base/units.ts";

/** A packet on its way through a router. */
export type Packet = {
  /** Packets of one flow share a queue where the router keeps several. */
  readonly flow: number;
  /** All of it, headers included. */
  readonly bytes: number;
  /** Called when it arrives; never where it is lost. */
  readonly arrive: () => void;
};

/** What a router does to packets, in one direction. */
export type RouterOptions = {
  /**
   * `fifo`: one queue that drops what it has no room for. `fq-codel`: a queue for each flow, served
   * in turn, with drops by waiting time (RFC 8290). `policer`: no queue at all, only a bucket of
   * tokens. `codel`: one queue with drops by waiting time (RFC 8289).
   */
  readonly queue: "fifo" | "codel" | "fq-codel" | "policer";
  /** Bytes a second. */
  readonly rate: number;
  /** What waits at most, or the size of the bucket. */
  readonly queueBytes: number;
  /** The way after the queue. */
  readonly delayUs: number;
  /** The mean of an exponential extra delay, which overtakes nothing. */
  readonly jitterUs: number;
  readonly lossPercent: number;
};

/** Runs something later. */
export type Plan = (delayUs: number, run: () => void) => void;

/** RFC 8289 and 8290. */
const TARGET_US = 5 * MS;
const INTERVAL_US = 100 * MS;
const QUANTUM_BYTES = 1_514;

/** Extra delay beyond so many means does not happen. */
const JITTER_MEANS_MAX = 5;

/** The slow line of an office: a queue before a fixed rate, shared by all who send. */
export class Router {
  options: RouterOptions;
  readonly #plan: Plan;
  readonly #now: () => number;
  readonly #prng: Prng;
  readonly #flows = new Map<number, FlowQueue>();
  /** RFC 8290's lists of flows that have something to send. */
  readonly #fresh: FlowQueue[] = [];
  readonly #old: FlowQueue[] = [];
  #queuedBytes = 0;
  #busy = false;
  #tokens: number;
  #tokensAtUs = 0;
  #lastArrivalUs = 0;
  /** Bytes that have left the queue, by flow. */
  readonly carried: Map<number, number> = new Map();
  drops = 0;

  constructor(
    options: RouterOptions,
    world: { readonly plan: Plan; readonly now: () => number; readonly prng: Prng },
  ) {
    this.options = options;
    this.#plan = world.plan;
    this.#now = world.now;
    this.#prng = world.prng;
    this.#tokens = options.queueBytes;
  }

  /** How long what waits now takes to leave. */
  get queueUs(): number {
    return (this.#queuedBytes * SECOND) / this.options.rate;
  }

  carry(packet: Packet): void {
    const { lossPercent, queue, queueBytes } = this.options;
    if (this.#prng.below(100_000) < lossPercent * 1_000) {
      this.drops += 1;
      return;
    }
    if (queue === "policer") {
      this.#police(packet);
      return;
    }
    if (this.#queuedBytes + packet.bytes > queueBytes && queue !== "fq-codel") {
      this.drops += 1;
      return;
    }
    this.#enqueue(packet);
    if (!this.#busy) this.#serve();
  }

  #police(packet: Packet): void {
    const nowUs = this.#now();
    const { rate, queueBytes } = this.options;
    this.#tokens = Math.min(
      queueBytes,
      this.#tokens + ((nowUs - this.#tokensAtUs) * rate) / SECOND,
    );
    this.#tokensAtUs = nowUs;
    if (this.#tokens < packet.bytes) {
      this.drops += 1;
      return;
    }
    this.#tokens -= packet.bytes;
    this.#send(packet);
  }

  #enqueue(packet: Packet): void {
    const key = this.options.queue === "fq-codel" ? packet.flow : 0;
    const flow = this.#flows.get(key) ?? new FlowQueue();
    this.#flows.set(key, flow);
    flow.packets.push({ packet, atUs: this.#now() });
    flow.bytes += packet.bytes;
    this.#queuedBytes += packet.bytes;
    if (flow.active) return;
    flow.active = true;
    flow.deficit = QUANTUM_BYTES;
    this.#fresh.push(flow);
  }

  #serve(): void {
    const packet = this.#next();
    this.#busy = packet !== undefined;
    if (packet === undefined) return;
    this.#plan((packet.bytes * SECOND) / this.options.rate, () => {
      this.#send(packet);
      this.#serve();
    });
  }

  #send(packet: Packet): void {
    const { delayUs, jitterUs } = this.options;
    const known = this.carried.get(packet.flow) ?? 0;
    this.carried.set(packet.flow, known + packet.bytes);
    const draw = -Math.log(1 - this.#prng.below(1_000_000) / 1_000_000);
    const extraUs = jitterUs * Math.min(JITTER_MEANS_MAX, draw);
    const nowUs = this.#now();
    this.#lastArrivalUs = Math.max(this.#lastArrivalUs, nowUs + delayUs + extraUs);
    this.#plan(this.#lastArrivalUs - nowUs, packet.arrive);
  }

  #next(): Packet | undefined {
    for (;;) {
      const list = this.#fresh.length > 0 ? this.#fresh : this.#old;
      const flow = list[0];
      if (flow === undefined) return undefined;
      if (flow.deficit <= 0) {
        flow.deficit += QUANTUM_BYTES;
        list.shift();
        this.#old.push(flow);
        continue;
      }
      const packet = this.options.queue === "fifo" ? this.#pop(flow) : this.#popByDelay(flow);
      if (packet !== undefined) {
        flow.deficit -= packet.bytes;
        return packet;
      }
      list.shift();
      if (list === this.#fresh && this.#old.length > 0) this.#old.push(flow);
      else flow.active = false;
    }
  }

  #pop(flow: FlowQueue): Packet | undefined {
    const waiting = flow.packets.shift();
    if (waiting === undefined) return undefined;
    flow.bytes -= waiting.packet.bytes;
    this.#queuedBytes -= waiting.packet.bytes;
    flow.waitedUs = this.#now() - waiting.atUs;
    return waiting.packet;
  }

  /** CoDel's dequeue (RFC 8289, section 5). */
  #popByDelay(flow: FlowQueue): Packet | undefined {
    const nowUs = this.#now();
    let packet = this.#pop(flow);
    let late = flow.isLate(nowUs, packet);
    if (packet === undefined) flow.dropping = false;
    else if (flow.dropping) {
      if (!late) flow.dropping = false;
      while (flow.dropping && nowUs >= flow.dropNextUs) {
        this.drops += 1;
        flow.count += 1;
        packet = this.#pop(flow);
        late = flow.isLate(nowUs, packet);
        if (late) flow.dropNextUs += INTERVAL_US / Math.sqrt(flow.count);
        else flow.dropping = false;
      }
    } else if (late) {
      this.drops += 1;
      packet = this.#pop(flow);
      flow.isLate(nowUs, packet);
      flow.dropping = true;
      const delta = flow.count - flow.lastCount;
      const recent = nowUs - flow.dropNextUs < 16 * INTERVAL_US;
      flow.count = delta > 1 && recent ? delta : 1;
      flow.lastCount = flow.count;
      flow.dropNextUs = nowUs + INTERVAL_US / Math.sqrt(flow.count);
    }
    return packet;
  }
}

class FlowQueue {
  readonly packets: { readonly packet: Packet; readonly atUs: number }[] = [];
  bytes = 0;
  deficit = 0;
  active = false;
  waitedUs = 0;
  dropping = false;
  dropNextUs = 0;
  count = 0;
  lastCount = 0;
  #firstAboveUs = 0;

  /** Whether packets have waited for too long, for too long. */
  isLate(nowUs: number, packet: Packet | undefined): boolean {
    if (packet === undefined || this.waitedUs < TARGET_US || this.bytes <= QUANTUM_BYTES) {
      this.#firstAboveUs = 0;
      return false;
    }
    if (this.#firstAboveUs === 0) {
      this.#firstAboveUs = nowUs + INTERVAL_US;
      return false;
    }
    return nowUs >= this.#firstAboveUs;
  }
}
