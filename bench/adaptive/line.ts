import { fileURLToPath } from "node:url";
import { EndProgram } from "../lan/ends.ts";
import { run, runIn, runIp } from "../net/commands.ts";
import { type Host, type LinkEnd, Network } from "../net/network.ts";
import { waitFor } from "../organisation/waiting.ts";
import type { Stage } from "../stage.ts";
import type { Watched } from "./watch.ts";

/** Two computers at each end of a slow line, for two transfers in the same direction. */
export type Line = {
  readonly ours: Ends;
  readonly foreground: Ends;
  readonly watched: Watched;
  /** What holds packets back; absent where nothing does. */
  readonly delay: EndProgram | undefined;
};

/** Both ends of a transfer. */
export type Ends = { readonly sender: Host; readonly receiver: Host };

/** One packet of 1,500 bytes; more would pass the line in no time. */
const BURST_BYTES = 1600;

const DELAY = fileURLToPath(new URL("delay.ts", import.meta.url));
const DELAY_DEVICE = "delay";

/** How many packets may wait for the delay: for a busy machine, and no part of the line's queue. */
const DELAY_PACKETS = 10_000;

/** Makes it, with the rate, the queue and the delay that the options say. */
export async function makeLine(stage: Stage): Promise<Line> {
  const { rateBitsPerS, queueMs, delayMs } = stage.options;
  const offices = [
    { name: "Central", devices: 2 },
    { name: "Office", parent: "Central", devices: 2 },
  ];
  const network = await Network.make({ offices, rateBitsPerS }, stage.namespaces);
  const { above, below } = network.link("Office");
  for (const end of [above, below]) await limitQueue(end, rateBitsPerS, queueMs);
  for (const host of network.devices) await useCubic(host);
  const [one, other, ours, foreground] = network.devices;
  if (!one || !other || !ours || !foreground) throw new Error("four computers were planned");
  return {
    ours: { sender: one, receiver: ours },
    foreground: { sender: other, receiver: foreground },
    watched: { queue: above, ours: portOf(ours), foreground: portOf(foreground) },
    delay: delayMs > 0 ? await holdBack(stage, below.namespace, delayMs) : undefined,
  };
}

const portOf = ({ router, port }: Host): LinkEnd => ({ namespace: router, device: port });

/** One queue, first in first out, of so many bytes as the line carries in the time. */
async function limitQueue(
  { namespace, device }: LinkEnd,
  rateBitsPerS: number,
  queueMs: number,
): Promise<void> {
  const limit = Math.round((rateBitsPerS / 8) * (queueMs / 1_000));
  const rate = ["rate", `${rateBitsPerS}bit`, "burst", String(BURST_BYTES), "limit", `${limit}`];
  await run("tc", ["-n", namespace, "qdisc", "replace", "dev", device, "root", "tbf", ...rate]);
}

/**
 * What most systems use; and no connection starts with what another has learned. It is asked of the
 * route, since a namespace may choose for itself only what the whole machine allows.
 */
async function useCubic({ namespace, address }: Host): Promise<void> {
  const gateway = address.replace(/\d+$/, "1");
  await runIp(namespace, [`route replace default via ${gateway} congctl cubic`]);
  await runIn(namespace, "sysctl", ["-q", "-w", "net.ipv4.tcp_no_metrics_save=1"]);
}

/**
 * Sends what comes to the office's router, from either side, through a program that holds it back:
 * the kernel's own delay (netem) is not everywhere. What it writes goes on as the routes say.
 */
async function holdBack(stage: Stage, router: string, delayMs: number): Promise<EndProgram> {
  await runIp(router, [
    `tuntap add dev ${DELAY_DEVICE} mode tun`,
    `link set ${DELAY_DEVICE} up txqueuelen ${DELAY_PACKETS}`,
    `route add default dev ${DELAY_DEVICE} table 100`,
    "rule add iif uplink lookup 100",
    "rule add iif lan lookup 100",
  ]);
  const command = [process.execPath, DELAY, DELAY_DEVICE, String(delayMs)];
  const program = new EndProgram(stage, { namespace: router, address: "" }, command);
  await waitFor("the delay", () => program.said("ready"), { ...stage, lookMs: 20 });
  return program;
}
