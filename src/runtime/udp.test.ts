import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, expect, test, vi } from "vitest";
import { concat } from "../base/bytes.ts";
import { MIB } from "../base/units.ts";
import type { PortTable } from "../effects/channels.ts";
import type { NetworkInput } from "../effects/network.ts";
import { monotonicUs } from "./driver.ts";
import { unwrapFromLine, wrapForLine } from "./line-envelope.ts";
import { OperatorError } from "./operator-error.ts";
import { UdpSockets } from "./udp.ts";
import { nativeUdp } from "./udp-native.ts";

const HERE = "127.77.1.1";
const NEIGHBOUR = "127.77.1.2";
const ELSEWHERE = "127.77.2.1";

const ONE = Uint8Array.of(1);

type Received = Extract<NetworkInput, { kind: "datagram-received" }>;

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

test("a datagram arrives as it was sent, with where it came from and the channel of its port", async () => {
  const a = await program(HERE);
  const b = await program(NEIGHBOUR);
  const to = { host: NEIGHBOUR, port: b.ports["content-foreground"] ?? 0 };

  expect(a.udp.send(to, "message-small", Uint8Array.of(1, 2, 3), 3)).toBe(true);
  await vi.waitUntil(() => b.inputs.length > 0);

  expect(b.inputs).toEqual([
    {
      kind: "datagram-received",
      from: { host: HERE, port: a.ports["message-small"] },
      channel: "content-foreground",
      arrivals: [Uint8Array.of(1, 2, 3)],
      arrivedAtUs: [expect.any(Number)],
    },
  ]);
});

test.skipIf((await nativeUdp()) === undefined)(
  "what waited for a busy program is said to have arrived when it did",
  async () => {
    const ports = { "content-background": await freePort() };
    const a = await program(HERE, { ports: { "content-background": await freePort() } });
    const b = await program(NEIGHBOUR, { ports });
    const to = { host: NEIGHBOUR, port: ports["content-background"] };

    /** Is busy for a while in which datagrams arrive, and reads them afterwards. */
    const isToldWhenTheyArrived = async () => {
      const sentAtUs = monotonicUs();
      const before = b.inputs.length;
      a.udp.send(to, "content-background", new Uint8Array(3_600), 1_200);
      // The system may have held us up before: what counts is that it has left by now.
      const leftAtUs = monotonicUs();
      while (monotonicUs() < leftAtUs + 80_000);
      const inputs = () => b.inputs.slice(before) as Received[];
      await vi.waitUntil(() => inputs().flatMap(({ arrivals }) => arrivals).length === 3);

      const times = inputs().flatMap(({ arrivedAtUs }) => arrivedAtUs ?? []);
      expect(times.length).toBe(3);
      return times.every((atUs) => atUs > sentAtUs - 5_000 && atUs < leftAtUs + 40_000);
    };

    // Linux begins to stamp a while after it was asked to, and stamps what comes earlier as it is
    // read. No attempt succeeds with a program that takes the time of reading.
    await vi.waitUntil(isToldWhenTheyArrived, { timeout: 10_000 });
  },
);

test("what lies one behind the other leaves as datagrams of one length, and a shorter one", async () => {
  const a = await program(HERE);
  const b = await program(NEIGHBOUR);
  const to = { host: NEIGHBOUR, port: b.ports["message-small"] ?? 0 };

  a.udp.send(to, "message-small", new Uint8Array(2_500), 1_200);
  await vi.waitUntil(() => b.received().length === 3);

  expect(b.received().map(({ bytes }) => bytes.length)).toEqual([1_200, 1_200, 100]);
});

const withoutIpv6 = await ipv6Problem();

