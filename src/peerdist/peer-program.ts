import { createServer, type Server } from "node:http";
import { Answering } from "./answering.ts";
import { BlockService } from "./block-service.ts";
import type { BlockStore } from "./block-store.ts";
import { answerNothing } from "./exchanges.ts";
import { closeHttp, listenHttp } from "./listening.ts";
import type { PeerSettings } from "./settings.ts";

/** How many exchanges a peer has at a time (MS-PCCRR 3.2.1). */
const EXCHANGES_MAX = 64;

/** A peer's open ears: it serves what its cache holds, and says so to whoever asks the subnet. */
export class PeerServing {
  readonly #server: Server;
  readonly #blocks: BlockService;
  readonly #answering: Answering | undefined;

  private constructor(server: Server, blocks: BlockService, answering: Answering | undefined) {
    this.#server = server;
    this.#blocks = blocks;
    this.#answering = answering;
  }

  /** Begins. @throws OperatorError where a port cannot be had; nothing is left open then. */
  static async start(
    store: BlockStore,
    settings: Pick<PeerSettings, "network" | "discovery">,
    told: { onServed(bytes: number): void; onAnswered(): void },
  ): Promise<PeerServing> {
    const { network, discovery } = settings;
    const blocks = new BlockService(store, { exchangesMax: EXCHANGES_MAX, ...told });
    const server = createServer((request, response) => {
      if (!blocks.handle(request, response)) answerNothing(response, 404);
    });
    await listenHttp(server, { ...network, setting: "network.port" });
    try {
      const answering = discovery.enabled
        ? await Answering.start(store, {
            port: discovery.port,
            address: network.address,
            servePort: network.port,
            onAnswered: told.onAnswered,
          })
        : undefined;
      return new PeerServing(server, blocks, answering);
    } catch (error) {
      await closeHttp(server);
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#answering?.stop();
    this.#blocks.stop();
    await closeHttp(this.#server);
  }
}
