import { readdirSync, readFileSync } from "node:fs";
import { removeNamespace } from "../../test/integration/support/network-namespace.ts";
import { run } from "./commands.ts";

/** Where `ip netns` keeps its names. */
const NAMES_FOLDER = "/run/netns";

/** What the names of our namespaces look like; the number is the process id of the bench. */
const NAME = /^blb(\d+)-/;

/** The network namespaces of one bench. Their names carry its process id: two never collide. */
export class Namespaces {
  readonly #made: string[] = [];

  /** Makes a namespace with its loopback up, and gives its full name. */
  async make(name: string): Promise<string> {
    const whole = `blb${process.pid}-${name}`;
    await run("ip", ["netns", "add", whole]);
    this.#made.push(whole);
    await run("ip", ["-n", whole, "link", "set", "lo", "up"]);
    return whole;
  }

  /** Kills whatever still runs in our namespaces, and removes them. For the end of the process. */
  removeAll(): void {
    for (const name of this.#made.splice(0)) removeNamespace(name);
  }
}

/** Removes what benches have left that could not tidy up. Gives the names of what was found. */
export function sweepNamespaces(): readonly string[] {
  const left = namespaceNames().filter((name) => {
    const pid = NAME.exec(name)?.[1];
    return pid !== undefined && !isBench(Number(pid));
  });
  for (const name of left) removeNamespace(name);
  return left;
}

/** Whether a process is a bench that runs: the id of a dead one may have gone to another program. */
export function isBench(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("bench/run.ts");
  } catch {
    return false;
  }
}

function namespaceNames(): readonly string[] {
  try {
    return readdirSync(NAMES_FOLDER);
  } catch {
    // Without the folder nobody has ever made one.
    return [];
  }
}
