import type { IncomingMessage, ServerResponse } from "node:http";
import { REQUEST_BYTES_MAX, RETRIEVAL_PATH } from "../branchcache/retrieval-limits.ts";
import {
  RetrievalServer,
  type RetrievalServerInput,
  type RetrievalServerOutput,
} from "../branchcache/retrieval-server.ts";
import { Driver } from "../runtime/driver.ts";
import type { BlockStore } from "./block-store.ts";
import { answerNothing, Exchanges, isPostTo, readBody } from "./exchanges.ts";
import { branchCacheCrypto } from "./node-crypto.ts";

/** Serves the blocks of a cache over HTTP: the retrieval protocol's machine with its sockets. */
export class BlockService {
  readonly #store: BlockStore;
  readonly #exchanges = new Exchanges();
  readonly #driver: Driver<RetrievalServerInput, RetrievalServerOutput[]>;
  readonly #outbox: RetrievalServerOutput[] = [];
  readonly #onServed: (bytes: number) => void;

  /** @param onServed - Told how many bytes of segments each answer has. */
  constructor(
    store: BlockStore,
    options: { readonly exchangesMax: number; onServed(bytes: number): void },
  ) {
    this.#store = store;
    this.#onServed = options.onServed;
    const machine = new RetrievalServer(branchCacheCrypto, store, {
      exchangesMax: options.exchangesMax,
    });
    this.#driver = new Driver(machine, this.#outbox, { timer: { kind: "timer" } }, () =>
      this.#drain(),
    );
    this.#driver.start();
  }

  /** Takes a request of the retrieval protocol; `false` where it is none. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    if (!isPostTo(request, RETRIEVAL_PATH)) return false;
    void this.#take(request, response);
    return true;
  }

  stop(): void {
    this.#driver.stop();
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await readBody(request, REQUEST_BYTES_MAX);
    if (bytes === undefined) {
      answerNothing(response, 400);
      return;
    }
    const exchange = this.#exchanges.begin(response, (gone) =>
      this.#driver.input({ kind: "gone", exchange: gone }),
    );
    this.#driver.input({ kind: "request", exchange, bytes });
  }

  #drain(): void {
    for (const output of this.#outbox.splice(0)) {
      switch (output.kind) {
        case "respond":
          this.#exchanges.respond(output.exchange, output.bytes);
          if (output.blockBytes > 0) this.#onServed(output.blockBytes);
          break;
        case "refuse":
          this.#exchanges.refuse(output.exchange);
          break;
        default:
          void this.#read(output);
      }
    }
  }

  async #read(
    asked: Extract<RetrievalServerOutput, { readonly kind: "read-block" }>,
  ): Promise<void> {
    const { exchange, segmentId, blockIndex } = asked;
    const block = await this.#store.read(segmentId, blockIndex);
    this.#driver.input({ kind: "block-read", exchange, ...(block && { block }) });
  }
}
