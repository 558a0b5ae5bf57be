import { runIn, runIp } from "./commands.ts";
import type { Namespaces } from "./namespaces.ts";
import {
  DEVICE_PLACE,
  type Host,
  type Link,
  makeHost,
  makeQuiet,
  makeRouter,
  type Network,
  shape,
} from "./network.ts";

/** Something that the Central Office reaches over its line to the internet. */
export type Site = {
  readonly namespace: string;
  readonly address: string;
  /** What leaves at `below` goes to the organisation. */
  readonly link: Link;
};

/** What a site is to be. */
export type PlannedSite = {
  readonly name: string;
  /** Tells it from the other sites of its network: from 1 on. */
  readonly number: number;
  readonly rateBitsPerS: number;
};

/** Makes a computer on the internet, such as the server of a CDN. */
export async function makeSite(
  network: Network,
  namespaces: Namespaces,
  planned: PlannedSite,
): Promise<Site> {
  return await connect(network, await makeQuiet(namespaces, planned.name), planned);
}

/**
 * Makes a home network with one computer, behind a router that lends it its one public address. Its
 * addresses are those of an office, as happens; the computer's is that of the office's first device.
 */
export async function makeHome(
  network: Network,
  namespaces: Namespaces,
  planned: PlannedSite & { readonly likeOffice: string },
): Promise<{ readonly site: Site; readonly host: Host }> {
  const { name, likeOffice } = planned;
  const number = network.offices.findIndex((office) => office.name === likeOffice);
  const router = await makeRouter(namespaces, `${name}-router`, number);
  const host = await makeHost({ namespaces, office: name, router, number }, name, DEVICE_PLACE);
  const site = await connect(network, router, planned);
  await runIn(router, "nft", ["-f", "-"], MASQUERADE);
  return { site, host };
}

const MASQUERADE = `table ip home {
  chain c {
    type nat hook postrouting priority srcnat;
    oifname "uplink" masquerade
  }
}
`;

/** The addresses of sites are of those set aside for examples (RFC 5737). */
const placeOf = (number: number, end: 1 | 2): string => `203.0.113.${4 * number + end}`;

async function connect(
  { offices: [central] }: Network,
  namespace: string,
  { name, number, rateBitsPerS }: PlannedSite,
): Promise<Site> {
  const above = { namespace: central?.router ?? "", device: `net${number}` };
  const below = { namespace, device: "uplink" };
  const address = placeOf(number, 2);
  await runIp(above.namespace, [
    `link add ${above.device} type veth peer name ${below.device} netns ${namespace}`,
    `address add ${placeOf(number, 1)}/30 dev ${above.device}`,
    `link set ${above.device} up`,
  ]);
  await runIp(namespace, [
    `address add ${address}/30 dev ${below.device}`,
    `link set ${below.device} up`,
    `route add default via ${placeOf(number, 1)}`,
  ]);
  for (const end of [above, below]) await shape(end, rateBitsPerS);
  const link = { office: name, parent: central?.name ?? "", above, below, rateBitsPerS };
  return { namespace, address, link };
}
