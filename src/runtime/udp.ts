import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { MIB } from "../base/units.ts";
import type { Channel, PortTable } from "../effects/channels.ts";
import type { Address, NetworkInput, NetworkOutbox } from "../effects/network.ts";
import { unwrapFromLine, wrapForLine } from "./line-envelope.ts";
import { OperatorError } from "./operator-error.ts";

/** How a program's sockets are opened. */
export type UdpOptions = {
  /** The address to bind; absent: all addresses of the machine. */
  readonly address?: string;
  readonly ports: PortTable;
  /** Carries everything that leaves the /24 of `address`; for demonstrations and tests. */
  readonly line?: Address;
  readonly onInput: (input: NetworkInput) => void;
};

/** How much may wait in the sockets before sends are answered with "full". */
const WAITING_BYTES_MAX = MIB;

/** Of how many hosts is remembered whether the line reaches them. */
const HOSTS_MAX = 4_096;

/** What the kernel is asked for; it gives what its limits allow. */
const BUFFER_BYTES = 4 * MIB;

/**
 * The UDP sockets of a program, one for each port of its table.
 *
 * Sends are counted until the kernel has taken them, because the runtime queues them without a
 * bound of its own.
 */
export class UdpSockets implements NetworkOutbox {
  readonly #options: UdpOptions;
  readonly #sockets: ReadonlyMap<number, Socket>;
  readonly #byChannel: ReadonlyMap<Channel, Outlet>;
  /** Whether a host is reached by the line; asked for every datagram. */
  readonly #byLine = new Map<string, boolean>();
  #waitingBytes = 0;
  #full = false;
  #closed = false;
  #sendErrors = 0;

  private constructor(options: UdpOptions, sockets: ReadonlyMap<number, Socket>) {
    this.#options = options;
    this.#sockets = sockets;
    const byChannel = new Map<Channel, Outlet>();
    for (const [channel, port] of Object.entries(options.ports) as [Channel, number][]) {
      const socket = sockets.get(port);
      if (socket === undefined) continue;
      // The port is asked for again: the system chose it where the table has 0.
      const from = { host: options.address ?? "", port: socket.address().port };
      byChannel.set(channel, { socket, from });
    }
    this.#byChannel = byChannel;
    for (const [port, socket] of sockets) this.#listen(port, socket);
  }

  /**
   * Opens and binds all sockets, or none.
   *
   * @throws OperatorError `port-in-use`, `port-forbidden`, `address-not-here`, `socket-not-opened`.
   */
  static async open(options: UdpOptions): Promise<UdpSockets> {
    const sockets = new Map<number, Socket>();
    try {
      for (const port of new Set(Object.values(options.ports))) {
        sockets.set(port, await bind(options.address, port));
      }
    } catch (error) {
      for (const socket of sockets.values()) socket.close();
      throw error;
    }
    return new UdpSockets(options, sockets);
  }

  /** Sends that the kernel refused: no route, a firewall, an interface that is gone. */
  get sendErrors(): number {
    return this.#sendErrors;
  }

  send(to: Address, channel: Channel, bytes: Uint8Array, segmentBytes: number): boolean {
    const outlet = this.#byChannel.get(channel) ?? this.#byChannel.get("message-small");
    if (outlet === undefined || this.#closed) return true;
    if (this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.#full = true;
      return false;
    }
    for (let at = 0; at < bytes.length; at += segmentBytes) {
      this.#sendOne(outlet, to, bytes.subarray(at, at + segmentBytes));
    }
    return true;
  }

  /** Closes all sockets once what waits in them has been sent. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = [...this.#sockets.values()].map((socket) => {
      const ended = once(socket, "close");
      socket.close();
      return ended;
    });
    await Promise.all(closed);
  }

  #sendOne({ socket, from }: Outlet, to: Address, datagram: Uint8Array): void {
    const line = this.#lineTo(to.host);
    if (!isPort(to.port)) {
      // A peer chooses the port that it sends from, and the runtime throws at those it cannot use.
      this.#sendErrors += 1;
      return;
    }
    const bytes = line === undefined ? datagram : wrapForLine(from, to, datagram);
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

  #listen(port: number, socket: Socket): void {
    const entry = Object.entries(this.#options.ports).find(([, other]) => other === port);
    const channel = (entry?.[0] ?? "message-small") as Channel;
    socket.on("message", (bytes, { address, port: fromPort }) => {
      const from = { host: address, port: fromPort };
      const { line, onInput } = this.#options;
      if (line?.host !== from.host || line.port !== from.port) {
        onInput({ kind: "datagram-received", from, channel, bytes });
        return;
      }
      const envelope = unwrapFromLine(bytes);
      if (envelope === undefined) return;
      const { payload } = envelope;
      onInput({ kind: "datagram-received", from: envelope.from, channel, bytes: payload });
    });
    // An error of a socket that is bound concerns one send or one datagram: both may be lost.
    socket.on("error", () => {
      this.#sendErrors += 1;
    });
  }
}

/** A socket, and where what it sends comes from. */
type Outlet = { readonly socket: Socket; readonly from: Address };

async function bind(address: string | undefined, port: number): Promise<Socket> {
  const family = address?.includes(":") === true ? 6 : 4;
  const socket = createSocket({
    type: `udp${family}`,
    // Targets are addresses, never names: the runtime's resolver would cost a turn of the event
    // loop for each datagram.
    lookup: (host, _options, found) => found(null, host, family),
  });
  try {
    const listening = once(socket, "listening");
    socket.bind({ port, exclusive: true, ...(address === undefined ? {} : { address }) });
    await listening;
  } catch (cause) {
    socket.close();
    throw notBound(address, port, cause);
  }
  enlarge(socket);
  return socket;
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

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** The /24 of an IPv4 address, or the /64 of an IPv6 one, as text. */
function prefixOf(host: string): string {
  return host.includes(":")
    ? host.split(":").slice(0, 4).join(":")
    : host.split(".").slice(0, 3).join(".");
}
