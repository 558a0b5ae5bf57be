import { run, runIn } from "./commands.ts";
import { HOST_DEVICE, type Host, type Link } from "./network.ts";

/** Takes a fault back. */
export type Mend = () => Promise<void>;

/**
 * Cuts a link: nothing passes in either direction, and nobody is told. Packets vanish before the
 * queue that counts, as the link has not carried them.
 */
export async function cutLink({ above, below }: Link): Promise<Mend> {
  const ends = await Promise.all(
    [above, below].map((end) => addRules(end.namespace, [`oifname "${end.device}" drop`])),
  );
  return async () => {
    await Promise.all(ends.map((mend) => mend()));
  };
}

/** Keeps one computer from everything outside its LAN, which it goes on to reach. */
export async function cutUplinkOf(host: Host): Promise<Mend> {
  const rules = [`ip saddr ${host.address} drop`, `ip daddr ${host.address} drop`];
  return await addRules(host.router, rules);
}

/** Slows everything that a computer sends and gets, on the LAN too. */
export async function slowHost(host: Host, bytesPerS: number): Promise<Mend> {
  const ends = [
    { namespace: host.namespace, device: HOST_DEVICE },
    { namespace: host.router, device: host.port },
  ];
  for (const { namespace, device } of ends) {
    const rate = ["rate", `${bytesPerS * 8}bit`, "burst", "1600", "limit", "16000"];
    await run("tc", ["-n", namespace, "qdisc", "replace", "dev", device, "root", "tbf", ...rate]);
  }
  return async () => {
    for (const { namespace, device } of ends) {
      await run("tc", ["-n", namespace, "qdisc", "del", "dev", device, "root"]);
    }
  };
}

let faults = 0;

/** Adds rules for what a router passes on, in a table of their own. */
async function addRules(namespace: string, rules: readonly string[]): Promise<Mend> {
  faults += 1;
  const table = `fault${faults}`;
  const chain = ["type filter hook forward priority 0; policy accept;", ...rules].join("\n");
  await runIn(namespace, "nft", ["-f", "-"], `table inet ${table} { chain c {\n${chain}\n}\n}\n`);
  return async () => {
    await runIn(namespace, "nft", ["delete", "table", "inet", table]);
  };
}