test.skipIf(withoutIpv6 !== undefined).each([
  ["the system's own", true],
  ["Node's", false],
])(
  `a program without an address of its own speaks IPv4 and IPv6 on the same port, by %s sockets${withoutIpv6 ?? ""}`,
  async (_whose, native) => {
    const ports = { "message-small": await freePort() };
    const both = await program(undefined, { native, ports });
    const port = ports["message-small"];
    for (const address of ["::1", HERE]) {
      const other = await program(address, { native });
      const otherPort = other.ports["message-small"] ?? 0;
      other.udp.send({ host: address === HERE ? HERE : "::1", port }, "message-small", ONE, 1);
      await vi.waitUntil(() => both.received().some(({ from }) => from.host === address));

      both.udp.send({ host: address, port: otherPort }, "message-small", ONE, 1);
      await vi.waitUntil(() => other.received().length > 0);

      expect(other.received()[0]?.from.port).toBe(port);
    }
    expect(both.udp.sendErrors).toBe(0);
  },
);

test.each([
  ["as the system can", "content-foreground", true],
  ["one by one in Background", "content-background", true],
  ["by Node's own sockets", "content-foreground", false],
] as const)("a train that leaves %s arrives whole and in order", async (_how, channel, native) => {
  const a = await program(HERE, { native, ports: { [channel]: await freePort() } });
  const b = await program(NEIGHBOUR, { native, ports: { [channel]: await freePort() } });
  const to = { host: NEIGHBOUR, port: b.ports[channel] ?? 0 };
  const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at >> 8);

  expect(a.udp.send(to, channel, bytes, 1_200)).toBe(true);
  const arrived = () => b.received().reduce((sum, input) => sum + input.bytes.length, 0);
  await vi.waitUntil(() => arrived() === bytes.length);

  expect(concat(b.received().map((input) => input.bytes))).toEqual(bytes);
  // However many come joined, what was joined ends where a datagram did.
  for (const input of b.received().slice(0, -1)) expect(input.bytes.length % 1_200).toBe(0);
});

const HERE_6 = "::1";

test.skipIf(withoutIpv6 !== undefined).each([
  ["IPv4", HERE, "content-background"],
  ["IPv4, joined", HERE, "content-foreground"],
  ["IPv6", HERE_6, "content-background"],
] as const)(
  `what has piled up arrives in order, and of whom it is: %s${withoutIpv6 ?? ""}`,
  async (_what, address, channel) => {
    const listener = await program(address, { ports: { [channel]: await freePort() } });
    const to = { host: address, port: listener.ports[channel] ?? 0 };
    const senders = [
      await program(address, { ports: { [channel]: await freePort() } }),
      await program(address, { ports: { [channel]: await freePort() } }),
    ];
    const sent: { from: { host: string; port: number }; first: number }[] = [];
    // All within one turn of the event loop, so that nothing is read in between.
    for (let number = 0; number < 200; number += 1) {
      const sender = senders[Math.floor(number / 3) % 2] ?? listener;
      sender.udp.send(to, channel, new Uint8Array(100).fill(number), 100);
      sent.push({ from: { host: address, port: sender.ports[channel] ?? 0 }, first: number });
    }
    const bytes = () => listener.received().reduce((sum, each) => sum + each.bytes.length, 0);
    await vi.waitUntil(() => bytes() === 20_000);

    const told = listener.received().flatMap(({ from, bytes: joined }) =>
      // What the kernel has joined is cut again.
      Array.from({ length: joined.length / 100 }, (_, at) => ({ from, first: joined[at * 100] })),
    );
    expect(told).toEqual(sent);
  },
);

test("a datagram that is longer than any of ours is dropped, and those behind it arrive", async () => {
  const ports = { "content-background": await freePort() };
  const listener = await program(HERE, { ports });
  const sender = await program(NEIGHBOUR, { ports: { "content-background": await freePort() } });
  const to = { host: HERE, port: ports["content-background"] };

  for (const length of [10, 3_000, 20]) {
    sender.udp.send(to, "content-background", new Uint8Array(length), length);
  }
  await vi.waitUntil(() => listener.received().length === 2);

  expect(listener.received().map(({ bytes }) => bytes.length)).toEqual([10, 20]);
});

