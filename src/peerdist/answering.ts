import {
  DiscoveryResponder,
  type DiscoveryResponderInput,
  type DiscoveryResponderOutput,
} from "../branchcache/discovery-responder.ts";
import type { Holdings } from "../branchcache/holdings.ts";
import { Driver } from "../runtime/driver.ts";
import { ProbeSockets } from "./multicast.ts";
import { branchCacheCrypto } from "./node-crypto.ts";
import { addressBeside, ownAddresses } from "./subnets.ts";

/** Answers the subnet's probes for what a cache holds: the responder with its sockets. */
export class Answering {
  readonly #sockets: ProbeSockets;
  readonly #driver: Driver<DiscoveryResponderInput, DiscoveryResponderOutput[]>;

  private constructor(
    sockets: ProbeSockets,
    driver: Driver<DiscoveryResponderInput, DiscoveryResponderOutput[]>,
  ) {
    this.#sockets = sockets;
    this.#driver = driver;
  }

  /**
   * Begins to listen.
   *
   * @param options - `servePort`: where the cache's blocks are had.
   * @throws OperatorError where the port cannot be had.
   */
  static async start(
    holdings: Holdings,
    options: {
      readonly port: number;
      readonly address?: string | undefined;
      readonly servePort: number;
      onAnswered(): void;
    },
  ): Promise<Answering> {
    const outbox: DiscoveryResponderOutput[] = [];
    const machine = new DiscoveryResponder(branchCacheCrypto, holdings, {
      startedS: Math.floor(Date.now() / 1_000),
      seed: Buffer.from(branchCacheCrypto.randomBytes(4)).readUInt32LE(),
    });
    let sockets: ProbeSockets | undefined;
    const driver = new Driver(machine, outbox, { timer: { kind: "timer" } as const }, () => {
      for (const { to, bytes } of outbox.splice(0)) {
        sockets?.send(to, bytes);
        options.onAnswered();
      }
    });
    sockets = await ProbeSockets.open(options, (bytes, from) => {
      // Who is in no subnet of ours could not use the answer.
      const own = addressBeside(ownAddresses(options.address), from.host);
      if (own === undefined) return;
      const place = { host: own.address, port: options.servePort };
      driver.input({ kind: "datagram", bytes, from, own: place });
    });
    driver.start();
    return new Answering(sockets, driver);
  }

  stop(): void {
    this.#driver.stop();
    this.#sockets.close();
  }
}
