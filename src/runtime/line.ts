import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { Prng } from "../base/prng.ts";
import type { Address } from "../effects/network.ts";
import { ENVELOPE_BYTES, machineUs, stampEnvelope, unwrapFromLine } from "./line-envelope.ts";
import { type Crossing, type LineOffice, LineRoutes } from "./line-routes.ts";
import { OperatorError } from "./operator-error.ts";

/** What a line emulator is to be. */
export type LineOptions = {
  /** Where it listens; port 0 takes a free one. */
  readonly listen: Address;
  readonly offices: readonly LineOffice[];
  /** Rate of every direction for which its office names none, in Mbit/s (10^6 bits a second). */
  readonly mbit: number;
  /** How long a datagram may wait for its turn before it is dropped instead. Default 100. */
  readonly queueMs?: number;
  /** What every line adds to the time of travel. Default 0. */
  readonly delayMs?: number;
  /** The share of datagrams that every line loses, in [0, 1). Default 0. */
  readonly loss?: number;
  /** Chooses which datagrams are lost. Default 1. */
  readonly seed?: number;
};

/** What has passed one direction of an office's line since the start. */
export type LineCounters = Crossing & {
  /** With the headers of IP and UDP, without the envelope. */
  readonly bytes: number;
  readonly datagrams: number;
  /** Did not fit into the queue. */
  readonly droppedDatagrams: number;
  /** Crossed the line and were lost as `loss` has it. */
  readonly lostDatagrams: number;
};

/** An IPv4 (RFC 791) or IPv6 (RFC 8200) header and a UDP header (RFC 768), in bytes. */
const HEADER_BYTES = { ipv4: 28, ipv6: 48 } as const;

/** How often the queues are looked at, in milliseconds. */
const TICK_MS = 1;

/** What the socket may hold of datagrams that we have not looked at, in bytes. */
const SOCKET_BUFFER_BYTES = 4 << 20;

/**
 * Emulates the slow lines between offices in user space: agents send it what is meant for another
 * subnet (see `wrapForLine`), and it passes that on as fast as the lines in between allow.
 *
 * Every direction of a line is a queue that drops its tail and empties at the line's rate. When a
 * datagram has crossed is reckoned from when it was sent and is exact; the tick only decides when it
 * is seen to, and the envelope tells its receiver when it arrived in truth. So a busy machine, which
 * reads late and wakes late, makes no queue on the line: real lines have no processor. 95 Mbit/s of
 * 1,200-byte datagrams took 0.22 of a core, all but 0.02 of it for receiving and sending them.
 */
export class Line {
  readonly #socket: Socket;
  readonly #routes: LineRoutes;
  readonly #lanes: ReadonlyMap<string, Lane>;
  #timer: NodeJS.Timeout | undefined;
  #unroutedDatagrams = 0;

  /**
   * Opens a line emulator.
   *
   * @throws OperatorError `line-address` where it cannot listen, `line-topology` where the offices
   * are not a tree.
   */
  static async open(options: LineOptions): Promise<Line> {
    const routes = new LineRoutes(options.offices);
    const socket = createSocket({
      type: isIPv6(options.listen.host) ? "udp6" : "udp4",
      lookup: (host, _options, done) => done(null, host, isIPv6(host) ? 6 : 4),
    });
    try {
      const listening = once(socket, "listening");
      socket.bind(options.listen.port, options.listen.host);
      await listening;
    } catch (cause) {
      const { host, port } = options.listen;
      throw new OperatorError(
        "line-address",
        `The line emulator cannot listen on ${host} port ${port}: ${(cause as Error).message}. ` +
          "Is another one running? Stop it, or choose another address.",
        { cause },
      );
    }
    return new Line(socket, routes, options);
  }

  private constructor(socket: Socket, routes: LineRoutes, options: LineOptions) {
    this.#socket = socket;
    this.#routes = routes;
    this.#lanes = lanesOf(options);
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
    socket.on("message", (bytes) => this.#onEnvelope(bytes));
    // What cannot be delivered is lost, as on any line.
    socket.on("error", () => {});
  }

  /** Where it listens. */
  get address(): Address {
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  /** What has passed, for every direction of every line. */
  counters(): readonly LineCounters[] {
    return [...this.#lanes.values()].map((lane) => lane.counters());
  }

  /** How many datagrams came from or were meant for an address in no office, and were dropped. */
  unroutedDatagrams(): number {
    return this.#unroutedDatagrams;
  }

  /** Stops; what is still queued is lost. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }

  #onEnvelope(bytes: Uint8Array): void {
    const envelope = unwrapFromLine(bytes);
    const path = envelope && this.#routes.between(envelope.from.host, envelope.to.host);
    if (envelope === undefined || path === undefined) {
      this.#unroutedDatagrams += 1;
      return;
    }
    const enteredMs = nowMs() - envelope.agoUs / 1_000;
    // What left another line before that is before it in the next one.
    this.#passOn(enteredMs);
    this.#advance({ bytes, to: envelope.to, path, crossed: 0 }, enteredMs);
    this.#arm();
  }

  /** Takes a datagram to the next line of its path, or to where it is meant for. */
  #advance(parcel: Parcel, atMs: number): void {
    const next = parcel.path[parcel.crossed];
    if (next === undefined) {
      stampEnvelope(parcel.bytes, atMs * 1_000);
      this.#socket.send(parcel.bytes, parcel.to.port, parcel.to.host);
      return;
    }
    this.#lanes.get(laneKey(next))?.enter(parcel, atMs);
  }

  #onTick(): void {
    this.#passOn(nowMs());
    this.#arm();
  }

  /** Passes on what has crossed a line by then, in the order in which it has. */
  #passOn(untilMs: number): void {
    for (let lane = this.#firstDone(untilMs); lane !== undefined; lane = this.#firstDone(untilMs)) {
      const done = lane.leave();
      if (done?.survived !== true) continue;
      this.#advance({ ...done.parcel, crossed: done.parcel.crossed + 1 }, done.atMs);
    }
  }