test("in Background each datagram arrives by itself, whatever the system can", async () => {
  const ports = { "content-background": await freePort() };
  const a = await program(HERE, { ports: { "content-background": await freePort() } });
  const b = await program(NEIGHBOUR, { ports });
  const to = { host: NEIGHBOUR, port: ports["content-background"] };

  a.udp.send(to, "content-background", new Uint8Array(12_000), 1_200);
  await vi.waitUntil(() => b.received().length === 10);

  expect(b.received().map(({ bytes }) => bytes.length)).toEqual(new Array(10).fill(1_200));
});

test("longer datagrams than the first are tried only where nobody can cut them", async () => {
  const plain = await program(HERE, { native: false });
  const native = await program(NEIGHBOUR, { native: true });

  expect(plain.udp.datagramBytesMax(NEIGHBOUR)).toBe(1_200);
  const expected = (await nativeUdp()) === undefined ? 1_200 : 1_472;
  expect(native.udp.datagramBytesMax(HERE)).toBe(expected);
});

test("a socket that takes no more says so, and says when there is room again", async () => {
  const a = await program(HERE, { native: false });
  const b = await program(NEIGHBOUR);
  const to = { host: NEIGHBOUR, port: b.ports["message-small"] ?? 0 };
  const bytes = new Uint8Array(48_000);
  let taken = 0;
  while (a.udp.send(to, "message-small", bytes, 1_200)) taken += bytes.length;

  expect(taken).toBeLessThanOrEqual(MIB);
  expect(taken).toBeGreaterThan(MIB - bytes.length);
  await vi.waitUntil(() => a.inputs.some(({ kind }) => kind === "writable"));
  expect(a.udp.send(to, "message-small", bytes, 1_200)).toBe(true);
  expect(a.inputs).toEqual([{ kind: "writable" }]);
});

test.each([
  ["a port beyond the last", { host: NEIGHBOUR, port: 65_536 }],
  ["a negative port", { host: NEIGHBOUR, port: -34_324 }],
  ["port 0", { host: NEIGHBOUR, port: 0 }],
  ["a name", { host: "example", port: 9 }],
  ["an address of the other family", { host: "::1", port: 9 }],
])("sending to %s is counted, and neither throws nor stops the others", async (_what, to) => {
  const a = await program(HERE);
  const b = await program(NEIGHBOUR);

  expect(a.udp.send(to, "message-small", Uint8Array.of(1), 1)).toBe(true);
  await vi.waitUntil(() => a.udp.sendErrors === 1);
  const good = { host: NEIGHBOUR, port: b.ports["message-small"] ?? 0 };
  a.udp.send(good, "message-small", Uint8Array.of(2), 1);
  await vi.waitUntil(() => b.inputs.length === 1);

  expect(a.udp.sendErrors).toBe(1);
});

test("a port that another program uses is named, with what to do about it; nothing stays open", async () => {
  const taken = await program(HERE);
  const port = taken.ports["message-small"] ?? 0;
  const free = await freePort();
  const ports = { "reply-small": free, "message-small": port };

  const attempt = UdpSockets.open({ address: HERE, ports, onInput: () => {} });

  await expect(attempt).rejects.toBeInstanceOf(OperatorError);
  await expect(attempt).rejects.toMatchObject({ code: "port-in-use" });
  await expect(attempt).rejects.toThrow(new RegExp(`port ${port} on ${HERE}.*network.port_offset`));
  // The first port had been bound before the second one was refused.
  await program(HERE, { ports: { "reply-small": free } });
});

test("an address that this machine does not have is named, with what to do about it", async () => {
  const attempt = UdpSockets.open({
    address: "192.0.2.1",
    ports: { "message-small": 0 },
    onInput: () => {},
  });

  await expect(attempt).rejects.toMatchObject({ code: "address-not-here" });
});

