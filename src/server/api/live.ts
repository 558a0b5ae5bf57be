import type { Coordinator } from "../../coordinator/coordinator.ts";
import type { Change } from "../../coordinator/state.ts";
import type { ServerDatabase } from "../database.ts";
import { EventSource } from "./event-source.ts";
import { EventStreams } from "./event-streams.ts";
import { Metrics, type PackageFigures } from "./metrics.ts";
import { WebhookCaller } from "./webhook-call.ts";
import type { Webhooks } from "./webhooks.ts";

/** What the live part of the API stands on. */
export type LiveParts = {
  readonly coordinator: Coordinator;
  readonly database: ServerDatabase;
  readonly epoch: number;
  readonly packages: PackageFigures;
  /** Where webhooks may lead, and whom they may trust. */
  readonly webhooks: { readonly allow: readonly string[]; readonly authorities: readonly string[] };
  readonly onFault: (error: unknown) => void;
};

/** Everything by which others hear of what happens: streams of events, webhooks and figures. */
export class Live {
  readonly streams: EventStreams;
  readonly webhooks: Webhooks;
  readonly metrics: Metrics;
  readonly #source: EventSource;

  /** @throws OperatorError `webhook-authority`. */
  static async open(parts: LiveParts): Promise<Live> {
    const { coordinator, database, epoch, packages, onFault } = parts;
    const caller = await WebhookCaller.open(parts.webhooks);
    const streams = new EventStreams(epoch);
    const metrics = await Metrics.create({
      ...{ coordinator, epoch, packages, streams: () => streams.count },
    });
    const onAttempt = metrics.onDelivery.bind(metrics);
    const webhooks = await database.openWebhooks({ caller, onAttempt, onFault });
    return new Live(coordinator, { streams, webhooks, metrics });
  }

  private constructor(
    coordinator: Coordinator,
    parts: Pick<Live, "streams" | "webhooks" | "metrics">,
  ) {
    this.streams = parts.streams;
    this.webhooks = parts.webhooks;
    this.metrics = parts.metrics;
    this.#source = new EventSource(coordinator, Date.now, (event) => {
      this.streams.tell(event);
      this.webhooks.onEvent(event);
    });
  }

  /** Takes in what has just become durable. */
  onChanges(changes: readonly Change[]): void {
    this.#source.onChanges(changes);
  }

  /** Ends all streams and begins no delivery any more. */
  async close(): Promise<void> {
    this.#source.close();
    this.streams.close();
    await this.webhooks.close();
  }
}
