import { networkInterfaces } from "node:os";
import type { Address } from "../effects/network.ts";
import { ago } from "./ago.ts";
import { ipv4Text, unpackHost } from "./host-bytes.ts";
import {
  AF,
  CONTROL_AT,
  CONTROL_LENGTH_AT,
  FLAGS_AT,
  LENGTH_AT,
  MESSAGE_BYTES,
  MSG_DONTWAIT,
  MSG_TRUNC,
  NAME_AT,
  NAME_LENGTH_AT,
  SO_TIMESTAMPNS,
  SOL_SOCKET,
  STAMP_AT,
  STAMP_BYTES,
  STAMP_LEVEL_AT,
  STAMP_TYPE_AT,
  setPointer,
  VECTOR_AT,
  VECTOR_BYTES,
  VECTOR_COUNT_AT,
  VECTOR_LENGTH_AT,
} from "./udp-structures.ts";

/** What has arrived at a socket. `bytes` are good until the inbox is asked again. */
export type NativeArrival = {
  readonly from: Address;
  readonly bytes: Uint8Array;
  /** How long ago it arrived, in microseconds; where the socket notes it. */
  readonly agoUs?: number | undefined;
};

/** The function of the system that takes many arrivals in a call. A pointer is an address. */
export type ReceiveMany = (
  fd: number,
  messages: Uint8Array,
  count: number,
  flags: number,
  timeout: null,
) => number;

/** Room for the address of a sender of either family. */
const NAME_BYTES = 32;

/** How many senders are remembered. */
const SENDERS_MAX = 4_096;

/**
 * Takes what waits in a socket, as much as there is room for, in one call of the system and into
 * memory that is used again each time: one call and one buffer for each datagram would be most of
 * what a line costs its receiver.
 */
export class Inbox {
  readonly #receive: ReceiveMany;
  readonly #count: number;
  readonly #arrivalBytes: number;
  readonly #memory: Uint8Array;
  readonly #headers: Uint8Array;
  readonly #headerView: DataView;
  /** Only the system reads it. */
  readonly #vectors: DataView;
  readonly #names: Uint8Array;
  readonly #nameView: DataView;
  readonly #stamps: DataView;

