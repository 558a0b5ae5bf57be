import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";
import type { Address, NetworkInput } from "../effects/network.ts";
import { OperatorError } from "./operator-error.ts";

/**
 * The group that questions go to by IPv6: link-local, and transient (RFC 4291, section 2.7) with an
 * id from the dynamic range (RFC 3307, section 4.3), so nobody else's for ever.
 */
export const DISCOVERY_GROUP = "ff12::8000:8619";

/** How the discovery port is opened. */
export type DiscoveryOptions = {
  /** The address that the program sends from; absent: all addresses of the machine. */
  readonly address?: string;
  /** Where questions go by IPv4; absent: to the broadcast address of each interface. */
  readonly broadcast?: string;
  /** The port that questions go to: the same for all, whatever their port offset. */
  readonly port: number;
  /** The port that this program sends questions from, and gets answers on. */
  readonly ownPort: number;
  readonly onInput: (input: NetworkInput) => void;
};

/** The interfaces of a machine, as the runtime lists them. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * The sockets of discovery: one that speaks, and such as hear what is said to everybody.
 *
 * A socket that is bound to an address gets no broadcasts, so where the program has an address of
 * its own another one is bound to the broadcast address. Interfaces come and go: they are looked at
 * again with each question.
 */
export class DiscoverySockets {
  readonly #options: DiscoveryOptions;
  readonly #interfaces: () => Interfaces;
  /** Speaks by IPv4, and hears broadcasts where it is bound to all addresses. */
  #mouth: Socket | undefined;
  /** Hear broadcasts, by the address they are bound to. */
  readonly #ears = new Map<string, Socket>();
  /** Hears the group of IPv6, and answers. */
  #ear6: Socket | undefined;
  /** Ask by IPv6, by the address they are bound to: each interface has its own. */
  readonly #mouths6 = new Map<string, Socket>();
  #started = false;
  #closed = false;
  #sendErrors = 0;

  private constructor(options: DiscoveryOptions, interfaces: () => Interfaces) {
    this.#options = options;
    this.#interfaces = interfaces;
  }

  /**
   * Opens what the settings ask for, or nothing.
   *
   * @throws OperatorError `port-in-use`, `address-not-here`, `broadcast-not-here`,
   * `socket-not-opened`.
   */
  static async open(
    options: DiscoveryOptions,
    interfaces: () => Interfaces = networkInterfaces,
  ): Promise<DiscoverySockets> {
    const sockets = new DiscoverySockets(options, interfaces);
    try {
      await sockets.#openFirst();
    } catch (error) {
      await sockets.close();
      throw error;
    }
    return sockets;
  }

  /** Sends that the kernel refused, and sockets that could not be opened on an interface. */
  get sendErrors(): number {
    return this.#sendErrors;
  }

  /** From now on what arrives is handed on; what came before is gone, as if it had been lost. */
  start(): void {
    this.#started = true;
  }

