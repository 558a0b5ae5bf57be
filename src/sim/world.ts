import { Deadlines } from "../base/deadlines.ts";
import { invariant } from "../base/invariant.ts";
import type { Due } from "../base/machine.ts";
import { Prng } from "../base/prng.ts";
import type { Channel } from "../effects/channels.ts";
import { channelOf } from "../effects/channels.ts";
import type { CertificateFacts, HandshakeInput, HandshakeOutbox } from "../effects/handshake.ts";
import type { NetworkInput, NetworkOutbox } from "../effects/network.ts";
import { Agenda } from "./agenda.ts";
import { SimHandshakes } from "./handshake.ts";
import type { Link } from "./link.ts";

/** What every simulated program is told. */
export type WorldInput = NetworkInput | HandshakeInput | { readonly kind: "timer-fired" };

/** The part of an outbox that the world carries out for every program. */
export type WorldOutbox = NetworkOutbox & HandshakeOutbox;

/** A program in the world: a machine at an address. */
export type Resident = {
  readonly host: string;
  readonly certificate: CertificateFacts | undefined;
  /** What its wall clock shows; absent: the right time. */
  wallS?(): number;
  step(nowUs: number, input: WorldInput, outbox: WorldOutbox): void;
  due(): Due;
};

/** A datagram on its way. */
export type Parcel = {
  readonly from: string;
  readonly to: string;
  readonly channel: Channel;
  readonly bytes: Uint8Array;
};

/** A program at its address, with its way out into the world. */
type Household = {
  /** Stays with the address. */
  readonly number: number;
  readonly resident: Resident;
  readonly outbox: WorldOutbox;
};

/** Wall-clock second at which every world begins. */
const EPOCH_S = 1_800_000_000;

/** Programs joined by links, on a clock that jumps from each event to the next. */
export class World {
  readonly prng: Prng;
  /** What happened, a line an event: two runs of one seed are equal to the letter. */
  readonly trace: string[] = [];
  readonly #linksBetween: (from: string, to: string) => readonly Link[];
  readonly #residents = new Map<string, Household>();
  readonly #households: Household[] = [];
  /** Hosts that were ever there, by their /24. */
  readonly #neighbourhoods = new Map<string, Set<string>>();
  /** When each program is next called, by the number of its household. */
  readonly #deadlines = new Deadlines();
  /** Households whose deadline may be another one than is known. */
  readonly #touched = new Set<Household>();
  readonly #planned = new Agenda();
  #order = 0;
  #nowUs = 0;
  /** Whether what programs report is kept. It is much where they are many. */
  traced = true;
  /** Whether every datagram is written to the trace. */
  traceDatagrams = false;
  /** What becomes of a datagram before it leaves: it, another one in its place, several, or none. */
  wire: (parcel: Parcel) => readonly Parcel[] = (parcel) => [parcel];
  /** Whether a handshake of the program at this address comes to nothing. */
  handshakeFails: (host: string) => boolean = () => false;
  /** Told of everything that a program is told. */
  onDelivery: (host: string, input: WorldInput) => void = () => {};