  /**
   * @param arrivalBytes - Room for one arrival; longer ones are not for us and are dropped.
   * @param addressOf - Where the system finds an array. @param count - Most arrivals in a call.
   */
  constructor(
    receive: ReceiveMany,
    addressOf: (bytes: Uint8Array) => number,
    { count, arrivalBytes }: { readonly count: number; readonly arrivalBytes: number },
  ) {
    this.#receive = receive;
    this.#count = count;
    this.#arrivalBytes = arrivalBytes;
    this.#memory = new Uint8Array(count * arrivalBytes);
    this.#headers = new Uint8Array(count * MESSAGE_BYTES);
    this.#headerView = new DataView(this.#headers.buffer);
    this.#vectors = new DataView(new ArrayBuffer(count * VECTOR_BYTES));
    this.#names = new Uint8Array(count * NAME_BYTES);
    this.#nameView = new DataView(this.#names.buffer);
    const memoryAt = addressOf(this.#memory);
    const vectorsAt = addressOf(new Uint8Array(this.#vectors.buffer));
    const namesAt = addressOf(this.#names);
    this.#stamps = new DataView(new ArrayBuffer(count * STAMP_BYTES));
    const stampsAt = addressOf(new Uint8Array(this.#stamps.buffer));
    for (let index = 0; index < count; index += 1) {
      const message = index * MESSAGE_BYTES;
      setPointer(this.#headerView, message + NAME_AT, namesAt + index * NAME_BYTES);
      setPointer(this.#headerView, message + VECTOR_AT, vectorsAt + index * VECTOR_BYTES);
      this.#headerView.setUint32(message + VECTOR_COUNT_AT, 1, true);
      this.#headerView.setUint32(message + NAME_LENGTH_AT, NAME_BYTES, true);
      setPointer(this.#headerView, message + CONTROL_AT, stampsAt + index * STAMP_BYTES);
      this.#headerView.setUint32(message + CONTROL_LENGTH_AT, STAMP_BYTES, true);
      const vector = index * VECTOR_BYTES;
      setPointer(this.#vectors, vector, memoryAt + index * arrivalBytes);
      this.#vectors.setUint32(vector + VECTOR_LENGTH_AT, arrivalBytes, true);
    }
  }

  /**
   * What waits in a socket; nothing where nothing does, or it has failed.
   *
   * @param wallUs - The wall clock, where the socket notes when datagrams arrive.
   */
  take(fd: number, wallUs?: () => number): readonly NativeArrival[] {
    const count = this.#receive(fd, this.#headers, this.#count, MSG_DONTWAIT, null);
    const arrivals: NativeArrival[] = [];
    const nowUs = wallUs !== undefined && count > 0 ? wallUs() : undefined;
    for (let index = 0; index < count; index += 1) {
      const message = index * MESSAGE_BYTES;
      const length = this.#headerView.getUint32(message + LENGTH_AT, true);
      const isCut = (this.#headerView.getUint32(message + FLAGS_AT, true) & MSG_TRUNC) !== 0;
      // The system has written how long the name was; the next call wants how long it may be.
      this.#headerView.setUint32(message + NAME_LENGTH_AT, NAME_BYTES, true);
      const stampUs = nowUs === undefined ? undefined : this.#stamp(message, index * STAMP_BYTES);
      const agoUs = nowUs === undefined ? undefined : ago(nowUs, stampUs);
      this.#headerView.setUint32(message + CONTROL_LENGTH_AT, STAMP_BYTES, true);
      const from = isCut ? undefined : this.#sender(index * NAME_BYTES);
      if (from === undefined) continue;
      const startAt = index * this.#arrivalBytes;
      arrivals.push({ from, bytes: this.#memory.subarray(startAt, startAt + length), agoUs });
    }
    return arrivals;
  }

  #stamp(message: number, at: number): number | undefined {
    if (this.#headerView.getUint32(message + CONTROL_LENGTH_AT, true) < STAMP_BYTES)
      return undefined;
    const level = this.#stamps.getInt32(at + STAMP_LEVEL_AT, true);
    const type = this.#stamps.getInt32(at + STAMP_TYPE_AT, true);
    if (level !== SOL_SOCKET || type !== SO_TIMESTAMPNS) return undefined;
    return microseconds(this.#stamps, at + STAMP_AT);
  }

  #sender(at: number): Address | undefined {
    const view = this.#nameView;
    const port = view.getUint16(at + 2);
    if (view.getUint16(at, true) === AF[4]) {
      // 48 bits: an integer that is exact, and needs no text to be looked up by.
      const key = view.getUint32(at + 4) * 0x1_00_00 + port;
      return senders.get(key) ?? remember(key, { host: ipv4Text(this.#names, at + 4), port });
    }
    const words = [0, 4, 8, 12].map((word) => view.getUint32(at + 8 + word));
    const zone = view.getUint32(at + 24, true);
    const key = `${words.join(".")} ${zone} ${port}`;
    const known = senders.get(key);
    if (known !== undefined) return known;
    const host = unpackHost(this.#names, at + 8);
    const zoneName = zone === 0 ? "" : interfaceName(zone);
    if (zoneName === undefined) return undefined;
    return remember(key, { host: zone === 0 ? host : `${host}%${zoneName}`, port });
  }
}

/** A `struct timespec` in whole microseconds. */
export function microseconds(view: DataView, at: number): number {
  const seconds = view.getUint32(at, true) + view.getInt32(at + 4, true) * 0x1_00_00_00_00;
  return seconds * 1_000_000 + Math.floor(view.getUint32(at + 8, true) / 1_000);
}

const senders = new Map<number | string, Address>();

function remember(key: number | string, address: Address): Address {
  // Every datagram comes from one of a few; the bound is against a flood from many.
  if (senders.size >= SENDERS_MAX) senders.clear();
  senders.set(key, address);
  return address;
}

/** The name of the interface that an IPv6 zone stands for. */
function interfaceName(zone: number): string | undefined {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((address) => address.family === "IPv6" && address.scopeid === zone)) {
      return name;
    }
  }
  return undefined;
}
