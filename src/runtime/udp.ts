import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { MIB } from "../base/units.ts";
import type { Channel, PortTable } from "../effects/channels.ts";
import type { Address, NetworkInput, NetworkOutbox } from "../effects/network.ts";
import { DATAGRAM_BYTES_INITIAL } from "../wire/datagram.ts";
import { monotonicUs } from "./driver.ts";
import { unwrapFromLine, wrapForLine } from "./line-envelope.ts";
import { OperatorError } from "./operator-error.ts";
import type { NativeArrival } from "./udp-inbox.ts";
import { type NativeSocket, type NativeUdp, nativeUdp, QUEUE_FULL } from "./udp-native.ts";

/** How a program's sockets are opened. */
export type UdpOptions = {
  /** The address to bind; absent: all addresses of the machine. */
  readonly address?: string;
  readonly ports: PortTable;
  /** Carries everything that leaves the /24 of `address`; for demonstrations and tests. */
  readonly line?: Address;
  /**
   * Whether to use what only the system's own sockets can do, where they can. Default: unless the
   * environment has `BRANCHLINE_UDP=plain`.
   */
  readonly native?: boolean;
  readonly onInput: (input: NetworkInput) => void;
};

/** How much may wait in the sockets before sends are answered with "full". */
const WAITING_BYTES_MAX = MIB;

/** What the system says where the machine has no IPv6 at all. */
const WITHOUT_IPV6: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"]);

/** Of how many hosts is remembered whether the line reaches them. */
const HOSTS_MAX = 4_096;

/** What the kernel is asked for; it gives what its limits allow. */
const BUFFER_BYTES = 4 * MIB;

/**
 * Channels whose datagrams leave one by one and arrive one by one: a burst would be a queue in the
 * router, and arrivals that are joined have one time of arrival.
 */
const BACKGROUND: ReadonlySet<Channel> = new Set([
  "message-large-background",
  "reply-large-background",
  "content-background",
  "control-adaptive",
]);

/** Channels on which much arrives at once. */
const BULK: ReadonlySet<Channel> = new Set(["message-large-foreground", "content-foreground"]);

/** The payload of the longest datagram that a frame of Ethernet takes (RFC 791, 8200 and 768). */
const DATAGRAM_BYTES_MAX = { ipv4: 1_472, ipv6: 1_452 } as const;

/**
 * The UDP sockets of a program, one for each port of its table.
 *
 * Where the system's own sockets are to be had they send, and arrivals on bulk ports come joined;
 * Node's sockets adopt them, receive, and take over what the kernel has no room for. Node queues
 * without a bound of its own, so what it has taken is counted until the kernel has it.
 */
export class UdpSockets implements NetworkOutbox {
  readonly #options: UdpOptions;
  readonly #sockets: ReadonlyMap<number, Socket>;
  readonly #byChannel: ReadonlyMap<Channel, Outlet>;
  /** Whether a host is reached by the line; asked for every datagram. */
  readonly #byLine = new Map<string, boolean>();
  /** Hosts towards which the kernel could not cut trains. */
  readonly #uncut = new Set<string>();
  /** Those for IPv6, where the program listens on all addresses and the machine knows IPv6. */
  readonly #ipv6: UdpSockets | undefined;
  #waitingBytes = 0;
  #full = false;
  #closed = false;
  #sendErrors = 0;
  #leftAtUs = 0;

  private constructor(
    options: UdpOptions,
    bound: ReadonlyMap<number, Bound>,
    ipv6: UdpSockets | undefined,
  ) {
    this.#options = options;
    this.#ipv6 = ipv6;
    this.#sockets = new Map([...bound].map(([port, { socket }]) => [port, socket]));
    const byChannel = new Map<Channel, Outlet>();
    for (const [channel, port] of Object.entries(options.ports) as [Channel, number][]) {
      const open = bound.get(port);
      if (open === undefined) continue;
      // The port is asked for again: the system chose it where the table has 0.
      const from = { host: options.address ?? "", port: open.socket.address().port };
      byChannel.set(channel, { ...open, from, inTrains: !BACKGROUND.has(channel) });
    }
    this.#byChannel = byChannel;
    for (const [port, open] of bound) this.#listen(port, open);
  }

  /**
   * Opens and binds all sockets, or none.
   *
   * @throws OperatorError `port-in-use`, `port-forbidden`, `address-not-here`, `socket-not-opened`.
   */
  static async open(options: UdpOptions): Promise<UdpSockets> {
    const environment: { readonly BRANCHLINE_UDP?: string } = process.env;
    const wanted = options.native ?? environment.BRANCHLINE_UDP !== "plain";
    const native = wanted ? await nativeUdp() : undefined;
    const sockets = new Map<number, Bound>();
    try {
      for (const port of new Set(Object.values(options.ports))) {
        const channels = Object.entries(options.ports).filter(([, other]) => other === port);
        const names = channels.map(([channel]) => channel as Channel);
        const timed = names.some((channel) => BACKGROUND.has(channel));
        const joined = isJoined(names);
        sockets.set(port, await bind(native, { address: options.address, port, joined, timed }));
      }
      const ipv6 = options.address === undefined ? await UdpSockets.#openIpv6(options) : undefined;
      return new UdpSockets(options, sockets, ipv6);
    } catch (error) {
      for (const { socket } of sockets.values()) socket.close();
      throw error;
    }
  }

