import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { NetworkInterfaceInfo } from "node:os";
import { afterEach, expect, test, vi } from "vitest";
import type { NetworkInput } from "../effects/network.ts";
import { broadcastAddresses, DiscoverySockets, ipv6Links } from "./discovery-socket.ts";
import { OperatorError } from "./operator-error.ts";

/** The only address of the loopback network that the kernel treats as a broadcast address. */
const EVERYBODY = "127.255.255.255";

const A = "127.78.1.1";
const B = "127.78.1.2";

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
});

test("DI6: a question reaches every program on the network, the asker among them", async () => {
  const port = await freePort();
  const a = await program({ address: A, port });
  const b = await program({ address: B, port });

  a.sockets.broadcast(Uint8Array.of(1, 2, 3));
  await vi.waitUntil(() => a.inputs.length > 0 && b.inputs.length > 0);

  const heard = {
    kind: "datagram-received",
    from: { host: A, port },
    channel: "discovery",
    arrivals: [Buffer.of(1, 2, 3)],
  };
  expect(b.inputs).toEqual([heard]);
  expect(a.inputs).toEqual([heard]);
});

test("an answer reaches the asker alone, at the port that it asked from", async () => {
  const port = await freePort();
  const a = await program({ address: A, port });
  const b = await program({ address: B, port });
  a.sockets.broadcast(Uint8Array.of(1));
  await vi.waitUntil(() => a.inputs.length > 0 && b.inputs.length > 0);

  b.sockets.send(b.inputs[0]?.from ?? { host: A, port: 0 }, Uint8Array.of(2));
  await vi.waitUntil(() => a.inputs.length > 1);

  expect(a.inputs[1]).toMatchObject({ from: { host: B, port }, arrivals: [Buffer.of(2)] });
  expect(b.inputs.length).toBe(1);
});

test("DI6: programs with other port offsets hear each other", async () => {
  const port = await freePort();
  const ownPort = await freePort();
  const a = await program({ address: A, port, ownPort });
  const b = await program({ address: A, port });

  a.sockets.broadcast(Uint8Array.of(1));
  await vi.waitUntil(() => b.inputs.length > 0);

  expect(b.inputs[0]?.from).toEqual({ host: A, port: ownPort });
});

test("a program on all addresses hears broadcasts with the socket that it speaks with", async () => {
  const port = await freePort();
  const a = await program({ port });
  const b = await program({ address: B, port, ownPort: await freePort() });

  b.sockets.broadcast(Uint8Array.of(1));
  a.sockets.broadcast(Uint8Array.of(2));
  await vi.waitUntil(() => a.inputs.length > 1 && b.inputs.length > 1);

  expect(a.inputs.map(({ arrivals }) => arrivals[0]?.[0]).sort()).toEqual([1, 2]);
});

test("nothing is heard before the program is ready for it", async () => {
  const port = await freePort();
  const early = await program({ address: A, port, start: false });
  const b = await program({ address: B, port });
  b.sockets.broadcast(Uint8Array.of(1));
  await vi.waitUntil(() => b.inputs.length > 0);

  early.sockets.start();
  b.sockets.broadcast(Uint8Array.of(2));
  await vi.waitUntil(() => early.inputs.length > 0);

  expect(early.inputs.map(({ arrivals }) => arrivals[0]?.[0])).toEqual([2]);
});

test("a broadcast address that is none of the machine's is refused by name", async () => {
  const opening = program({ address: A, port: await freePort(), broadcast: "203.0.113.255" });

  await expect(opening).rejects.toThrow(OperatorError);
  await expect(opening).rejects.toMatchObject({ code: "broadcast-not-here" });
});

test("an address that is none of the machine's is refused by name", async () => {
  const opening = program({ address: "203.0.113.1", port: await freePort() });

  await expect(opening).rejects.toMatchObject({ code: "address-not-here" });
});

test("a port that somebody else has is refused by name", async () => {
  const socket = createSocket("udp4");
  open.push(socket);
  const listening = once(socket, "listening");
  socket.bind({ address: A, port: 0, exclusive: true });
  await listening;

  const opening = program({ address: A, port: socket.address().port });

  await expect(opening).rejects.toMatchObject({ code: "port-in-use" });
});

test("an answer to a port that there is not is not sent, and stops nobody", async () => {
  const port = await freePort();
  const a = await program({ address: A, port });
  const b = await program({ address: B, port });

  for (const impossible of [0, -1, 65_536]) {
    b.sockets.send({ host: A, port: impossible }, Uint8Array.of(1));
  }
  b.sockets.send({ host: A, port }, Uint8Array.of(2));
  await vi.waitUntil(() => a.inputs.length > 0);

  expect(a.inputs.map(({ arrivals }) => arrivals[0]?.[0])).toEqual([2]);
});

test("questions go to the last address of every IPv4 network but the loopback and tunnels", () => {
  const interfaces = {
    lo: [own("127.0.0.1/8", { internal: true })],
    eth0: [own("10.1.2.3/20"), own("fd00::2/64")],
    wlan0: [own("192.168.7.9/24")],
    tun0: [own("10.9.0.2/32")],
    gone: undefined,
  };

  expect(broadcastAddresses(interfaces, undefined)).toEqual(["10.1.15.255", "192.168.7.255"]);
  expect(broadcastAddresses(interfaces, "192.168.7.9")).toEqual(["192.168.7.255"]);
  expect(broadcastAddresses(interfaces, "127.0.0.1")).toEqual([]);
});

test("DI7: by IPv6 each interface asks from an address that the office can be told by", () => {
  const interfaces = {
    lo: [own("::1/128", { internal: true })],
    eth0: [own("10.1.2.3/20"), own("fe80::1/64", { scopeid: 2 }), own("fd00::2/64")],
    wlan0: [own("fe80::2/64", { scopeid: 3 })],
  };

  expect(ipv6Links(interfaces, undefined)).toEqual([
    { zone: "eth0", address: "fd00::2" },
    { zone: "wlan0", address: "fe80::2%wlan0" },
  ]);
  expect(ipv6Links(interfaces, "fd00:0::2")).toEqual([{ zone: "eth0", address: "fd00::2" }]);
});

async function program({
  port,
  ownPort = port,
  broadcast = EVERYBODY,
  start = true,
  ...bound
}: {
  readonly address?: string;
  readonly port: number;
  readonly ownPort?: number;
  readonly broadcast?: string;
  readonly start?: boolean;
}) {
  const inputs: Extract<NetworkInput, { kind: "datagram-received" }>[] = [];
  const onInput = (input: NetworkInput): void => {
    if (input.kind === "datagram-received") inputs.push(input);
  };
  // Without the machine's real interfaces: nothing of this leaves it.
  const sockets = await DiscoverySockets.open(
    { ...bound, broadcast, port, ownPort, onInput },
    () => ({}),
  );
  open.push(sockets);
  if (start) sockets.start();
  return { sockets, inputs };
}

/** A port that nobody uses on any of the addresses here. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  const listening = once(socket, "listening");
  socket.bind({ port: 0, exclusive: true });
  await listening;
  const { port } = socket.address();
  socket.close();
  return port;
}

function own(cidr: string, more: Partial<NetworkInterfaceInfo> = {}): NetworkInterfaceInfo {
  const [address = ""] = cidr.split("/");
  const base = { address, cidr, netmask: "", mac: "00:00:00:00:00:00", internal: false };
  const family = cidr.includes(":")
    ? ({ family: "IPv6", scopeid: 0 } as const)
    : ({ family: "IPv4" } as const);
  return { ...base, ...family, ...more } as NetworkInterfaceInfo;
}
