import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import type { Address } from "../effects/network.ts";
import { Line, type LineOptions } from "./line.ts";
import { machineUs, unwrapFromLine, wrapForLine } from "./line-envelope.ts";

const OFFICES = [
  { name: "Central Office", subnets: ["127.10.0.0/24"] },
  { name: "Region", parent: "Central Office", subnets: ["127.20.0.0/24"] },
  { name: "Branch", parent: "Region", subnets: ["127.30.0.0/24"] },
  { name: "Other", parent: "Central Office", subnets: ["127.40.0.0/24"] },
];
const HEADER_BYTES = 28;

test("a datagram arrives at its destination with its source and its bytes", async () => {
  const line = await open({ mbit: 100 });
  const [from, to] = [await host("127.10.0.11"), await host("127.20.0.11")];

  from.send(line, to, Uint8Array.of(1, 2, 3));
  await to.received(1);

  expect(to.payloads()).toEqual([Uint8Array.of(1, 2, 3)]);
  expect(to.sources()).toEqual([from.address]);
});

test("a datagram crosses the lines up to the common office and down again, and no other", async () => {
  const line = await open({ mbit: 100 });
  const [branch, other] = [await host("127.30.0.11"), await host("127.40.0.11")];

  branch.send(line, other, new Uint8Array(972));
  await other.received(1);

  const crossed = line.counters().filter(({ datagrams }) => datagrams > 0);
  expect(crossed.map(({ office, direction, bytes }) => [office, direction, bytes])).toEqual([
    ["Region", "up", 1000],
    ["Branch", "up", 1000],
    ["Other", "down", 1000],
  ]);
});

test("a line carries what its rate allows, and the datagrams stay in their order", async () => {
  const mbit = 8;
  const datagrams = 100;
  const line = await open({ mbit, queueMs: 1_000 });
  const [from, to] = [await host("127.10.0.11"), await host("127.20.0.11")];

  const startMs = performance.now();
  for (let index = 0; index < datagrams; index += 1) {
    from.send(line, to, new Uint8Array(1_000 - HEADER_BYTES).fill(index));
  }
  await to.received(datagrams);
  const seconds = (performance.now() - startMs) / 1_000;

  // 100 datagrams of 1,000 bytes at 1,000,000 bytes a second.
  expect(seconds).toBeGreaterThan(0.099);
  expect(seconds).toBeLessThan(0.3);
  expect(to.payloads().map((payload) => payload[0])).toEqual([...Array(datagrams).keys()]);
});

test("a receiver is told when a datagram left the line, however late it was passed on", async () => {
  const datagrams = 10;
  const line = await open({ mbit: 0.8, queueMs: 1_000 });
  const [from, to] = [await host("127.10.0.11"), await host("127.20.0.11")];

  const sentUs = machineUs();
  for (let index = 0; index < datagrams; index += 1) {
    from.send(line, to, new Uint8Array(1_000 - HEADER_BYTES));
  }
  const busyUntilUs = machineUs() + 300_000;
  while (machineUs() < busyUntilUs);
  await to.received(datagrams);

  const arrived = to.arrivedAtUs().map((atUs) => atUs - sentUs);
  const gaps = arrived.slice(1).map((atUs, index) => atUs - (arrived[index] ?? 0));
  // 1,000 bytes at 100,000 bytes a second, while nobody looked.
  expect(arrived[0]).toBeLessThan(100_000);
  for (const gap of gaps) expect(Math.abs(gap - 10_000)).toBeLessThan(300);
});

test("where lines meet, first is who came first, however late both were passed on", async () => {
  const line = await open({ mbit: 8 });
  const [branch, central] = [await host("127.30.0.11"), await host("127.10.0.11")];
  const to = await host("127.40.0.11");
  const sentUs = machineUs();

  // Over three lines, and 50 ms later over the last of them alone: nobody has looked meanwhile.
  branch.send(line, to, new Uint8Array(1_000 - HEADER_BYTES).fill(1));
  while (machineUs() < sentUs + 50_000);
  central.send(line, to, new Uint8Array(1_000 - HEADER_BYTES).fill(2));
  while (machineUs() < sentUs + 100_000);
  await to.received(2);

  expect(to.payloads().map((payload) => payload[0])).toEqual([1, 2]);
  const [first = 0, second = 0] = to.arrivedAtUs();
  expect(first).toBeLessThan(second);
});

test("traffic inside an office crosses no line and waits for nothing", async () => {
  const line = await open({ mbit: 0.001 });
  const [from, to] = [await host("127.20.0.11"), await host("127.20.0.12")];

  for (let index = 0; index < 20; index += 1) from.send(line, to, new Uint8Array(1_000));
  await to.received(20);

  expect(line.counters().every(({ datagrams }) => datagrams === 0)).toBe(true);
});

