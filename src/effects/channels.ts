/**
 * The channels of the port tables: what kind of traffic a datagram is, and so which UDP port it
 * travels to. A channel is a (message size, protocol, direction) of features.md's tables 1-2 to 1-9.
 *
 * The number is part of the wire format (the low four bits of a datagram's first byte).
 */
export const CHANNELS = {
  "message-small": 1,
  "reply-small": 2,
  "message-large-foreground": 3,
  "reply-large-foreground": 4,
  "message-large-background": 5,
  "reply-large-background": 6,
  "content-foreground": 7,
  "content-background": 8,
  "control-adaptive": 9,
  discovery: 10,
} as const;

/** The name of a channel. */
export type Channel = keyof typeof CHANNELS;

const NAMES = new Map<number, Channel>(
  Object.entries(CHANNELS).map(([name, number]) => [number, name as Channel]),
);

/** The channel with this number; `undefined` where there is none. */
export function channelOf(number: number): Channel | undefined {
  return NAMES.get(number);
}

/** The UDP port of each channel that a program listens on. */
export type PortTable = Readonly<Partial<Record<Channel, number>>>;

/** Where a device listens: tables 1-3 to 1-8. */
export const DEVICE_PORTS: PortTable = {
  "message-small": 34325,
  "reply-small": 34324,
  "message-large-foreground": 34337,
  "reply-large-foreground": 34335,
  "message-large-background": 34345,
  "reply-large-background": 34343,
  "content-foreground": 34760,
  "content-background": 34750,
  "control-adaptive": 34546,
  discovery: 34329,
};

/** Where the server listens: tables 1-2 and 1-8. */
export const SERVER_PORTS: PortTable = {
  "message-small": 34323,
  "reply-small": 34322,
  "message-large-foreground": 34333,
  "reply-large-foreground": 34331,
  "message-large-background": 34341,
  "reply-large-background": 34339,
  "control-adaptive": 34545,
};

/** The table in which one port carries every channel of `table`: the single-port mode. */
export function singlePort(table: PortTable, port: number): PortTable {
  return Object.fromEntries(Object.keys(table).map((channel) => [channel, port]));
}

/** The table with every port moved by `offset`, for several agents on one address. */
export function offsetPorts(table: PortTable, offset: number): PortTable {
  return Object.fromEntries(
    Object.entries(table).map(([channel, port]) => [channel, port + offset]),
  );
}
