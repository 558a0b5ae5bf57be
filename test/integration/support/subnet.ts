import { spawnSync } from "node:child_process";
import { removeNamespace } from "./network-namespace.ts";

/** A computer on a LAN of its own: a network namespace, with one address. */
export type SubnetHost = { readonly namespace: string; readonly address: string };

/** Why there can be no namespaces here; `undefined` where there can. */
export function lackOfNamespaces(): string | undefined {
  if (process.platform !== "linux") return "needs the network namespaces of Linux";
  if (process.getuid?.() !== 0) return "needs root";
  return spawnSync("ip", ["-V"], { stdio: "ignore" }).error === undefined ? undefined : "needs ip";
}

/** A LAN: computers on one bridge, with nothing behind it. Its names carry our process id. */
export class Subnet {
  readonly hosts: readonly SubnetHost[];
  readonly #lan: string;

  /** @param count - How many computers, with the addresses 10.77.9.1 and on. */
  constructor(count: number) {
    this.#lan = `blt${process.pid}-lan`;
    addNamespace(this.#lan);
    ip(["-n", this.#lan, "link", "add", "lan", "type", "bridge"]);
    ip(["-n", this.#lan, "link", "set", "lan", "up"]);
    this.hosts = Array.from({ length: count }, (_, index) => this.#plug(index + 1));
  }

  /** Removes it with all that runs in it. */
  remove(): void {
    for (const { namespace } of this.hosts) removeNamespace(namespace);
    removeNamespace(this.#lan);
  }

  #plug(number: number): SubnetHost {
    const namespace = `blt${process.pid}-h${number}`;
    const address = `10.77.9.${number}`;
    const port = `port${number}`;
    addNamespace(namespace);
    const peer = ["peer", "name", "eth0", "netns", namespace];
    ip(["-n", this.#lan, "link", "add", port, "type", "veth", ...peer]);
    ip(["-n", this.#lan, "link", "set", port, "master", "lan", "up"]);
    ip(["-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0"]);
    ip(["-n", namespace, "link", "set", "eth0", "up"]);
    return { namespace, address };
  }
}

function addNamespace(name: string): void {
  ip(["netns", "add", name]);
  ip(["-n", name, "link", "set", "lo", "up"]);
}

function ip(args: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}
