import { AGENT_ROUTES } from "../src/api/agent-routes.ts";
import { NO_OFFICE } from "../src/topology/limits.ts";
import { intactOf } from "./content/compare.ts";
import { publishRandom } from "./content/random-package.ts";
import { digits, officeFigures } from "./figures.ts";
import { trafficOf } from "./net/counters.ts";
import { makeHome } from "./net/internet.ts";
import { deviceName, type NetworkPlan } from "./net/network.ts";
import { countSent, readSent } from "./net/sent.ts";
import type { BenchOptions } from "./options.ts";
import { Distribution } from "./organisation/distribution.ts";
import { type Machine, Organisation, type Peculiarities } from "./organisation/organisation.ts";
import type { Bench } from "./stage.ts";

/** What may cross a line for each copy, in IP bytes over the size. */
const IP_COPIES_MAX = 1.1;

/** What devices may say to each other where they share nothing: not even a piece. */
const TALK_BYTES_MAX = 64 * 1024;

/** The device at home. */
const HOME = "home";

/** One port for everything: what a NAT lets through is the answer to what was sent. */
const SINGLE = { single_port: 34_400 };

/** A VPN office, a WiFi office, and a home that looks like the WiFi office. */
export const OFFICE_TYPES: Bench = {
  claim: "VPN: each for itself; WiFi: no broadcast, shared; a home with its prefix: not joined",
  sizeText: "16MiB",
  run: async (stage) => {
    const network = plan(stage.options);
    const organisation = await Organisation.start(stage, network, throughNat(network), {
      server: { network: SINGLE },
      network: async ({ offices }) => {
        for (const office of offices) await countSent(office);
      },
    });
    const { rateBitsPerS } = stage.options;
    const { site, host } = await makeHome(organisation.network, stage.namespaces, {
      ...{ name: HOME, number: 1, rateBitsPerS, likeOffice: "Wifi" },
    });
    const home = await organisation.add(host);
    const content = await publishRandom(stage, organisation, "random");
    const homeBefore = await trafficOf(site.link);
    const distribution = await Distribution.begin(stage, organisation, content);
    const measured = await distribution.finish();
    const homeBytes = (await trafficOf(site.link)).into.ipBytes - homeBefore.into.ipBytes;
    const intact = await intactOf(distribution);
    const figures = officeFigures(organisation, measured, content.sizeBytes);
    const shown = { organisation, contentId: content.contentId };
    const vpn = { ...(await showOffice(shown, "Vpn")), ...only(figures, "Vpn") };
    const wifi = { ...(await showOffice(shown, "Wifi")), ...only(figures, "Wifi") };
    const central = await showOffice(shown, "Central");
    const { office } = await organisation.status(home);
    const joined = await joinedBy(organisation, home, content.contentId);
    const homeIpCopies = homeBytes / content.sizeBytes;
    const wanted = organisation.devices.length;
    const checks = {
      vpnForItself: vpn.devices <= vpn.ipCopies && vpn.ipCopies <= vpn.devices * IP_COPIES_MAX,
      vpnServesNobody: vpn.servedBytes === 0 && vpn.toMatesBytes < TALK_BYTES_MAX,
      wifiSilent: wifi.broadcasts === 0,
      wifiShares: wifi.ipCopies <= IP_COPIES_MAX && wifi.sharedCopies >= wifi.devices - 1,
      // What counts nothing would find nothing.
      countersCount: central.broadcasts > 0,
      homeApart: office === NO_OFFICE && joined.length === 0 && homeIpCopies <= IP_COPIES_MAX,
    };
    return {
      ok: intact.length === wanted && Object.values(checks).every(Boolean),
      verified: intact.length,
      wanted,
      seconds: digits(measured.seconds, 2),
      checks,
      vpn,
      wifi,
      central,
      home: { office, joined, ipCopies: digits(homeIpCopies, 4) },
      sizeBytes: content.sizeBytes,
      processorsBusy: digits(measured.processorsBusy, 2),
    };
  },
};

function plan({ rateBitsPerS }: BenchOptions): NetworkPlan {
  const offices = [
    { name: "Central", devices: 1 },
    { name: "Vpn", parent: "Central", type: "vpn", devices: 2 },
    { name: "Wifi", parent: "Central", type: "wifi", devices: 3 },
  ];
  return { rateBitsPerS, offices };
}

/** The settings of all devices, with which the one at home reaches the others. */
function throughNat({ offices }: NetworkPlan): Peculiarities {
  const settings = { network: SINGLE, server: SINGLE };
  const names = offices.flatMap(({ name, devices }) =>
    Array.from({ length: devices }, (_, index) => deviceName(name, index)),
  );
  return Object.fromEntries([HOME, ...names].map((name) => [name, { settings }]));
}

/** What the devices of an office did, as they and their kernels count it. */
async function showOffice(
  { organisation, contentId }: { readonly organisation: Organisation; readonly contentId: string },
  office: string,
) {
  let [servedBytes, sharedBytes, sizeBytes] = [0, 0, 1];
  const devices = organisation.devicesOf(office);
  for (const device of devices) {
    const content = await organisation.contentOn(device, contentId);
    servedBytes += (content?.lanOutBytes ?? 0) + (content?.wanOutBytes ?? 0);
    sharedBytes += content?.lanInBytes ?? 0;
    sizeBytes = content?.sizeBytes ?? sizeBytes;
  }
  const sharedCopies = digits(sharedBytes / sizeBytes, 4);
  const sent = await readSent(organisation.network.office(office));
  return { devices: devices.length, servedBytes, sharedCopies, ...sent };
}

/** The figures of one office's link. */
function only(figures: ReturnType<typeof officeFigures>, name: string) {
  const { ipCopies = 0, copies = 0 } = figures.find(({ office }) => office === name) ?? {};
  return { ipCopies, copies };
}

/** Who of the office that the home looks like knows the home's device, or got something of it. */
async function joinedBy(
  organisation: Organisation,
  home: Machine,
  contentId: string,
): Promise<readonly string[]> {
  const joined: string[] = [];
  const mates = organisation.devicesOf("Wifi");
  for (const mate of mates) {
    const { peers } = await organisation.status(mate);
    if (peers.some(({ deviceId }) => deviceId === home.deviceId)) joined.push(mate.name);
  }
  const { peers } = await organisation.status(home);
  const control = await organisation.control(home);
  const { totals } = await control(AGENT_ROUTES.explain, { params: { contentId } });
  const known = [...peers, ...totals.map(({ source }) => source)];
  const ids = new Set(mates.map(({ deviceId }) => deviceId));
  if (known.some(({ deviceId }) => ids.has(deviceId ?? ""))) joined.push(home.name);
  return joined;
}