test("what does not fit into the queue is dropped from its tail, and counted", async () => {
  // 10 datagrams of 1,000 bytes take the 10 ms that the queue holds; the eleventh is on its way.
  const line = await open({ mbit: 8, queueMs: 10 });
  const [from, to] = [await host("127.10.0.11"), await host("127.20.0.11")];

  for (let index = 0; index < 200; index += 1) {
    from.send(line, to, new Uint8Array(1_000 - HEADER_BYTES).fill(index));
  }
  const down = await eventually(() => {
    const counters = line.counters().find((c) => c.office === "Region" && c.direction === "down");
    const all = (counters?.datagrams ?? 0) + (counters?.droppedDatagrams ?? 0);
    return all === 200 ? counters : undefined;
  });
  await to.received(down.datagrams);

  expect(down.droppedDatagrams).toBeGreaterThan(100);
  expect(to.payloads()[0]?.[0]).toBe(0);
  expect(to.payloads()).toHaveLength(down.datagrams);
});

test("the share of datagrams that a line is to lose is lost, and counted", async () => {
  const line = await open({ mbit: 1_000, loss: 0.25 });
  const [from, to] = [await host("127.10.0.11"), await host("127.20.0.11")];

  for (let index = 0; index < 400; index += 1) from.send(line, to, new Uint8Array(100));
  const down = await eventually(() =>
    line.counters().find((c) => c.office === "Region" && c.datagrams === 400),
  );
  await to.received(400 - down.lostDatagrams);

  expect(down.lostDatagrams).toBeGreaterThan(60);
  expect(down.lostDatagrams).toBeLessThan(140);
});

test("each line adds its delay", async () => {
  const line = await open({ mbit: 100, delayMs: 30 });
  const [from, to] = [await host("127.10.0.11"), await host("127.30.0.11")];

  const startMs = performance.now();
  from.send(line, to, new Uint8Array(100));
  await to.received(1);

  expect(performance.now() - startMs).toBeGreaterThan(60);
});

test("what is no envelope or concerns an address in no office goes nowhere and is counted", async () => {
  const line = await open({ mbit: 100 });
  const [from, to] = [await host("127.10.0.11"), await host("127.50.0.11")];

  from.socket.send(new Uint8Array(500), line.address.port, line.address.host);
  from.send(line, to, new Uint8Array(500));
  await eventually(() => (line.unroutedDatagrams() === 2 ? true : undefined));

  expect(to.payloads()).toEqual([]);
});

test("an address that is taken is refused with a sentence that names it", async () => {
  const line = await open({ mbit: 100 });

  await expect(
    Line.open({ listen: line.address, offices: OFFICES, mbit: 100 }),
  ).rejects.toMatchObject({
    code: "line-address",
    message: expect.stringContaining(`127.0.0.1 port ${line.address.port}`),
  });
});

test.each([
  { problem: "an unknown parent", offices: [{ name: "A", parent: "B", subnets: [] }] },
  {
    problem: "a circle",
    offices: [
      { name: "A", parent: "B", subnets: [] },
      { name: "B", parent: "A", subnets: [] },
    ],
  },
  { problem: "a malformed subnet", offices: [{ name: "A", subnets: ["127.0.0.0/40"] }] },
])("offices with $problem are refused", async ({ offices }) => {
  const listen = { host: "127.0.0.1", port: 0 };

  await expect(Line.open({ listen, offices, mbit: 1 })).rejects.toMatchObject({
    code: "line-topology",
  });
});

type Host = {
  readonly address: Address;
  readonly socket: Socket;
  send(line: Line, to: Host, payload: Uint8Array): void;
  payloads(): readonly Uint8Array[];
  sources(): readonly Address[];
  /** When each left the line, by the machine's clock. */
  arrivedAtUs(): readonly number[];
  /** Waits until this many datagrams are there. */
  received(count: number): Promise<void>;
};

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function open(options: Omit<LineOptions, "listen" | "offices">): Promise<Line> {
  const listen = { host: "127.0.0.1", port: 0 };
  const line = await Line.open({ listen, offices: OFFICES, ...options });
  closing.push(() => line.close());
  return line;
}

async function host(address: string): Promise<Host> {
  const socket = createSocket("udp4");
  socket.bind(0, address);
  await once(socket, "listening");
  closing.push(async () => {
    const closed = once(socket, "close");
    socket.close();
    await closed;
  });
  const envelopes: {
    readonly from: Address;
    readonly payload: Uint8Array;
    readonly atUs: number;
  }[] = [];
  socket.on("message", (bytes) => {
    const envelope = unwrapFromLine(bytes);
    if (envelope === undefined) return;
    const { from, agoUs } = envelope;
    const payload = Uint8Array.from(envelope.payload);
    envelopes.push({ from, payload, atUs: machineUs() - agoUs });
  });
  const own = { host: address, port: socket.address().port };
  return {
    address: own,
    socket,
    send: (line, to, payload) => {
      socket.send(wrapForLine(own, to.address, payload), line.address.port, line.address.host);
    },
    payloads: () => envelopes.map(({ payload }) => payload),
    sources: () => envelopes.map(({ from }) => from),
    arrivedAtUs: () => envelopes.map(({ atUs }) => atUs),
    received: async (count) => {
      while (envelopes.length < count) await once(socket, "message");
    },
  };
}

/** Looks again and again until there is something; the test's own time limit ends it. */
async function eventually<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
