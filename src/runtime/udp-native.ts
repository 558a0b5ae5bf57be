import { ago } from "./ago.ts";
import { packHost } from "./host-bytes.ts";
import { Inbox, microseconds, type NativeArrival, type ReceiveMany } from "./udp-inbox.ts";
import {
  AF,
  CONTROL_AT,
  CONTROL_LENGTH_AT,
  MESSAGE_BYTES,
  MSG_DONTWAIT,
  NAME_AT,
  NAME_LENGTH_AT,
  SO_TIMESTAMPNS,
  SOL_SOCKET,
  STAMP_BYTES,
  setPointer,
  VECTOR_AT,
  VECTOR_BYTES,
  VECTOR_COUNT_AT,
  VECTOR_LENGTH_AT,
} from "./udp-structures.ts";

/**
 * What Node's own sockets cannot do, and what makes large transfers cheap: trains of datagrams in
 * one call (`UDP_SEGMENT`), arrivals that are joined (`UDP_GRO`) or taken many in a call, sends
 * whose outcome is known at once, and datagrams that no router may cut (`IP_MTU_DISCOVER`).
 *
 * Linux on 64-bit little-endian processors, where the optional package koffi is installed. A
 * kernel may lack some of it: each is tried, never assumed.
 */
export type NativeUdp = {
  /** Opens and binds a socket; `undefined` where that fails, which Node's own then explains. */
  open(options: {
    readonly address: string | undefined;
    readonly port: number;
    /** Whether arrivals from one sender may be joined. */
    readonly joined: boolean;
    /** Whether it is to be noted when each datagram arrives. */
    readonly timed: boolean;
  }): NativeSocket | undefined;
};

/** A bound socket, for Node to adopt and to close. */
export type NativeSocket = {
  readonly fd: number;
  /** Whether the kernel cuts trains by itself. */
  readonly cutsTrains: boolean;

  /**
   * Sends datagrams of one length, the last of which may be shorter.
   *
   * @param joined - Whether they may leave as one burst that the kernel cuts.
   * @returns How many bytes the kernel took, and why it took no more.
   */
  send(
    target: { readonly host: string; readonly port: number },
    bytes: Uint8Array,
    segmentBytes: number,
    joined: boolean,
  ): NativeSend;

  /** Takes what has arrived; the bytes are good until any socket is asked again. */
  receive(): readonly NativeArrival[];

  /** How long ago that arrived which Node has received last; `undefined` where it is not noted. */
  lastAgoUs(): number | undefined;
};

/** The outcome of a send. `code` is 0, or the system's error number for the rest. */
export type NativeSend = { readonly takenBytes: number; readonly code: number };

/** The system's error number of a queue that is full. */
export const QUEUE_FULL = 11;

/** The error number for what is no address of the socket's family: for Node's own sockets to say. */
export const NO_ADDRESS = 97;

/** The system's numbers of Linux, which are the same on all its 64-bit processors. */
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const MTU_DISCOVER = { 4: { level: 0, option: 10 }, 6: { level: 41, option: 23 } } as const;
const MTU_DISCOVER_PROBE = 3;
const CLOCK_REALTIME = 0;
const SIOCGSTAMPNS = 0x89_07;
const IPV6 = 41;
const IPV6_V6ONLY = 26;

/** Most datagrams of a train, and most bytes: what every kernel with `UDP_SEGMENT` takes. */
const TRAIN_SEGMENTS_MAX = 64;
const TRAIN_BYTES_MAX = 65_000;

/** Sizes of the system's structures, in bytes. */
const NAME_BYTES = { 4: 16, 6: 28 } as const;
const CONTROL_BYTES = 24;

/** Room for arrivals that the kernel joins, and for those that it does not. */
const JOINED = { count: 8, arrivalBytes: 65_536 } as const;
const SINGLE = { count: 64, arrivalBytes: 2_048 } as const;

/** What all sockets use: they are asked one after another. */
type Shared = {
  readonly messages: Messages;
  readonly inboxes: { readonly joined: Inbox; readonly single: Inbox };
};

/** The functions of the system's library. A pointer is a typed array or an address. */
type Library = {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, name: Uint8Array, length: number): number;
  close(fd: number): number;
  setsockopt(fd: number, level: number, option: number, value: Int32Array, size: number): number;
  sendmsg(fd: number, message: Uint8Array, flags: number): number;
  sendmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number;
  recvmmsg: ReceiveMany;
  ioctl(fd: number, request: number, result: Uint8Array): number;
  clock_gettime(clock: number, result: Uint8Array): number;
  addressOf(bytes: Uint8Array): number;
  errno(): number;
};

let loading: Promise<NativeUdp | undefined> | undefined;

