import { join } from "node:path";
import type { AgentContentView } from "../src/api/agent-schemas.ts";
import { intactOf } from "./content/compare.ts";
import { writeRandomFile } from "./content/random-file.ts";
import { digits, useFigures } from "./figures.ts";
import type { Traffic } from "./net/counters.ts";
import type { Host } from "./net/network.ts";
import { sentBy, shapePorts } from "./net/ports.ts";
import { Distribution } from "./organisation/distribution.ts";
import { type Machine, Organisation } from "./organisation/organisation.ts";
import type { Bench, Stage } from "./stage.ts";
import { showTorrent } from "./torrent/torrent.ts";

/** What is wanted: the time over the bound, and what the RVP uploads over the size. */
const RATIO_MAX = 1.1;
const RVP_COPIES_MAX = 1.3;

/** How many devices there are beside the RVP, unless the command line says. */
const DEVICES = 20;

/** The rate of each port, unless the command line says. */
const RATE_TEXT = "20Mbit";

/** One office in which all have to get it from one, each behind a port of its own. */
export const OFFICE: Bench = {
  claim: "one RVP to all devices of its office, each behind a port of 20 Mbit/s",
  sizeText: "128MiB",
  rateText: RATE_TEXT,
  devices: DEVICES,
  run: async (stage) => {
    const { sizeBytes, rateBitsPerS, devices = DEVICES } = stage.options;
    const boundSeconds = (sizeBytes * 8) / rateBitsPerS;
    const path = join(stage.folder, "random.bin");
    const organisation = await start(stage, devices);
    await writeRandomFile(path, sizeBytes);
    const shown = await show(stage, organisation, { path, boundSeconds });
    const ok = shown.whole && shown.ratio <= RATIO_MAX && shown.rvpCopies <= RVP_COPIES_MAX;
    const { whole: _, ...figures } = shown;
    const beside = stage.options.beside
      ? { libtorrent: await showTorrent(stage, { boundSeconds, devices }) }
      : {};
    return { ok, devices, sizeBytes, rateBitsPerS, ...figures, ...beside };
  },
};

/** Wires all ports, and has the first device preferred as the RVP. */
async function start(stage: Stage, devices: number): Promise<Organisation> {
  const { rateBitsPerS } = stage.options;
  const offices = [{ name: "Office", devices: devices + 1 }];
  const preferred = { settings: { facts: { preferred: true } } };
  return await Organisation.start(
    stage,
    { offices, rateBitsPerS },
    { "office-1": preferred },
    { network: async (network) => await shapePorts(network, rateBitsPerS) },
  );
}

/** Waits until all have it, and says what it took. */
async function show(
  stage: Stage,
  organisation: Organisation,
  { path, boundSeconds }: { readonly path: string; readonly boundSeconds: number },
) {
  const [rvp, ...mates] = organisation.devices;
  const published = await organisation.publish({ path, name: "random", version: "1" });
  stage.say(`published ${published.sizeBytes} bytes in ${published.pieces} pieces`);
  const before = await sentOf(organisation);
  const content = { path, name: "random", version: "1", ...published };
  const distribution = await Distribution.begin(stage, organisation, content);
  let firstSeconds: number | undefined;
  await distribution.until(() => {
    const there = distribution.delivered.length;
    // The RVP itself is handed it at once.
    if (there > 1) firstSeconds ??= distribution.seconds;
    return there === organisation.devices.length;
  });
  const measured = await distribution.finish();
  const after = await sentOf(organisation);
  const sentBytes = (host: Host): number =>
    (after.get(host)?.ipBytes ?? 0) - (before.get(host)?.ipBytes ?? 0);
  const { sizeBytes } = published;
  const outBytes = rvp === undefined ? 0 : await lanOutBytes(organisation, rvp, published);
  const drops = organisation.devices.reduce(
    (sum, { host }) => sum + (after.get(host)?.drops ?? 0) - (before.get(host)?.drops ?? 0),
    0,
  );
  const intact = await intactOf(distribution);
  return {
    whole: intact.length === organisation.devices.length && measured.verified === intact.length,
    verified: measured.verified,
    seconds: digits(measured.seconds, 2),
    boundSeconds: digits(boundSeconds, 2),
    ratio: digits(measured.seconds / boundSeconds, 3),
    firstSeconds: digits(firstSeconds ?? 0, 2),
    rvpCopies: digits(outBytes / sizeBytes, 3),
    rvpIpCopies: digits(rvp === undefined ? 0 : sentBytes(rvp.host) / sizeBytes, 3),
    mateIpCopies: digits(
      mates.reduce((sum, { host }) => sum + sentBytes(host), 0) / mates.length / sizeBytes,
      3,
    ),
    drops,
    intact: intact.length,
    ...useFigures(stage, measured),
  };
}

async function sentOf({ devices }: Organisation): Promise<ReadonlyMap<Host, Traffic>> {
  const found = new Map<Host, Traffic>();
  for (const { host } of devices) found.set(host, await sentBy(host));
  return found;
}

/** Bytes of pieces that a device has sent within its office. */
async function lanOutBytes(
  organisation: Organisation,
  device: Machine,
  { contentId }: { readonly contentId: string },
): Promise<number> {
  const content: AgentContentView | undefined = await organisation.contentOn(device, contentId);
  return content?.lanOutBytes ?? 0;
}
