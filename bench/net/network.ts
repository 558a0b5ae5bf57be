import { OperatorError } from "../../src/runtime/operator-error.ts";
import { run, runIn, runIp } from "./commands.ts";
import type { Namespaces } from "./namespaces.ts";

/** What a network is to consist of. */
export type NetworkPlan = {
  /** Each office stands behind its parent; the first is the Central Office, with the server. */
  readonly offices: readonly PlannedOffice[];
  /** The rate of each link between offices, in both directions. */
  readonly rateBitsPerS: number;
};

/** One office of a plan. */
export type PlannedOffice = {
  readonly name: string;
  readonly parent?: string;
  /** The word of the topology file; `default` unless it says otherwise. */
  readonly type?: string;
  readonly devices: number;
};

/** A computer: a namespace of its own on its office's LAN. */
export type Host = {
  readonly name: string;
  readonly office: string;
  readonly namespace: string;
  readonly address: string;
  /** The router of its office, and the port of the office's bridge that it is plugged into. */
  readonly router: string;
  readonly port: string;
};

/** One end of a link: a network interface in a router. */
export type LinkEnd = { readonly namespace: string; readonly device: string };

/** The link of an office to its parent. What leaves at `above` goes into the office. */
export type Link = {
  readonly office: string;
  readonly parent: string;
  readonly above: LinkEnd;
  readonly below: LinkEnd;
  readonly rateBitsPerS: number;
};

/** An office: a router with a bridge, which is its LAN. */
export type Office = {
  readonly name: string;
  readonly parent: string | undefined;
  readonly type: string;
  readonly subnet: string;
  /** The namespace of its router. */
  readonly router: string;
  /** Absent for the Central Office. */
  readonly link: Link | undefined;
  readonly devices: readonly Host[];
};

/** How long the queue of a link may become, as time. */
const QUEUE_MS = 100;

/** The bucket of a link: one packet of 1,500 bytes, or whole batches would pass in no time. */
const BURST_BYTES = 1600;

/** The network interface of each computer. */
export const HOST_DEVICE = "eth0";

/** Offices, their LANs and the links between them, as namespaces of this machine. */
export class Network {
  readonly offices: readonly Office[];
  readonly server: Host;

  /** Makes it. Whoever owns the namespaces removes it. */
  static async make(plan: NetworkPlan, namespaces: Namespaces): Promise<Network> {
    const offices: Office[] = [];
    const [central] = plan.offices;
    if (central === undefined) throw new OperatorError("bench-plan", "A network needs an office.");
    let server: Host | undefined;
    for (const [number, planned] of plan.offices.entries()) {
      const router = await makeRouter(namespaces, planned.name, number);
      const parent = offices.find(({ name }) => name === planned.parent);
      const link = parent && (await makeLink(parent, { ...planned, router, number }, plan));
      const site = { namespaces, office: planned.name, router, number };
      server ??= await makeHost(site, "server", SERVER_PLACE);
      const devices: Host[] = [];
      for (let index = 0; index < planned.devices; index += 1) {
        const name = deviceName(planned.name, index);
        devices.push(await makeHost(site, name, DEVICE_PLACE + index));
      }
      const { name, parent: parentName, type = "default" } = planned;
      const subnet = `${lan(number)}.0/24`;
      offices.push({ name, parent: parentName, type, subnet, router, link, devices });
      await addRoutes(offices, number);
    }
    if (server === undefined) throw new OperatorError("bench-plan", "There is no server.");
    return new Network(offices, server);
  }

  private constructor(offices: readonly Office[], server: Host) {
    this.offices = offices;
    this.server = server;
  }

  get devices(): readonly Host[] {
    return this.offices.flatMap(({ devices }) => devices);
  }

  get links(): readonly Link[] {
    return this.offices.flatMap(({ link }) => link ?? []);
  }

  /** The office with this name. */
  office(name: string): Office {
    const found = this.offices.find((office) => office.name === name);
    if (found !== undefined) return found;
    throw new OperatorError("bench-plan", `There is no office ${name} in this network.`);
  }

  /** The link between an office and its parent. */
  link(office: string): Link {
    const { link } = this.office(office);
    if (link !== undefined) return link;
    throw new OperatorError("bench-plan", `${office} is the Central Office and has no link.`);
  }
}

/** What the devices of an office are called. @param index - Counts from 0. */
export function deviceName(office: string, index: number): string {
  return `${office.toLowerCase()}-${index + 1}`;
}

