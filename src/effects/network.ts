import type { Channel } from "./channels.ts";

/** An IP address in its canonical text form, and a UDP port. */
export type Address = { readonly host: string; readonly port: number };

/** Writes an address as `host:port`, which is also how tables are keyed by it. */
export function addressText(address: Address): string {
  return address.host.includes(":")
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/** What the world tells a machine about the network. */
export type NetworkInput =
  | {
      readonly kind: "datagram-received";
      readonly from: Address;
      /** The channel whose port it came to. */
      readonly channel: Channel;
      /**
       * What has come, in order: each is one datagram, or several that the system joined, one behind
       * the other. Good until the step is over; what is kept for longer has to be copied.
       */
      readonly arrivals: readonly Uint8Array[];
      /** When each came, where the system noted it; it may have waited for us since. */
      readonly arrivedAtUs?: readonly number[];
    }
  /** A send was answered with "full" before, and there is room again. */
  | { readonly kind: "writable" }
  /** The machine slept, or its clock jumped: what was learnt about paths may be stale. */
  | { readonly kind: "woke" };

/** What a machine may ask of the network. */
export type NetworkOutbox = {
  /**
   * Sends one or more datagrams that lie one behind the other in `bytes`, which are good until
   * the call returns.
   *
   * @param segmentBytes - Length of each datagram but the last, which may be shorter.
   * @returns `false` where the queue is full: nothing was sent, and `writable` will follow.
   */
  send(to: Address, channel: Channel, bytes: Uint8Array, segmentBytes: number): boolean;

  /** When the last datagrams left, by the clock of steps: a step may take a while. */
  leftAtUs?(): number | undefined;

  /**
   * The longest datagram that may be tried towards a host: none that would be cut on its way.
   * Absent: 1,200 bytes, which every path takes.
   */
  datagramBytesMax?(host: string): number | undefined;
};