/** The system's own sockets; `undefined` where they are not to be had, or were switched off. */
export function nativeUdp(): Promise<NativeUdp | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<NativeUdp | undefined> {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return undefined;
  try {
    const { default: koffi } = await import("koffi");
    const system = koffi.load(null);
    const pointer = "const void *";
    const define = (name: string, result: string, parameters: string[]) =>
      system.func(name, result, parameters);
    const library: Library = {
      socket: define("socket", "int", ["int", "int", "int"]),
      bind: define("bind", "int", ["int", pointer, "uint32_t"]),
      close: define("close", "int", ["int"]),
      setsockopt: define("setsockopt", "int", ["int", "int", "int", pointer, "uint32_t"]),
      sendmsg: define("sendmsg", "int64_t", ["int", pointer, "int"]),
      sendmmsg: define("sendmmsg", "int", ["int", pointer, "uint32_t", "int"]),
      recvmmsg: define("recvmmsg", "int", ["int", pointer, "uint32_t", "int", "void *"]),
      ioctl: define("ioctl", "int", ["int", "unsigned long", "void *"]),
      clock_gettime: define("clock_gettime", "int", ["int", "void *"]),
      addressOf: (bytes) => Number(koffi.address(bytes)),
      errno: () => koffi.errno(),
    };
    const messages = new Messages(library);
    const { recvmmsg, addressOf } = library;
    const inboxes = {
      joined: new Inbox(recvmmsg, addressOf, JOINED),
      single: new Inbox(recvmmsg, addressOf, SINGLE),
    };
    return { open: (options) => openSocket(library, { messages, inboxes }, options) };
  } catch {
    // Not installed, or not for this processor: everything works without it, only slower.
    return undefined;
  }
}

