import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import type { Address } from "../../../src/effects/network.ts";
import {
  type Envelope,
  machineUs,
  stampEnvelope,
  unwrapFromLine,
  wrapForLine,
} from "../../../src/runtime/line-envelope.ts";

/** A datagram that has passed a relay. */
export type Passed = { readonly from: Address; readonly to: Address; readonly bytes: Buffer };

/** How much may wait to be passed on before a datagram is dropped, in bytes. */
const QUEUE_BYTES = 131_072;

/** How many of the datagrams to one host are remembered. */
const REMEMBERED = 512;

/** What the socket may hold of datagrams that we have not looked at, in bytes. */
const SOCKET_BUFFER_BYTES = 4 << 20;

/**
 * A line between offices in the hands of an attacker: it passes on everything, at a rate that can
 * be changed, remembers what has passed, and can say anything in anybody's name.
 */
export class Relay {
  readonly #socket: Socket;
  readonly #seen = new Map<string, Passed[]>();
  #queue: (Envelope & { readonly whole: Buffer })[] = [];
  #queuedBytes = 0;
  #bytesPerMs: number;
  #creditBytes = 0;
  #sinceMs = performance.now();

  static async open(mbit: number): Promise<Relay> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
    return new Relay(socket, mbit);
  }

  private constructor(socket: Socket, mbit: number) {
    this.#socket = socket;
    this.#bytesPerMs = (mbit * 1000) / 8;
    socket.on("message", (bytes) => this.#onEnvelope(bytes));
    socket.on("error", () => {});
    const timer = setInterval(() => this.#passOn(), 1);
    onTestFinished(() => {
      clearInterval(timer);
      socket.close();
    });
  }

  /** Where it listens. */
  get address(): Address {
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  setRate(mbit: number): void {
    this.#bytesPerMs = (mbit * 1000) / 8;
  }

  /** The last datagrams that have passed to a host. */
  passedTo(host: string): readonly Passed[] {
    return this.#seen.get(host) ?? [];
  }

  /** Sends a datagram as if it came from anywhere; resolves once the system has taken it. */
  say(from: Address, to: Address, bytes: Uint8Array): Promise<void> {
    const envelope = wrapForLine(from, to, bytes);
    return new Promise((resolve) => this.#socket.send(envelope, to.port, to.host, () => resolve()));
  }

  #onEnvelope(whole: Buffer): void {
    const envelope = unwrapFromLine(whole);
    if (envelope === undefined || this.#queuedBytes > QUEUE_BYTES) return;
    this.#queue.push({ ...envelope, whole });
    this.#queuedBytes += whole.length;
    const seen = this.#seen.get(envelope.to.host) ?? [];
    this.#seen.set(envelope.to.host, seen);
    const { from, to, payload } = envelope;
    if (seen.length >= REMEMBERED) seen.shift();
    seen.push({ from, to, bytes: Buffer.from(payload) });
  }

  #passOn(): void {
    const nowMs = performance.now();
    const gainedBytes = (nowMs - this.#sinceMs) * this.#bytesPerMs;
    this.#sinceMs = nowMs;
    // A pause of this process must not end in a burst.
    this.#creditBytes = Math.min(this.#creditBytes + gainedBytes, 20 * this.#bytesPerMs);
    let passed = 0;
    for (const { whole, to } of this.#queue) {
      if (this.#creditBytes <= 0) break;
      this.#creditBytes -= whole.length;
      this.#queuedBytes -= whole.length;
      stampEnvelope(whole, machineUs());
      this.#socket.send(whole, to.port, to.host);
      passed += 1;
    }
    this.#queue = this.#queue.slice(passed);
  }
}
