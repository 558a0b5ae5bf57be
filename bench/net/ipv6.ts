import { runIn, runIp } from "./commands.ts";
import { HOST_DEVICE, type Host, type Network, type NetworkPlan, type Office } from "./network.ts";

/** What an office has by IPv6: its LAN, and the network of its link. */
const lan = (number: number): string => `fd00:0:0:${number}`;
const wan = (number: number): string => `fd00:0:ff:${number}`;

/** The address of the server: as all, with the last number that it has by IPv4. */
export const SERVER_IPV6 = "fd00::2";

/** The subnet that an office of a plan has beside its own. */
export function ipv6Subnet({ offices }: NetworkPlan, office: string): string {
  return `${lan(offices.findIndex(({ name }) => name === office))}::/64`;
}

/** Lets every router and computer speak IPv6 too, and those of one office nothing else. */
export async function addIpv6(network: Network, only: string): Promise<void> {
  for (const [number, office] of network.offices.entries()) {
    await speakIpv6(office.router);
    await runIn(office.router, "sysctl", ["-q", "-w", "net.ipv6.conf.all.forwarding=1"]);
    await runIp(office.router, [`address add ${lan(number)}::1/64 dev lan nodad`]);
    await addLink(network, office);
    const hosts = number === 0 ? [network.server, ...office.devices] : office.devices;
    for (const host of hosts) await addHost(network, host, office.name === only);
  }
}

async function addLink({ offices }: Network, { name, link }: Office): Promise<void> {
  if (link === undefined) return;
  const number = offices.findIndex((office) => office.name === name);
  const { above, below } = link;
  await runIp(above.namespace, [`address add ${wan(number)}::1/64 dev ${above.device} nodad`]);
  await runIp(below.namespace, [
    `address add ${wan(number)}::2/64 dev ${below.device} nodad`,
    `route add default via ${wan(number)}::1`,
  ]);
  let at: Office | undefined = offices[number];
  while (at?.link !== undefined) {
    const via = `${wan(offices.indexOf(at))}::2`;
    await runIp(at.link.above.namespace, [`route add ${lan(number)}::/64 via ${via}`]);
    const { parent } = at;
    at = offices.find((office) => office.name === parent);
  }
}

async function addHost(network: Network, host: Host, only: boolean): Promise<void> {
  const { namespace } = host;
  const number = network.offices.findIndex(({ name }) => name === host.office);
  // Before it has addresses of IPv6 that would go with those of IPv4.
  if (only) await runIp(namespace, [`address flush dev ${HOST_DEVICE}`]);
  await speakIpv6(namespace);
  await runIp(namespace, [
    `address add ${lan(number)}::${placeOf(host)}/64 dev ${HOST_DEVICE} nodad`,
    `route add default via ${lan(number)}::1`,
  ]);
}

/** Turns IPv6 on; nobody else could have our addresses, so nobody is asked. */
async function speakIpv6(namespace: string): Promise<void> {
  const settings = ["all", "default"].flatMap((which) => [
    `net.ipv6.conf.${which}.accept_dad=0`,
    `net.ipv6.conf.${which}.disable_ipv6=0`,
  ]);
  await runIn(namespace, "sysctl", ["-q", "-w", ...settings]);
}

const placeOf = ({ address }: Host): string => address.slice(address.lastIndexOf(".") + 1);