  /** Sends a question to all devices of all own networks. */
  broadcast(bytes: Uint8Array): void {
    void this.#refresh().then(() => {
      const { port } = this.#options;
      if (this.#mouth !== undefined) {
        for (const host of this.#targets()) this.#sendBy(this.#mouth, { host, port }, bytes);
      }
      for (const { address, zone } of this.#links()) {
        const mouth = this.#mouths6.get(address);
        const to = { host: `${DISCOVERY_GROUP}%${zone}`, port };
        if (mouth !== undefined) this.#sendBy(mouth, to, bytes);
      }
    });
  }

  /** Sends an answer. It is taken always: there are few, and one that is lost is no harm. */
  send(to: Address, bytes: Uint8Array): true {
    const socket = isIPv6(to.host) ? this.#ear6 : this.#mouth;
    if (socket !== undefined) this.#sendBy(socket, to, bytes);
    return true;
  }

  /** Closes all sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [this.#mouth, this.#ear6, ...this.#ears.values(), ...this.#mouths6.values()];
    const closed = open.flatMap((socket) => (socket === undefined ? [] : [closeSocket(socket)]));
    await Promise.all(closed);
  }

  /** The family that the own address leaves; both where there is none. */
  get #speaks4(): boolean {
    return this.#options.address === undefined || !isIPv6(this.#options.address);
  }

  get #speaks6(): boolean {
    return this.#options.address === undefined || isIPv6(this.#options.address);
  }

  /** Whether broadcasts come to the mouth itself. */
  get #mouthHears(): boolean {
    const { address, port, ownPort } = this.#options;
    return address === undefined && ownPort === port;
  }

  async #openFirst(): Promise<void> {
    const { address, broadcast, port, ownPort } = this.#options;
    if (this.#speaks4) {
      const mouth = { address, port: ownPort, shared: address === undefined };
      this.#mouth = await this.#bind(mouth).catch((cause) => {
        throw notBound("network.address", mouth, cause);
      });
      this.#mouth.setBroadcast(true);
    }
    if (this.#speaks4 && broadcast !== undefined && !this.#mouthHears) {
      const ear = { address: broadcast, port, shared: true };
      const socket = await this.#bind(ear).catch((cause) => {
        throw notBound("network.broadcast", ear, cause);
      });
      this.#ears.set(broadcast, socket);
    }
    await this.#refresh();
  }

  /** Opens and closes what interfaces that have come and gone need. */
  async #refresh(): Promise<void> {
    if (this.#closed) return;
    if (this.#speaks4 && !this.#mouthHears) {
      await this.#keep(this.#ears, this.#targets(), this.#options.port);
    }
    if (!this.#speaks6) return;
    const links = this.#links();
    if (links.length > 0) this.#ear6 ??= await this.#openEar6();
    for (const { zone } of links) this.#join(zone);
    const addresses = links.map(({ address }) => address);
    await this.#keep(this.#mouths6, addresses, this.#options.ownPort);
  }

  /** Has one socket bound to each of these addresses, and no other. */
  async #keep(
    sockets: Map<string, Socket>,
    wanted: readonly string[],
    port: number,
  ): Promise<void> {
    for (const [address, socket] of sockets) {
      if (wanted.includes(address)) continue;
      sockets.delete(address);
      void closeSocket(socket);
    }
    for (const address of wanted) {
      if (sockets.has(address)) continue;
      const socket = await this.#bind({ address, port, shared: true }).catch(() => undefined);
      // An address may be gone again, or not be usable yet: the next question tries anew.
      if (socket === undefined) this.#sendErrors += 1;
      else if (this.#closed || sockets.has(address)) void closeSocket(socket);
      else sockets.set(address, socket);
    }
  }

  async #openEar6(): Promise<Socket | undefined> {
    const { port } = this.#options;
    const socket = await this.#bind({ address: "::", port, shared: true }).catch(() => undefined);
    if (socket !== undefined && (this.#closed || this.#ear6 !== undefined)) {
      void closeSocket(socket);
      return this.#ear6;
    }
    return socket;
  }

  #join(zone: string): void {
    try {
      this.#ear6?.addMembership(DISCOVERY_GROUP, `::%${zone}`);
    } catch {
      // It is a member already, or the interface is gone.
    }
  }

  #targets(): readonly string[] {
    const { address, broadcast } = this.#options;
    return broadcast === undefined ? broadcastAddresses(this.#interfaces(), address) : [broadcast];
  }

  #links(): readonly Link6[] {
    return this.#speaks6 ? ipv6Links(this.#interfaces(), this.#options.address) : [];
  }

  async #bind({ address, port, shared }: Binding): Promise<Socket> {
    const six = address !== undefined && isIPv6(address);
    const socket = createSocket({
      type: six ? "udp6" : "udp4",
      reuseAddr: shared,
      ipv6Only: six,
      // Targets are addresses, never names.
      lookup: (host, _options, found) => found(null, host, six ? 6 : 4),
    });
    try {
      const listening = once(socket, "listening");
      socket.bind({ port, exclusive: true, ...(address === undefined ? {} : { address }) });
      await listening;
    } catch (error) {
      socket.close();
      throw error;
    }
    socket.on("message", (bytes, { address: host, port: fromPort }) => {
      const from = { host, port: fromPort };
      if (!this.#started) return;
      const arrivals = [bytes];
      this.#options.onInput({ kind: "datagram-received", from, channel: "discovery", arrivals });
    });
    // An error of a socket that is bound concerns one datagram, which may be lost.
    socket.on("error", () => {
      this.#sendErrors += 1;
    });
    return socket;
  }

  #sendBy(socket: Socket, to: Address, bytes: Uint8Array): void {
    // Whoever asks chooses the port to answer to, and the runtime throws at those it cannot use.
    if (this.#closed || to.port < 1 || to.port > 65_535) return;
    socket.send(bytes, to.port, to.host, (error) => {
      if (error) this.#sendErrors += 1;
    });
  }
}

