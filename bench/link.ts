import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { pause } from "../src/cli/interruption.ts";
import { digits } from "./figures.ts";
import { type Traffic, trafficOf } from "./net/counters.ts";
import { type Host, type Link, Network } from "./net/network.ts";
import { waitFor } from "./organisation/waiting.ts";
import type { Bench, Stage } from "./stage.ts";

const SENDER = fileURLToPath(new URL("net/sender.ts", import.meta.url));

/** Bytes of a datagram that fills a packet, and of the headers of IP and UDP before it. */
const DATAGRAM_BYTES = 1472;
const HEADER_BYTES = 28;

/** Nobody listens there. */
const PORT = 40_000;

/** How much more than the link carries is sent, and for how long it is sent and measured. */
const SURPLUS = 1.3;
const SEND_S = 5;
const MEASURE_S = 3;

/** How much of its rate a link must give. */
const SHARE_MIN = 0.97;

/** Other packets that may cross the link: somebody asks whose an address is. */
const STRAY_MAX = 10;

/** The networks of the benches themselves: what a link carries, and that it is counted right. */
export const LINK: Bench = {
  claim: "the benches' own links: they give their rate, and every byte is counted",
  run: async (stage) => {
    const { rateBitsPerS } = stage.options;
    const offices = [
      { name: "Central", devices: 1 },
      { name: "A", parent: "Central", devices: 1 },
    ];
    const network = await Network.make({ offices, rateBitsPerS }, stage.namespaces);
    const [from, to] = network.devices;
    if (from === undefined || to === undefined) return { ok: false };
    const link = network.link("A");
    const sending = send(stage, from, to);
    const { givenBitsPerS, seconds } = await measure(stage, link);
    const sentPackets = await sending;
    const into = await emptied(stage, link);
    // What the sender's own socket had no room for never came to the link.
    const strayPackets = Math.max(0, into.packets + into.drops - sentPackets);
    const lackingBytes = into.packets * (DATAGRAM_BYTES + HEADER_BYTES) - into.ipBytes;
    const counted = lackingBytes >= 0 && lackingBytes <= STRAY_MAX * DATAGRAM_BYTES;
    return {
      ok: givenBitsPerS >= SHARE_MIN * rateBitsPerS && strayPackets <= STRAY_MAX && counted,
      seconds: digits(seconds, 2),
      rateBitsPerS,
      givenBitsPerS: Math.round(givenBitsPerS),
      sentPackets,
      countedPackets: into.packets,
      drops: into.drops,
      ipBytes: into.ipBytes,
      strayPackets,
    };
  },
};

/** Sends more than the link carries. Gives the number of packets. */
async function send({ options, signal }: Stage, from: Host, to: Host): Promise<number> {
  const numbers = [PORT, DATAGRAM_BYTES, Math.round(SURPLUS * options.rateBitsPerS), SEND_S];
  const command = [process.execPath, SENDER, to.address, ...numbers.map(String)];
  const args = ["netns", "exec", from.namespace, ...command];
  const { stdout } = await promisify(execFile)("ip", args, { signal });
  return Number(stdout);
}

/** What has crossed the link once its queue is empty. */
async function emptied(stage: Stage, link: Link): Promise<Traffic> {
  let last = (await trafficOf(link)).into;
  const still = async () => {
    const before = last;
    last = (await trafficOf(link)).into;
    return last.packets === before.packets ? last : undefined;
  };
  return await waitFor("the queue to empty", still, { signal: stage.signal, lookMs: 300 });
}

/** How much crosses the link once its queue is full. */
async function measure(stage: Stage, link: Link) {
  const full = async () => ((await trafficOf(link)).into.drops > 0 ? true : undefined);
  await waitFor("the queue to be full", full, stage);
  const startMs = performance.now();
  const start = (await trafficOf(link)).into;
  await pause(MEASURE_S * 1000, stage.signal);
  const end = (await trafficOf(link)).into;
  const seconds = (performance.now() - startMs) / 1000;
  return { givenBitsPerS: (8 * (end.ipBytes - start.ipBytes)) / seconds, seconds };
}
