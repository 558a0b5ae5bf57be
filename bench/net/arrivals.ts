import { waitAtMost } from "../organisation/waiting.ts";
import type { Stage } from "../stage.ts";
import { runIn } from "./commands.ts";
import type { Host, Network, Office } from "./network.ts";

/** Less than this from devices elsewhere is talk, not pieces. */
const PIECES_BYTES = 64 * 1024;

/** How often is looked, in milliseconds. */
const LOOK_MS = 50;

/** What came to a device over its office's link, and how long it took. */
export type Arrival = { readonly device: string; readonly seconds: number };

/**
 * Counts what arrives over the link of an office for each of its devices, from devices elsewhere:
 * on the wire, behind everything that may be cut, and without the server's talk.
 */
export class Arrivals {
  readonly #router: string;

  /** Counts from now on. */
  static async at({ router, devices }: Office, { server }: Network): Promise<Arrivals> {
    const counters = devices.map(({ name }) => `counter ${nameOf(name)} { }`);
    const rules = devices.map(({ name, address }: Host) => {
      const which = `iifname "uplink" ip saddr != ${server.address} ip daddr ${address}`;
      return `${which} counter name "${nameOf(name)}"`;
    });
    const chain = ["chain c {", "type filter hook forward priority 10;", ...rules, "}"];
    const table = [`table inet ${TABLE} {`, ...counters, ...chain, "}", ""].join("\n");
    await runIn(router, "nft", ["-f", "-"], table);
    return new Arrivals(router);
  }

  private constructor(router: string) {
    this.#router = router;
  }

  /** Bytes by the name of the device. */
  async read(): Promise<ReadonlyMap<string, number>> {
    const args = ["-j", "list", "counters", "table", "inet", TABLE];
    const { nftables } = JSON.parse(await runIn(this.#router, "nft", args)) as Listing;
    return new Map(
      nftables.flatMap(({ counter }) =>
        counter === undefined ? [] : [[counter.name.replaceAll("_", "-"), counter.bytes] as const],
      ),
    );
  }

  /**
   * Waits until pieces arrive for another device than the excepted one.
   *
   * @returns Which, and the time since the call; `undefined` where none came within `patienceMs`.
   */
  async next(
    stage: Stage,
    { patienceMs, except = "" }: { readonly patienceMs: number; readonly except?: string },
  ): Promise<Arrival | undefined> {
    const startedMs = performance.now();
    const before = await this.read();
    const look = async (): Promise<Arrival | undefined> => {
      for (const [device, bytes] of await this.read()) {
        if (device === except || bytes - (before.get(device) ?? 0) < PIECES_BYTES) continue;
        return { device, seconds: (performance.now() - startedMs) / 1000 };
      }
      return undefined;
    };
    return await waitAtMost(look, { signal: stage.signal, patienceMs, lookMs: LOOK_MS });
  }
}

const TABLE = "arrivals";

type Listing = {
  readonly nftables: readonly {
    readonly counter?: { readonly name: string; readonly bytes: number };
  }[];
};

/** `nft` takes no hyphens in names. */
const nameOf = (device: string): string => device.replaceAll("-", "_");
