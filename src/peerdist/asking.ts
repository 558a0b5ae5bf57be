import {
  DiscoveryProber,
  type DiscoveryProberInput,
  type DiscoveryProberOutput,
  PROBE_WAIT_US,
} from "../branchcache/discovery-prober.ts";
import type { Place } from "../branchcache/holdings.ts";
import { Driver } from "../runtime/driver.ts";
import { AskingSockets } from "./multicast.ts";
import { branchCacheCrypto } from "./node-crypto.ts";
import { addressBeside, ownAddresses } from "./subnets.ts";

/** What is found out about a question. */
export type OnDiscovery = (
  output: Exclude<DiscoveryProberOutput, { readonly kind: "multicast" }>,
) => void;

/** Asks the subnet who has segments: the prober with its sockets. */
export class Asking {
  readonly #sockets: AskingSockets;
  readonly #driver: Driver<DiscoveryProberInput, DiscoveryProberOutput[]>;
  /** The network of each link-local address that has answered, which its answer does not name. */
  readonly #scopes: Map<string, string>;

  private constructor(
    sockets: AskingSockets,
    driver: Driver<DiscoveryProberInput, DiscoveryProberOutput[]>,
    scopes: Map<string, string>,
  ) {
    this.#sockets = sockets;
    this.#driver = driver;
    this.#scopes = scopes;
  }

  static async start(
    where: { readonly port: number; readonly address?: string | undefined },
    onDiscovery: OnDiscovery,
  ): Promise<Asking> {
    const outbox: DiscoveryProberOutput[] = [];
    const scopes = new Map<string, string>();
    const machine = new DiscoveryProber(branchCacheCrypto, {
      waitUs: PROBE_WAIT_US,
      isLocal: (place, from) => isLocal(place, from, where.address),
    });
    let sockets: AskingSockets | undefined;
    const driver = new Driver(machine, outbox, { timer: { kind: "timer" } as const }, () => {
      for (const output of outbox.splice(0)) {
        if (output.kind === "multicast") sockets?.multicast(output.bytes);
        else onDiscovery(output);
      }
    });
    sockets = await AskingSockets.open(where, (bytes, from) => {
      const [plain = "", scope] = from.host.split("%");
      if (scope !== undefined && scopes.size < SCOPES_MAX) scopes.set(plain, scope);
      driver.input({ kind: "datagram", bytes, from });
    });
    return new Asking(sockets, driver, scopes);
  }

  ask(question: Extract<DiscoveryProberInput, { readonly kind: "ask" }>): void {
    this.#driver.input(question);
  }

  /** Where a place that was found can be connected to. */
  reachable(place: Place): Place {
    const scope = this.#scopes.get(place.host);
    return scope === undefined ? place : { ...place, host: `${place.host}%${scope}` };
  }

  stop(): void {
    this.#driver.stop();
    this.#sockets.close();
  }
}

/** More neighbours than any network has that are asked for one file. */
const SCOPES_MAX = 1_024;

/** Whether a place is where the answer came from, or in a subnet of ours (PD16). */
function isLocal(place: Place, from: Place, only: string | undefined): boolean {
  if (place.host === from.host.split("%")[0]) return true;
  return addressBeside(ownAddresses(only), place.host) !== undefined;
}