/** The last numbers of addresses on a LAN. */
const ROUTER_PLACE = 1;
const SERVER_PLACE = 2;

/** The last number of the address of an office's first device. */
export const DEVICE_PLACE = 11;

/** The first three numbers of the addresses of an office, and of those on its link. */
const lan = (number: number): string => `10.${number}.0`;
const wan = (number: number): string => `10.255.${number}`;

/** Makes the router of an office, with the LAN that the office of this number has. */
export async function makeRouter(
  namespaces: Namespaces,
  office: string,
  number: number,
): Promise<string> {
  const router = await makeQuiet(namespaces, `o-${office.toLowerCase()}`);
  await runIn(router, "sysctl", ["-q", "-w", "net.ipv4.ip_forward=1"]);
  await runIp(router, [
    "link add lan type bridge",
    `address add ${lan(number)}.${ROUTER_PLACE}/24 dev lan`,
    "link set lan up",
  ]);
  return router;
}

/** Where a computer is put. */
export type Site = {
  readonly namespaces: Namespaces;
  readonly office: string;
  readonly router: string;
  readonly number: number;
};

/** Makes a computer on the LAN of a router that {@link makeRouter} has made. */
export async function makeHost(site: Site, name: string, place: number): Promise<Host> {
  const { router, office, number } = site;
  const namespace = await makeQuiet(site.namespaces, name);
  const port = `p${place}`;
  const address = `${lan(number)}.${place}`;
  await runIp(router, [
    `link add ${port} type veth peer name ${HOST_DEVICE} netns ${namespace}`,
    `link set ${port} master lan up`,
  ]);
  await runIp(namespace, [
    `address add ${address}/24 broadcast + dev ${HOST_DEVICE}`,
    `link set ${HOST_DEVICE} up`,
    `route add default via ${lan(number)}.${ROUTER_PLACE}`,
  ]);
  return { name, office, namespace, address, router, port };
}

async function makeLink(
  parent: Office,
  child: { readonly name: string; readonly router: string; readonly number: number },
  { rateBitsPerS }: NetworkPlan,
): Promise<Link> {
  const above = { namespace: parent.router, device: `down${child.number}` };
  const below = { namespace: child.router, device: "uplink" };
  await runIp(above.namespace, [
    `link add ${above.device} type veth peer name ${below.device} netns ${below.namespace}`,
    `address add ${wan(child.number)}.1/30 dev ${above.device}`,
    `link set ${above.device} up`,
  ]);
  await runIp(below.namespace, [
    `address add ${wan(child.number)}.2/30 dev ${below.device}`,
    `link set ${below.device} up`,
    `route add default via ${wan(child.number)}.1`,
  ]);
  for (const end of [above, below]) await shape(end, rateBitsPerS);
  return { office: child.name, parent: parent.name, above, below, rateBitsPerS };
}

/** Gives an interface the rate of a line, with a queue of a tenth of a second. */
export async function shape({ namespace, device }: LinkEnd, rateBitsPerS: number): Promise<void> {
  const rate = ["rate", `${Math.round(rateBitsPerS)}bit`];
  const rest = ["burst", String(BURST_BYTES), "latency", `${QUEUE_MS}ms`];
  const where = ["qdisc", "replace", "dev", device, "root", "tbf"];
  await run("tc", ["-n", namespace, ...where, ...rate, ...rest]);
}

/** Tells every router above the office that was made last where it lies. */
async function addRoutes(offices: readonly Office[], number: number): Promise<void> {
  let hop = offices.at(-1);
  const target = `${lan(number)}.0/24`;
  while (hop?.link !== undefined) {
    const { namespace, device } = hop.link.above;
    const via = `${wan(offices.indexOf(hop))}.2`;
    await runIp(namespace, [`route add ${target} via ${via} dev ${device}`]);
    const above = hop.parent;
    hop = offices.find(({ name }) => name === above);
  }
}

/** A namespace without IPv6, whose own chatter would be counted on the links. */
export async function makeQuiet(namespaces: Namespaces, name: string): Promise<string> {
  const namespace = await namespaces.make(name);
  const off = ["all", "default"].map((which) => `net.ipv6.conf.${which}.disable_ipv6=1`);
  await runIn(namespace, "sysctl", ["-q", "-w", ...off]);
  return namespace;
}
