import { createSocket, type Socket } from "node:dgram";
import { DISCOVERY_GROUP_V4, DISCOVERY_GROUP_V6 } from "../branchcache/discovery-message.ts";
import type { Place } from "../branchcache/holdings.ts";
import { portError } from "./listening.ts";
import { type OwnAddress, ownAddresses } from "./subnets.ts";

/** What is told of each datagram. */
export type OnDatagram = (bytes: Uint8Array, from: Place) => void;

/** How often networks are looked for that have come meanwhile, in milliseconds. */
const LOOK_MS = 15_000;

/** The sockets on which probes of the subnet are heard (PD1). */
export class ProbeSockets {
  readonly #sockets: readonly Socket[];
  readonly #only: string | undefined;
  readonly #joined = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  private constructor(sockets: readonly Socket[], only: string | undefined) {
    this.#sockets = sockets;
    this.#only = only;
    this.#join();
    this.#timer = setInterval(() => this.#join(), LOOK_MS);
    this.#timer.unref();
  }

  /** Listens. @throws OperatorError as `portError` says. */
  static async open(
    where: { readonly port: number; readonly address?: string | undefined },
    onDatagram: OnDatagram,
  ): Promise<ProbeSockets> {
    const place = { port: where.port, setting: "discovery.port" };
    const v4 = await bound("udp4", { ...place, address: "0.0.0.0" }, onDatagram);
    try {
      const v6 = await bound("udp6", { ...place, address: "::" }, onDatagram);
      return new ProbeSockets([v4, v6], where.address);
    } catch {
      // A machine without IPv6.
      return new ProbeSockets([v4], where.address);
    }
  }

  send(to: Place, bytes: Uint8Array): void {
    const family = to.host.includes(":") ? "IPv6" : "IPv4";
    const socket = this.#sockets.find((one) => one.address().family === family);
    socket?.send(bytes, to.port, to.host, () => {});
  }

  close(): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.close();
  }

  #join(): void {
    const there = ownAddresses(this.#only);
    for (const own of there) {
      const key = `${own.interface} ${own.address}`;
      if (!this.#joined.has(key) && this.#joinOn(own)) this.#joined.add(key);
    }
  }

  #joinOn(own: OwnAddress): boolean {
    const family = own.family === "ipv4" ? "IPv4" : "IPv6";
    const socket = this.#sockets.find((one) => one.address().family === family);
    try {
      if (own.family === "ipv4") socket?.addMembership(DISCOVERY_GROUP_V4, own.address);
      else socket?.addMembership(DISCOVERY_GROUP_V6, `::%${own.interface}`);
      return true;
    } catch (error) {
      // Joined already by another address of the network, or the network has just gone.
      return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    }
  }
}

/** The sockets from which the subnet is asked; answers come back to them. */
export class AskingSockets {
  readonly #sockets: readonly { readonly own: OwnAddress; readonly socket: Socket }[];
  readonly #port: number;

  private constructor(
    sockets: readonly { readonly own: OwnAddress; readonly socket: Socket }[],
    port: number,
  ) {
    this.#sockets = sockets;
    this.#port = port;
  }

  /** Opens one for each address of this machine. */
  static async open(
    where: { readonly port: number; readonly address?: string | undefined },
    onDatagram: OnDatagram,
  ): Promise<AskingSockets> {
    const sockets: { own: OwnAddress; socket: Socket }[] = [];
    for (const own of ownAddresses(where.address)) {
      try {
        sockets.push({ own, socket: await asking(own, onDatagram) });
      } catch {
        // An address that is not ready yet, or a network without multicast.
      }
    }
    return new AskingSockets(sockets, where.port);
  }

  /** Asks in all networks. */
  multicast(bytes: Uint8Array): void {
    for (const { own, socket } of this.#sockets) {
      const group =
        own.family === "ipv4" ? DISCOVERY_GROUP_V4 : `${DISCOVERY_GROUP_V6}%${own.interface}`;
      socket.send(bytes, this.#port, group, () => {});
    }
  }

  close(): void {
    for (const { socket } of this.#sockets) socket.close();
  }
}

async function asking(own: OwnAddress, onDatagram: OnDatagram): Promise<Socket> {
  const isV4 = own.family === "ipv4";
  const address = isLinkLocal(own) ? `${own.address}%${own.interface}` : own.address;
  const place = { port: 0, address, setting: "network.address" };
  const socket = await bound(isV4 ? "udp4" : "udp6", place, onDatagram);
  // A question is for the subnet alone (PD1).
  socket.setMulticastTTL(1);
  socket.setMulticastInterface(isV4 ? own.address : `::%${own.interface}`);
  return socket;
}

function isLinkLocal({ family, address }: OwnAddress): boolean {
  return family === "ipv6" && /^fe[89ab]/i.test(address);
}

async function bound(
  type: "udp4" | "udp6",
  place: { readonly port: number; readonly address: string; readonly setting: string },
  onDatagram: OnDatagram,
): Promise<Socket> {
  const socket = createSocket({ type, reuseAddr: true, ipv6Only: type === "udp6" });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (cause) => {
      socket.close();
      reject(portError("UDP", place, cause));
    });
    socket.bind(place.port, place.address, resolve);
  });
  socket.removeAllListeners("error");
  // What could not be delivered comes back as an error, and concerns one datagram alone.
  socket.on("error", () => {});
  socket.on("message", (bytes, { address, port }) => {
    onDatagram(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), {
      host: address,
      port,
    });
  });
  return socket;
}