  static async #openIpv6(options: UdpOptions): Promise<UdpSockets | undefined> {
    try {
      return await UdpSockets.open({ ...options, address: "::" });
    } catch (error) {
      const cause = error instanceof OperatorError ? error.cause : undefined;
      const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
      if (WITHOUT_IPV6.has(code)) return undefined;
      throw error;
    }
  }

  /** Sends that the kernel refused: no route, a firewall, an interface that is gone. */
  get sendErrors(): number {
    return this.#sendErrors + (this.#ipv6?.sendErrors ?? 0);
  }

  send(to: Address, channel: Channel, bytes: Uint8Array, segmentBytes: number): boolean {
    if (this.#ipv6 !== undefined && to.host.includes(":")) {
      return this.#ipv6.send(to, channel, bytes, segmentBytes);
    }
    const outlet = this.#byChannel.get(channel) ?? this.#byChannel.get("message-small");
    if (outlet === undefined || this.#closed) return true;
    this.#leftAtUs = monotonicUs();
    if (this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.#full = true;
      return false;
    }
    const takenBytes = this.#sendNow(outlet, to, bytes, segmentBytes);
    for (let at = takenBytes; at < bytes.length; at += segmentBytes) {
      this.#sendOne(outlet, to, bytes.subarray(at, at + segmentBytes));
    }
    return true;
  }

  /** Taken before the call that sends: what makes us late there looks like a queue, and passes. */
  leftAtUs(): number {
    return Math.max(this.#leftAtUs, this.#ipv6?.leftAtUs() ?? 0);
  }

  /**
   * The longest datagram that may be tried towards a host. Longer ones than the first need a socket
   * that forbids to cut them: those that are cut on their way cost more than they bring.
   */
  datagramBytesMax(host: string): number {
    // All of a program's sockets are opened alike.
    const [outlet] = this.#byChannel.values();
    if (outlet?.native === undefined) return DATAGRAM_BYTES_INITIAL;
    return DATAGRAM_BYTES_MAX[host.includes(":") ? "ipv6" : "ipv4"];
  }

  /** Closes all sockets once what waits in them has been sent. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = [...this.#sockets.values()].map((socket) => {
      const ended = once(socket, "close");
      socket.close();
      return ended;
    });
    await Promise.all([...closed, this.#ipv6?.close()]);
  }

  /** Hands the kernel what it takes at once; returns how many bytes that are. */
  #sendNow(outlet: Outlet, to: Address, bytes: Uint8Array, segmentBytes: number): number {
    const { native } = outlet;
    // What waits goes first, and the line's envelopes are for Node's own sockets.
    if (native === undefined || this.#waitingBytes > 0 || !isPort(to.port)) return 0;
    if (this.#lineTo(to.host) !== undefined) return 0;
    const train = outlet.inTrains && native.cutsTrains && !this.#uncut.has(to.host);
    const sent = native.send(to, bytes, segmentBytes, train);
    if (sent.code === 0 || sent.code === QUEUE_FULL || !train || bytes.length <= segmentBytes) {
      return sent.takenBytes;
    }
    // The path's interface takes no trains, or no segments of this length: one by one then.
    if (this.#uncut.size < HOSTS_MAX) this.#uncut.add(to.host);
    return sent.takenBytes;
  }

  #sendOne({ socket, from }: Outlet, to: Address, datagram: Uint8Array): void {
    const line = this.#lineTo(to.host);
    if (!isPort(to.port)) {
      // A peer chooses the port that it sends from, and the runtime throws at those it cannot use.
      this.#sendErrors += 1;
      return;
    }
    // A copy: the socket may keep it for longer than we may.
    const bytes = line === undefined ? datagram.slice() : wrapForLine(from, to, datagram);
    const target = line ?? to;
    this.#waitingBytes += bytes.length;
    socket.send(bytes, target.port, target.host, (error) => {
      if (error) this.#sendErrors += 1;
      this.#waitingBytes -= bytes.length;
      if (!this.#full || this.#waitingBytes > WAITING_BYTES_MAX / 2) return;
      this.#full = false;
      this.#options.onInput({ kind: "writable" });
    });
  }

  #lineTo(host: string): Address | undefined {
    const { line, address = "" } = this.#options;
    if (line === undefined) return undefined;
    const known = this.#byLine.get(host) ?? prefixOf(host) !== prefixOf(address);
    if (this.#byLine.size < HOSTS_MAX) this.#byLine.set(host, known);
    return known ? line : undefined;
  }

  #listen(port: number, { socket, native }: Bound): void {
    const entry = Object.entries(this.#options.ports).find(([, other]) => other === port);
    const channel = (entry?.[0] ?? "message-small") as Channel;
    socket.on("message", (buffer, { address, port: fromPort }) => {
      // Parts of a plain array cost a third of what parts of a Buffer do.
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
      const from = { host: address, port: fromPort };
      const first = { from, bytes, agoUs: native?.lastAgoUs() };
      // Node takes one at a time; what has come since waits behind it.
      this.#onArrivals(channel, [first, ...(native?.receive() ?? [])]);
    });
    // An error of a socket that is bound concerns one send or one datagram: both may be lost.
    socket.on("error", () => {
      this.#sendErrors += 1;
    });
  }

  /** Hands on what has come; those of one sender that follow each other at once. */
  #onArrivals(channel: Channel, arrivals: readonly NativeArrival[]): void {
    let some: Uint8Array[] = [];
    let times: number[] = [];
    const nowUs = monotonicUs();
    for (const [index, { from, bytes, agoUs = 0 }] of arrivals.entries()) {
      some.push(bytes);
      times.push(nowUs - agoUs);
      if (isSame(arrivals[index + 1]?.from, from)) continue;
      if (isSame(this.#options.line, from)) this.#onLine(channel, some, times);
      else {
        const kind = "datagram-received";
        this.#options.onInput({ kind, from, channel, arrivals: some, arrivedAtUs: times });
      }
      some = [];
      times = [];
    }
  }

  /** What the line has carried comes from whom its envelope names. */
  #onLine(channel: Channel, envelopes: readonly Uint8Array[], times: readonly number[]): void {
    for (const [index, bytes] of envelopes.entries()) {
      const envelope = unwrapFromLine(bytes);
      if (envelope === undefined) continue;
      const { from, agoUs, payload } = envelope;
      const readAtUs = times[index] ?? monotonicUs();
      const arrivedAtUs = [agoUs > 0 ? monotonicUs() - agoUs : readAtUs];
      const kind = "datagram-received";
      this.#options.onInput({ kind, from, channel, arrivals: [payload], arrivedAtUs });
    }
  }
}

/** A socket of Node's, and the system's own beneath it where there is one. */
type Bound = { readonly socket: Socket; readonly native: NativeSocket | undefined };

/** A socket, and where what it sends comes from. */
type Outlet = Bound & {
  readonly from: Address;
  /** Whether what is sent may leave as trains. */
  readonly inTrains: boolean;
};

/** Whether arrivals on a port of these channels may be joined. */
function isJoined(channels: readonly Channel[]): boolean {
  return (
    channels.some((channel) => BULK.has(channel)) &&
    !channels.some((channel) => BACKGROUND.has(channel))
  );
}

async function bind(
  native: NativeUdp | undefined,
  options: {
    readonly address: string | undefined;
    readonly port: number;
    readonly joined: boolean;
    readonly timed: boolean;
  },
): Promise<Bound> {
  const { address, port } = options;
  const family = address?.includes(":") === true ? 6 : 4;
  const opened = native?.open(options);
  const socket = createSocket({
    type: `udp${family}`,
    // IPv4 has sockets of its own on the same ports.
    ipv6Only: family === 6,
    // Targets are addresses, never names: the runtime's resolver would cost a turn of the event
    // loop for each datagram.
    lookup: (host, _options, found) => found(null, host, family),
  });
  try {
    const listening = once(socket, "listening");
    if (opened === undefined) {
      socket.bind({ port, exclusive: true, ...(address === undefined ? {} : { address }) });
    } else {
      socket.bind({ fd: opened.fd });
    }
    await listening;
  } catch (cause) {
    socket.close();
    throw notBound(address, port, cause);
  }
  enlarge(socket);
  return { socket, native: opened };
}

function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(BUFFER_BYTES);
    socket.setSendBufferSize(BUFFER_BYTES);
  } catch {
    // Some kernels refuse instead of giving less: the default works, with more losses at speed.
  }
}

function notBound(address: string | undefined, port: number, cause: unknown): OperatorError {
  const where = `UDP port ${port} on ${address ?? "all addresses"}`;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  const [kind, mend] = MENDS[code] ?? ["socket-not-opened", `The system says ${code}.`];
  return new OperatorError(kind, `${where} cannot be opened. ${mend}`, { cause });
}

const MENDS: Readonly<Record<string, readonly [code: string, mend: string]>> = {
  EADDRINUSE: [
    "port-in-use",
    "Another program uses it: end that one, or choose other ports with network.port_offset or " +
      "network.single_port.",
  ],
  EACCES: ["port-forbidden", "Ports below 1024 need more rights: choose another one."],
  EADDRNOTAVAIL: [
    "address-not-here",
    "This machine has no such address: check network.address, or leave it unset.",
  ],
};

function isSame(a: Address | undefined, b: Address): boolean {
  return a === b || (a?.port === b.port && a.host === b.host);
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** The /24 of an IPv4 address, or the /64 of an IPv6 one, as text. */
function prefixOf(host: string): string {
  return host.includes(":")
    ? host.split(":").slice(0, 4).join(":")
    : host.split(".").slice(0, 3).join(".");
}