function openSocket(
  library: Library,
  { messages, inboxes }: Shared,
  options: {
    readonly address: string | undefined;
    readonly port: number;
    readonly joined: boolean;
    readonly timed: boolean;
  },
): NativeSocket | undefined {
  const family = options.address?.includes(":") === true ? 6 : 4;
  const name = nameOf(family, options.address ?? "0.0.0.0", options.port);
  if (name === undefined) return undefined;
  const fd = library.socket(AF[family], SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const set = (level: number, option: number, value: number): boolean =>
    library.setsockopt(fd, level, option, Int32Array.of(value), 4) === 0;
  const discover = MTU_DISCOVER[family];
  // IPv4 has sockets of its own on the same ports.
  if (family === 6) set(IPV6, IPV6_V6ONLY, 1);
  const sized = set(discover.level, discover.option, MTU_DISCOVER_PROBE);
  if (!sized || library.bind(fd, name, name.length) !== 0) {
    library.close(fd);
    return undefined;
  }
  // A size of zero asks for nothing, and shows whether the kernel knows the option.
  const cutsTrains = set(SOL_UDP, UDP_SEGMENT, 0);
  if (options.joined) set(SOL_UDP, UDP_GRO, 1);
  const time = new Uint8Array(STAMP_BYTES);
  const timeView = new DataView(time.buffer);
  const wallUs = (): number => {
    library.clock_gettime(CLOCK_REALTIME, time);
    return microseconds(timeView, 0);
  };
  const lastAgoUs = (): number | undefined => {
    if (!options.timed) return undefined;
    const known = library.ioctl(fd, SIOCGSTAMPNS, time) === 0;
    const stampUs = known ? microseconds(timeView, 0) : undefined;
    return ago(wallUs(), stampUs);
  };
  // The system begins to note arrivals when it is asked first.
  lastAgoUs();
  return {
    fd,
    cutsTrains,
    lastAgoUs,
    send: (target, bytes, segmentBytes, joined) => {
      if (!messages.aim(family, target)) return { takenBytes: 0, code: NO_ADDRESS };
      return joined && bytes.length > segmentBytes
        ? messages.sendTrains(fd, bytes, segmentBytes)
        : messages.sendSingly(fd, bytes, segmentBytes);
    },
    receive: () => {
      // Only while we read: with it the system would not say when what Node reads arrived.
      if (options.timed) set(SOL_SOCKET, SO_TIMESTAMPNS, 1);
      const inbox = options.joined ? inboxes.joined : inboxes.single;
      const arrivals = inbox.take(fd, options.timed ? wallUs : undefined);
      if (options.timed) set(SOL_SOCKET, SO_TIMESTAMPNS, 0);
      return arrivals;
    },
  };
}

/**
 * The structures in which the system is told what to send: made once, and filled in for each call.
 * They refer to each other by address, so they live as long as the process.
 */
class Messages {
  readonly #library: Library;
  readonly #headers = new Uint8Array(TRAIN_SEGMENTS_MAX * MESSAGE_BYTES);
  readonly #headerView = new DataView(this.#headers.buffer);
  readonly #vectors = new DataView(new ArrayBuffer(TRAIN_SEGMENTS_MAX * VECTOR_BYTES));
  readonly #control = new DataView(new ArrayBuffer(CONTROL_BYTES));
  readonly #name = new Uint8Array(128);
  readonly #controlAt: number;
  #family: 4 | 6 | undefined;

  constructor(library: Library) {
    this.#library = library;
    const nameAt = library.addressOf(this.#name);
    const vectorsAt = library.addressOf(new Uint8Array(this.#vectors.buffer));
    this.#controlAt = library.addressOf(new Uint8Array(this.#control.buffer));
    for (let index = 0; index < TRAIN_SEGMENTS_MAX; index += 1) {
      const at = index * MESSAGE_BYTES;
      setPointer(this.#headerView, at + NAME_AT, nameAt);
      setPointer(this.#headerView, at + VECTOR_AT, vectorsAt + index * VECTOR_BYTES);
      this.#headerView.setUint32(at + VECTOR_COUNT_AT, 1, true);
    }
    // One control message: its length, its level, its type, and the size of a segment.
    this.#control.setUint32(0, 18, true);
    this.#control.setInt32(8, SOL_UDP, true);
    this.#control.setInt32(12, UDP_SEGMENT, true);
  }

  /** Says where the next datagrams go; `false` where that is no address of this family. */
  aim(family: 4 | 6, target: { readonly host: string; readonly port: number }): boolean {
    const { host, port } = target;
    const address = addressIn(family, host);
    if (address === undefined) return false;
    this.#name.set(address);
    this.#name[2] = port >> 8;
    this.#name[3] = port & 0xff;
    if (this.#family === family) return true;
    this.#family = family;
    for (let index = 0; index < TRAIN_SEGMENTS_MAX; index += 1) {
      this.#headerView.setUint32(index * MESSAGE_BYTES + NAME_LENGTH_AT, NAME_BYTES[family], true);
    }
    return true;
  }

  /** Sends as few bursts as can be, each of which the kernel cuts. */
  sendTrains(fd: number, bytes: Uint8Array, segmentBytes: number): NativeSend {
    const from = this.#library.addressOf(bytes);
    const segments = Math.min(TRAIN_SEGMENTS_MAX, Math.floor(TRAIN_BYTES_MAX / segmentBytes));
    setPointer(this.#headerView, CONTROL_AT, this.#controlAt);
    this.#headerView.setUint32(CONTROL_LENGTH_AT, CONTROL_BYTES, true);
    this.#control.setUint16(16, segmentBytes, true);
    let at = 0;
    let code = 0;
    while (at < bytes.length && code === 0) {
      const length = Math.min(segments * segmentBytes, bytes.length - at);
      this.#setVector(0, from + at, length);
      if (this.#library.sendmsg(fd, this.#headers, MSG_DONTWAIT) < 0) code = this.#library.errno();
      else at += length;
    }
    setPointer(this.#headerView, CONTROL_AT, 0);
    this.#headerView.setUint32(CONTROL_LENGTH_AT, 0, true);
    return { takenBytes: at, code };
  }

  /** Sends datagrams one by one, many in a call. */
  sendSingly(fd: number, bytes: Uint8Array, segmentBytes: number): NativeSend {
    const from = this.#library.addressOf(bytes);
    let at = 0;
    while (at < bytes.length) {
      let count = 0;
      for (let next = at; next < bytes.length && count < TRAIN_SEGMENTS_MAX; count += 1) {
        const length = Math.min(segmentBytes, bytes.length - next);
        this.#setVector(count, from + next, length);
        next += length;
      }
      const sent =
        count === 1
          ? Math.sign(this.#library.sendmsg(fd, this.#headers, MSG_DONTWAIT))
          : this.#library.sendmmsg(fd, this.#headers, count, MSG_DONTWAIT);
      // After a part, the next call says why no more was taken.
      if (sent <= 0) return { takenBytes: at, code: this.#library.errno() };
      at = Math.min(bytes.length, at + sent * segmentBytes);
    }
    return { takenBytes: at, code: 0 };
  }

  #setVector(index: number, address: number, length: number): void {
    setPointer(this.#vectors, index * VECTOR_BYTES, address);
    this.#vectors.setUint32(index * VECTOR_BYTES + VECTOR_LENGTH_AT, length, true);
  }
}

/** How many addresses are remembered in the system's form. */
const NAMES_MAX = 4_096;
const names = { 4: new Map<string, Uint8Array>(), 6: new Map<string, Uint8Array>() };

/** The system's form of an address without its port; `undefined` for one of another family. */
function addressIn(family: 4 | 6, host: string): Uint8Array | undefined {
  const known = names[family].get(host);
  if (known !== undefined) return known;
  // A zone is an interface's name, which only Node's own sockets look up.
  if (host.includes(":") !== (family === 6) || host.includes("%")) return undefined;
  const name = nameOf(family, host, 0);
  if (name === undefined) return undefined;
  if (names[family].size >= NAMES_MAX) names[family].clear();
  names[family].set(host, name);
  return name;
}

function nameOf(family: 4 | 6, host: string, port: number): Uint8Array | undefined {
  const packed = packed16(host);
  if (packed === undefined || host.includes("%")) return undefined;
  const name = new Uint8Array(NAME_BYTES[family]);
  name[0] = AF[family];
  name[2] = port >> 8;
  name[3] = port & 0xff;
  if (family === 4) name.set(packed.subarray(12), 4);
  else name.set(packed, 8);
  return name;
}

function packed16(host: string): Uint8Array | undefined {
  try {
    return packHost(host);
  } catch {
    return undefined;
  }
}