/**
 * The broadcast addresses of a machine's IPv4 networks, or of those that `address` lies in. A
 * network without one (a tunnel, the loopback) has none.
 */
export function broadcastAddresses(
  interfaces: Interfaces,
  address: string | undefined,
): readonly string[] {
  const found = new Set<string>();
  for (const own of Object.values(interfaces).flatMap((addresses) => addresses ?? [])) {
    if (own.family !== "IPv4" || own.internal || own.cidr === null) continue;
    if (address !== undefined && own.address !== address) continue;
    // Networks of two addresses or one have no room for a broadcast address (RFC 3021).
    if (Number(own.cidr.split("/")[1]) > 30) continue;
    found.add(ipaddr.IPv4.broadcastAddressFromCIDR(own.cidr).toString());
  }
  return [...found];
}

/** An interface that speaks IPv6, and the address that questions go out from there. */
export type Link6 = { readonly zone: string; readonly address: string };

/**
 * The interfaces of a machine that speak IPv6, or the one that `address` belongs to. Each asks from
 * an address that can be told by its prefix, where it has one.
 */
export function ipv6Links(interfaces: Interfaces, address: string | undefined): readonly Link6[] {
  const links: Link6[] = [];
  for (const [zone, addresses = []] of Object.entries(interfaces)) {
    const own = addresses.filter(({ family, internal }) => family === "IPv6" && !internal);
    const [first] = own;
    const fit =
      address === undefined
        ? (own.find(({ scopeid }) => scopeid === 0) ?? first)
        : own.find((one) => sameAddress(one.address, address));
    if (fit === undefined) continue;
    const { scopeid = 0 } = fit;
    links.push({ zone, address: scopeid === 0 ? fit.address : `${fit.address}%${zone}` });
  }
  return links;
}

/** What a socket is bound to, and whether others may be bound there too. */
type Binding = {
  readonly address: string | undefined;
  readonly port: number;
  readonly shared: boolean;
};

function sameAddress(a: string, b: string): boolean {
  return ipaddr.parse(a).toNormalizedString() === ipaddr.parse(b).toNormalizedString();
}

async function closeSocket(socket: Socket): Promise<void> {
  const ended = once(socket, "close");
  socket.close();
  await ended;
}

function notBound(
  setting: "network.address" | "network.broadcast",
  { address, port }: Binding,
  cause: unknown,
): OperatorError {
  const where = `UDP port ${port} on ${address ?? "all addresses"}`;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  if (code === "EADDRINUSE") {
    const mend = "Another program uses it: end that one, or choose another network.port_offset.";
    return new OperatorError("port-in-use", `${where} cannot be opened. ${mend}`, { cause });
  }
  if (code !== "EADDRNOTAVAIL" && code !== "EINVAL") {
    const mend = `The system says ${code}.`;
    return new OperatorError("socket-not-opened", `${where} cannot be opened. ${mend}`, { cause });
  }
  const mend = `check ${setting}, or leave it unset.`;
  if (setting === "network.address") {
    const sentence = `This machine has no address ${address}: ${mend}`;
    return new OperatorError("address-not-here", sentence, { cause });
  }
  const sentence = `No network of this machine has the broadcast address ${address}: ${mend}`;
  return new OperatorError("broadcast-not-here", sentence, { cause });
}