  /** The line from which something leaves next, if it does by then. */
  #firstDone(untilMs: number): Lane | undefined {
    let first: Lane | undefined;
    let firstMs = untilMs;
    for (const lane of this.#lanes.values()) {
      if (lane.nextMs > firstMs) continue;
      [first, firstMs] = [lane, lane.nextMs];
    }
    return first;
  }

  /** The timer runs only while something waits. */
  #arm(): void {
    if (this.#timer !== undefined) return;
    if ([...this.#lanes.values()].every((lane) => lane.empty)) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#onTick();
    }, TICK_MS);
  }
}

/** A datagram on its way. */
type Parcel = {
  /** The envelope, which is what its receiver gets. */
  readonly bytes: Uint8Array;
  readonly to: Address;
  readonly path: readonly Crossing[];
  readonly crossed: number;
};

type Waiting = { readonly parcel: Parcel; readonly atMs: number; readonly survived: boolean };

type LaneOptions = {
  readonly bytesPerMs: number;
  readonly queueMs: number;
  readonly delayMs: number;
  readonly loss: number;
  readonly seed: number;
};

/** One direction of a line: first in, first out. */
class Lane {
  readonly #crossing: Crossing;
  readonly #options: LaneOptions;
  readonly #prng: Prng;
  #queue: Waiting[] = [];
  #head = 0;
  /** When the last datagram that was let in will have crossed. */
  #freeAtMs = 0;
  #bytes = 0;
  #datagrams = 0;
  #droppedDatagrams = 0;
  #lostDatagrams = 0;

  constructor(crossing: Crossing, options: LaneOptions) {
    this.#crossing = crossing;
    this.#options = options;
    this.#prng = new Prng(options.seed);
  }

  get empty(): boolean {
    return this.#head === this.#queue.length;
  }

  /** Puts a datagram behind all others, or drops it where the queue is full. */
  enter(parcel: Parcel, atMs: number): void {
    const startMs = Math.max(atMs, this.#freeAtMs);
    if (startMs - atMs > this.#options.queueMs) {
      this.#droppedDatagrams += 1;
      return;
    }
    const headerBytes = HEADER_BYTES[parcel.to.host.includes(":") ? "ipv6" : "ipv4"];
    const bytes = parcel.bytes.length - ENVELOPE_BYTES + headerBytes;
    this.#freeAtMs = startMs + bytes / this.#options.bytesPerMs;
    this.#bytes += bytes;
    this.#datagrams += 1;
    const survived = this.#prng.below(LOSS_SCALE) >= this.#options.loss * LOSS_SCALE;
    if (!survived) this.#lostDatagrams += 1;
    this.#queue.push({ parcel, atMs: this.#freeAtMs + this.#options.delayMs, survived });
  }

  /** When the first datagram has crossed; `Infinity` where there is none. */
  get nextMs(): number {
    return this.#queue[this.#head]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** Takes out the first datagram. */
  leave(): Waiting | undefined {
    const first = this.#queue[this.#head];
    if (first === undefined) return undefined;
    this.#head += 1;
    // The part that has left is thrown away in one go once it is the larger one.
    if (this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }

  counters(): LineCounters {
    return {
      ...this.#crossing,
      bytes: this.#bytes,
      datagrams: this.#datagrams,
      droppedDatagrams: this.#droppedDatagrams,
      lostDatagrams: this.#lostDatagrams,
    };
  }
}

/** How finely the share of lost datagrams is told. */
const LOSS_SCALE = 1 << 24;

/** How long a datagram may wait unless told otherwise, in milliseconds. */
const QUEUE_MS = 100;

function lanesOf(options: LineOptions): ReadonlyMap<string, Lane> {
  const lanes = new Map<string, Lane>();
  for (const office of options.offices.filter(({ parent }) => parent !== undefined)) {
    for (const direction of ["up", "down"] as const) {
      const crossing = { office: office.name, direction };
      const mbit = (direction === "up" ? office.upMbit : office.downMbit) ?? options.mbit;
      lanes.set(
        laneKey(crossing),
        new Lane(crossing, {
          bytesPerMs: (mbit * 1_000_000) / 8 / 1_000,
          queueMs: options.queueMs ?? QUEUE_MS,
          delayMs: options.delayMs ?? 0,
          loss: options.loss ?? 0,
          seed: (options.seed ?? 1) + lanes.size,
        }),
      );
    }
  }
  return lanes;
}

function laneKey(crossing: Crossing): string {
  return `${crossing.direction} ${crossing.office}`;
}

function nowMs(): number {
  return machineUs() / 1_000;
}