  /** `linksBetween` says over which links a datagram goes, in this order; over none it is lost. */
  constructor(seed: number, linksBetween: (from: string, to: string) => readonly Link[]) {
    this.prng = new Prng(seed);
    this.#linksBetween = linksBetween;
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  /** The wall clock of every program. */
  get wallS(): number {
    return EPOCH_S + Math.floor(this.#nowUs / 1_000_000);
  }

  /** Puts a program at its address, in place of one that was there. */
  add(resident: Resident): WorldOutbox {
    const handshakes = new SimHandshakes({
      facts: resident.certificate,
      wallS: () => resident.wallS?.() ?? this.wallS,
      fails: () => this.handshakeFails(resident.host),
      emit: (input) => this.plan(0, () => this.#deliver(resident, input)),
    });
    const outbox: WorldOutbox = {
      send: (to, channel, bytes, segmentBytes) => {
        for (let at = 0; at < bytes.length; at += segmentBytes) {
          this.#carry(resident.host, to.host, channel, bytes.slice(at, at + segmentBytes));
        }
        return true;
      },
      handshakeStart: (key, side) => handshakes.start(key, side),
      handshakeFeed: (key, bytes) => handshakes.feed(key, bytes),
      handshakeEnd: (key) => handshakes.end(key),
    };
    const number = this.#residents.get(resident.host)?.number ?? this.#households.length;
    const household = { number, resident, outbox };
    this.#households[number] = household;
    this.#residents.set(resident.host, household);
    const neighbours = this.#neighbourhoods.get(subnetOf(resident.host)) ?? new Set();
    this.#neighbourhoods.set(subnetOf(resident.host), neighbours.add(resident.host));
    this.#touched.add(household);
    return outbox;
  }

  /** Tells a program something, in this very moment. */
  tell(host: string, input: WorldInput): void {
    const resident = this.#residents.get(host)?.resident;
    if (resident !== undefined) this.#deliver(resident, input);
  }

  /** A program has been told something otherwise: its deadline may be another one. */
  touch(host: string): void {
    const known = this.#residents.get(host);
    if (known !== undefined) this.#touched.add(known);
  }

  /** The way out of the program at an address. */
  outboxOf(host: string): WorldOutbox {
    const known = this.#residents.get(host);
    invariant(known !== undefined, "there is a program at the address");
    return known.outbox;
  }

  /** A program has another address from now on; what it was doing goes on. */
  moved(from: string, { host }: Resident): void {
    const known = this.#residents.get(from);
    if (known === undefined) return;
    this.#residents.delete(from);
    this.#residents.set(host, known);
  }

  /** Sends a datagram that no brain has made. */
  inject({ from, to, channel, bytes }: Parcel): void {
    this.#carry(from, to, channel, bytes);
  }

  /** Takes the program at an address away, as a power cut does. */
  remove(host: string): void {
    const known = this.#residents.get(host);
    if (known !== undefined) this.#deadlines.delete(known.number);
    this.#residents.delete(host);
  }

  /** Brings a datagram to every program of the sender's /24, itself among them. */
  broadcast(from: string, channel: Channel, bytes: Uint8Array): void {
    for (const host of this.#neighbourhoods.get(subnetOf(from)) ?? []) {
      if (this.#residents.has(host)) this.#carry(from, host, channel, bytes.slice());
    }
  }

  /** Plans something for later; equal times happen in the order they were planned. */
  plan(delayUs: number, run: () => void): void {
    this.#planned.push({ atUs: this.#nowUs + delayUs, order: this.#order++, run });
  }

  /** Runs until the clock reaches `endUs`, or until `done` says so. */
  runUntil(endUs: number, done: () => boolean = () => false): void {
    while (!done()) {
      this.#lookAtTouched();
      const planned = this.#planned.first;
      // Brains are told whole microseconds: of parts of one, sums and differences are not exact.
      const timerAtUs = Math.ceil(this.#deadlines.due().atUs);
      const atUs = Math.min(timerAtUs, planned?.atUs ?? Infinity);
      if (atUs > endUs) break;
      this.#nowUs = Math.max(this.#nowUs, atUs);
      if (planned !== undefined && planned.atUs <= timerAtUs) {
        this.#planned.takeFirst();
        planned.run();
      } else {
        this.#callNext();
      }
    }
    if (!done()) this.#nowUs = Math.max(this.#nowUs, endUs);
  }

  #lookAtTouched(): void {
    for (const household of this.#touched) {
      const { number, resident } = household;
      if (this.#residents.get(resident.host) !== household) continue;
      this.#deadlines.set(number, resident.due());
    }
    this.#touched.clear();
  }

  #callNext(): void {
    const number = this.#deadlines.takeExpired(this.#nowUs);
    const resident = number === undefined ? undefined : this.#households[number]?.resident;
    if (resident !== undefined) this.#deliver(resident, { kind: "timer-fired" });
  }

  #deliver(resident: Resident, input: WorldInput): void {
    const known = this.#residents.get(resident.host);
    if (known?.resident !== resident) return;
    this.onDelivery(resident.host, input);
    resident.step(this.#nowUs, input, known.outbox);
    this.#touched.add(known);
  }

  #carry(from: string, to: string, channel: Channel, bytes: Uint8Array): void {
    for (const parcel of this.wire({ from, to, channel, bytes })) {
      const links = this.#linksBetween(parcel.from, parcel.to);
      if (this.traceDatagrams) {
        this.trace.push(`${this.#nowUs} ${from} ${to} ${channel} ${bytes.length} ${links.length}`);
      }
      if (links.length > 0) this.#hop(parcel, links, 0);
    }
  }

  /**
   * Takes a datagram over one link after the other, each at the time when it comes to it: what
   * comes to a link from several others is carried in the order of arrival.
   */
  #hop(parcel: Parcel, links: readonly Link[], at: number): void {
    const link = links[at];
    if (link === undefined) {
      this.#arrive(parcel);
      return;
    }
    for (const atUs of link.carry(this.#nowUs, parcel.bytes.length)) {
      this.plan(atUs - this.#nowUs, () => this.#hop(parcel, links, at + 1));
    }
  }

  #arrive({ from, to, channel, bytes }: Parcel): void {
    const resident = this.#residents.get(to)?.resident;
    if (resident === undefined) return;
    const number = (bytes[0] ?? 0) & 15;
    const address = { host: from, port: 34_325 };
    const arrived = channelOf(number) ?? channel;
    const copy = bytes.slice();
    this.#deliver(resident, {
      kind: "datagram-received",
      from: address,
      channel: arrived,
      arrivals: [copy],
    });
    // As the sockets do, which use their memory again: who has kept it finds it spoilt.
    copy.fill(0xff);
  }
}

/** The /24 of an IPv4 address, as text. */
function subnetOf(host: string): string {
  return host.split(".").slice(0, 3).join(".");
}