test("what goes to another subnet takes the line, wrapped; what stays within does not", async () => {
  const line = await rawSocket(ELSEWHERE);
  const lineAddress = { host: ELSEWHERE, port: line.socket.address().port };
  const a = await program(HERE, { line: lineAddress });
  const b = await program(NEIGHBOUR);
  const far = { host: "127.77.3.9", port: 4_711 };

  a.udp.send(far, "message-small", Uint8Array.of(7), 1);
  a.udp.send(
    { host: NEIGHBOUR, port: b.ports["message-small"] ?? 0 },
    "message-small",
    Uint8Array.of(8),
    1,
  );
  await vi.waitUntil(() => line.received.length === 1 && b.inputs.length === 1);

  const [wrapped] = line.received;
  expect(wrapped && unwrapFromLine(wrapped)).toEqual({
    from: { host: HERE, port: a.ports["message-small"] },
    to: far,
    agoUs: expect.any(Number),
    payload: Buffer.of(7),
  });
  expect(b.received()[0]?.bytes).toEqual(Uint8Array.of(8));
});

test("what comes by the line comes from whom it says; the same from anybody else is no envelope", async () => {
  const line = await rawSocket(ELSEWHERE);
  const stranger = await rawSocket(NEIGHBOUR);
  const lineAddress = { host: ELSEWHERE, port: line.socket.address().port };
  const a = await program(HERE, { line: lineAddress });
  const here = { host: HERE, port: a.ports["message-small"] ?? 0 };
  const far = { host: "127.77.3.9", port: 4_711 };
  const envelope = wrapForLine(far, here, Uint8Array.of(9));

  line.socket.send(Uint8Array.of(0), here.port, here.host);
  line.socket.send(envelope, here.port, here.host);
  await vi.waitUntil(() => a.inputs.length === 1);
  stranger.socket.send(envelope, here.port, here.host);
  await vi.waitUntil(() => a.inputs.length === 2);

  expect(a.received().map(({ from, bytes }) => ({ from, bytes }))).toEqual([
    { from: far, bytes: Uint8Array.of(9) },
    {
      from: { host: NEIGHBOUR, port: stranger.socket.address().port },
      bytes: Uint8Array.from(envelope),
    },
  ]);
});

test("sending once the sockets are closed harms nobody", async () => {
  const a = await program(HERE);
  open.splice(open.indexOf(a.udp), 1);
  await a.udp.close();

  expect(a.udp.send({ host: NEIGHBOUR, port: 9 }, "message-small", Uint8Array.of(1), 1)).toBe(true);
});

/** What an input said: the sockets use the memory of arrivals again. */
function kept(input: NetworkInput): NetworkInput {
  if (input.kind !== "datagram-received") return input;
  return { ...input, arrivals: input.arrivals.map((bytes) => bytes.slice()) };
}

/** A program with sockets on ports that are free, and everything that it has been told. */
async function program(
  address: string | undefined,
  options: {
    readonly ports?: PortTable;
    readonly line?: { host: string; port: number };
    readonly native?: boolean;
  } = {},
) {
  const ports = options.ports ?? {
    "message-small": await freePort(),
    "content-foreground": await freePort(),
  };
  const inputs: NetworkInput[] = [];
  const udp = await UdpSockets.open({
    ...(address === undefined ? {} : { address }),
    ports,
    ...(options.line === undefined ? {} : { line: options.line }),
    ...(options.native === undefined ? {} : { native: options.native }),
    onInput: (input) => inputs.push(kept(input)),
  });
  open.push(udp);
  const received = () =>
    inputs
      .filter((input): input is Received => input.kind === "datagram-received")
      .flatMap(({ from, channel, arrivals }) =>
        arrivals.map((bytes) => ({ from, channel, bytes })),
      );
  return { udp, ports, inputs, received };
}

async function rawSocket(address: string) {
  const socket: Socket = createSocket("udp4");
  const received: Uint8Array[] = [];
  socket.on("message", (bytes) => received.push(bytes));
  socket.bind(0, address);
  await once(socket, "listening");
  open.push({ close: () => socket.close() });
  return { socket, received };
}

/** A port that nobody uses on any of our addresses. */
/** Why there is no IPv6 here, for the names of tests that need it. */
async function ipv6Problem(): Promise<string | undefined> {
  const socket = createSocket("udp6");
  try {
    socket.bind(0, "::1");
    await once(socket, "listening");
    return undefined;
  } catch {
    return " (skipped: this machine has no IPv6)";
  } finally {
    socket.close();
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "0.0.0.0");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
