// Holds back what a tunnel device gets, for the same time each: delay.ts DEVICE MILLISECONDS.
// Says "ready", and at the end of standard input how late it let packets go.

import { openSync, readSync, writeSync } from "node:fs";
import koffi from "koffi";
import { percentile } from "./percentile.ts";

/** The numbers of Linux, the same on all its 64-bit processors. */
const O_RDWR_NONBLOCK = 2 | 0o4000;
const TUNSETIFF = 0x400454ca;
const IFF_TUN_NO_PI = 0x0001 | 0x1000;
const IFREQ = { bytes: 40, flagsAt: 16 } as const;
const SCHED_FIFO = 1;
const POLLIN = 1;
const POLLFD = { bytes: 8, eventsAt: 4, cameAt: 6 } as const;

const PACKET_BYTES_MAX = 65_536;

const NS_PER_S = 1_000_000_000n;

/** A packet, and when it goes on. */
type Held = { readonly dueNs: bigint; readonly bytes: Buffer };

/** Of lateness so many packets are told, the last ones. */
const LATE_MAX = 1_000_000;

const library = koffi.load(null);
const ioctl = library.func("int ioctl(int fd, unsigned long request, void *argument)");
const ppoll = library.func("int ppoll(void *fds, unsigned long count, void *time, void *signals)");
const schedule = library.func("int sched_setscheduler(int process, int policy, void *parameters)");

const [device = "", milliseconds = ""] = process.argv.slice(2);
const delayNs = BigInt(Math.round(Number(milliseconds) * 1e6));
// Before all that does not ask for it; where that is not to be had, the lateness tells.
schedule(0, SCHED_FIFO, Buffer.from(Int32Array.of(1).buffer));
const tunnel = openTunnel(device);
process.stdout.write("ready\n");
const lateUs = run(tunnel);
const [p50 = 0, p99 = 0, max = 0] = [0.5, 0.99, 1].map((part) => percentile(lateUs, part));
process.stdout.write(`${JSON.stringify({ packets: lateUs.length, lateUs: { p50, p99, max } })}\n`);

function openTunnel(name: string): number {
  const fd = openSync("/dev/net/tun", O_RDWR_NONBLOCK);
  const request = Buffer.alloc(IFREQ.bytes);
  request.write(name, "latin1");
  request.writeUInt16LE(IFF_TUN_NO_PI, IFREQ.flagsAt);
  if (ioctl(fd, TUNSETIFF, request) !== 0) throw new Error(`${name} cannot be had (ioctl)`);
  return fd;
}

/** Passes packets on until standard input ends. Gives by how many microseconds each was late. */
function run(fd: number): readonly number[] {
  const late: number[] = [];
  const held: Held[] = [];
  const packet = Buffer.alloc(PACKET_BYTES_MAX);
  const wait = waitFor([fd, 0]);
  for (;;) {
    const leftNs = letGo(fd, held, late);
    const [isPacket = false, isEnd = false] = wait(leftNs);
    if (isPacket) {
      const length = readSync(fd, packet);
      const dueNs = process.hrtime.bigint() + delayNs;
      held.push({ dueNs, bytes: Buffer.from(packet.subarray(0, length)) });
    }
    if (isEnd) return late;
  }
}

/** Writes what is due. Gives the nanoseconds until the next is; `undefined` where nothing waits. */
function letGo(fd: number, held: Held[], late: number[]): bigint | undefined {
  for (;;) {
    const [first] = held;
    if (first === undefined) return undefined;
    const leftNs = first.dueNs - process.hrtime.bigint();
    if (leftNs > 0n) return leftNs;
    writeSync(fd, first.bytes);
    held.shift();
    late.push(Math.round(Number(-leftNs) / 1_000));
    if (late.length > LATE_MAX) late.shift();
  }
}

/** Waits until there is something to read or the time is over; says for each where there is. */
function waitFor(fds: readonly number[]): (limitNs: bigint | undefined) => readonly boolean[] {
  const polled = Buffer.alloc(fds.length * POLLFD.bytes);
  for (const [index, fd] of fds.entries()) {
    polled.writeInt32LE(fd, index * POLLFD.bytes);
    polled.writeInt16LE(POLLIN, index * POLLFD.bytes + POLLFD.eventsAt);
  }
  const time = Buffer.alloc(16);
  return (limitNs) => {
    if (limitNs !== undefined) {
      time.writeBigInt64LE(limitNs / NS_PER_S, 0);
      time.writeBigInt64LE(limitNs % NS_PER_S, 8);
    }
    const count: number = ppoll(polled, fds.length, limitNs === undefined ? null : time, null);
    // Where a signal ended the wait, the answers are old.
    if (count <= 0) return [];
    return fds.map((_, index) => polled.readInt16LE(index * POLLFD.bytes + POLLFD.cameAt) !== 0);
  };
}
