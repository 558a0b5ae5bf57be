import { runIn, runIp } from "./commands.ts";
import { HOST_DEVICE, type Host, type Link, type LinkEnd, type Office } from "./network.ts";

/** The last number of the address that a computer has in the office it moves to. */
const MOVED_PLACE = 77;

/**
 * Plugs a computer into the LAN of another office, where it has another address. What runs on it
 * is told nothing.
 */
export async function moveHost(host: Host, office: Office): Promise<Host> {
  const { namespace, router, port } = host;
  const moved = `moved-${port}`;
  const lan = office.subnet.slice(0, office.subnet.lastIndexOf("."));
  const address = `${lan}.${MOVED_PLACE}`;
  await runIp(router, [
    `link set ${port} down`,
    `link set ${port} name ${moved}`,
    `link set ${moved} netns ${office.router}`,
  ]);
  await runIp(office.router, [`link set ${moved} master lan up`]);
  await runIp(namespace, [
    `address flush dev ${HOST_DEVICE}`,
    `address add ${address}/24 broadcast + dev ${HOST_DEVICE}`,
    `route replace default via ${lan}.1`,
  ]);
  return { ...host, office: office.name, address, router: office.router, port: moved };
}

/** Ports that a router of ours translates to; with each change it takes others. */
const FIRST_PORT = 20_000;
const PORTS = 1_000;

/** The networks of the addresses that a router has on its link, one after the other. */
const OUTSIDE = ["10.254.0", "10.254.1"] as const;

/** The name of the chain that counts what leaves with the translation that is in force. */
const COUNTER = "translated";

/** A router that hides its office behind its own address, as those at home and in small offices do. */
export class Translation {
  readonly #above: LinkEnd;
  readonly #below: LinkEnd;
  #changes = 0;

  /** The subnets that the hidden office is seen in. */
  static readonly subnets: readonly string[] = OUTSIDE.map((network) => `${network}.0/30`);

  /** Hides what is behind a link from now on. */
  static async begin({ above, below }: Link): Promise<Translation> {
    const translation = new Translation(above, below);
    await translation.#address(OUTSIDE[0]);
    await translation.#translate();
    return translation;
  }

  private constructor(above: LinkEnd, below: LinkEnd) {
    this.#above = above;
    this.#below = below;
  }

  /** The router forgets what it has translated and translates to other ports. */
  async changePorts(): Promise<void> {
    await this.#translate();
    // With an address the kernel forgets what was translated to it.
    await this.#address(OUTSIDE[0]);
  }

  /** The router has another address, and other ports. */
  async changeAddress(): Promise<void> {
    await this.#translate();
    await this.#address(OUTSIDE[1]);
  }

  /** How many packets have left under the translation that is in force. */
  async packets(): Promise<number> {
    const { namespace } = this.#below;
    const listed = await runIn(namespace, "nft", ["-j", "list", "counter", "ip", TABLE, COUNTER]);
    const { nftables } = JSON.parse(listed) as {
      readonly nftables: readonly { readonly counter?: { readonly packets: number } }[];
    };
    return nftables.find(({ counter }) => counter !== undefined)?.counter?.packets ?? 0;
  }

  async #translate(): Promise<void> {
    const first = FIRST_PORT + this.#changes * PORTS;
    const ports = `${first}-${first + PORTS - 1}`;
    this.#changes += 1;
    const { namespace, device } = this.#below;
    const out = `oifname "${device}" meta l4proto udp`;
    const table = [
      `table ip ${TABLE}`,
      `delete table ip ${TABLE}`,
      `table ip ${TABLE} {`,
      `counter ${COUNTER} { }`,
      "chain translate {",
      "type nat hook postrouting priority srcnat;",
      `${out} masquerade to :${ports} random`,
      "}",
      "chain count {",
      "type filter hook postrouting priority 300;",
      `${out} udp sport ${ports} counter name "${COUNTER}"`,
      "}",
      "}",
      "",
    ];
    await runIn(namespace, "nft", ["-f", "-"], table.join("\n"));
  }

  /** Takes every address off the router's end of the link and gives it this network's. */
  async #address(network: string): Promise<void> {
    const { namespace, device } = this.#above;
    await runIp(namespace, [`address replace ${network}.1/30 dev ${device}`]);
    await runIp(this.#below.namespace, [
      `address flush dev ${this.#below.device}`,
      `address add ${network}.2/30 dev ${this.#below.device}`,
      `route replace default via ${network}.1`,
    ]);
  }
}

const TABLE = "translation";
