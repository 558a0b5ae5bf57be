import { randomBytes, randomUUID } from "node:crypto";
import type { Kysely, Selectable } from "kysely";
import { type EventView, MILESTONES, type MilestoneKind } from "../../api/event-schemas.ts";
import type { DeliveryView, WebhookView } from "../../api/webhook-schemas.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { Tables } from "../schema.ts";
import type { WebhookCaller } from "./webhook-call.ts";

/** Most webhooks there may be. */
export const WEBHOOKS_MAX = 50;

/** Deliveries that are kept of each webhook, those included that are still to be made. */
export const DELIVERIES_KEPT = 1_000;

/** How long after each failed attempt the next one follows, in milliseconds; then it is given up. */
const BACK_OFF_MS = [10_000, 60_000, 300_000, 1_800_000, 7_200_000, 21_600_000] as const;

/** Most deliveries that are made at once. */
const AT_ONCE = 8;

type Webhook = WebhookView & { readonly secret: string };

type Row = Selectable<Tables["webhook_deliveries"]>;

/** What webhooks stand on. */
export type WebhookParts = {
  readonly database: Kysely<Tables>;
  readonly caller: Pick<WebhookCaller, "judge" | "call">;
  readonly onAttempt: (outcome: "delivered" | "failed") => void;
  /** Told of mistakes of ours and of the database. */
  readonly onFault: (error: unknown) => void;
};

/**
 * Tells others what happens: each milestone is written down for each webhook that wants it, and then
 * delivered, again and again with growing pauses. What is not delivered yet survives a restart.
 */
export class Webhooks {
  readonly #parts: WebhookParts;
  readonly #webhooks = new Map<string, Webhook>();
  readonly #running = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  /** Reads what there is, and goes on with what is still to be delivered. */
  static async open(parts: WebhookParts): Promise<Webhooks> {
    const webhooks = new Webhooks(parts);
    const rows = await parts.database.selectFrom("webhooks").selectAll().execute();
    for (const row of rows) {
      webhooks.#webhooks.set(row.webhook_id, {
        webhookId: row.webhook_id,
        url: row.url,
        kinds: JSON.parse(row.kinds_json) as MilestoneKind[],
        createdAtMs: row.created_at_ms,
        secret: row.secret,
      });
    }
    webhooks.#look();
    return webhooks;
  }

  private constructor(parts: WebhookParts) {
    this.#parts = parts;
  }

  /** All webhooks, the newest first; without their secrets. */
  list(): WebhookView[] {
    return [...this.#webhooks.values()]
      .map(shown)
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  }

  /** @throws RequestRefused `too-many-webhooks`; OperatorError where the URL may not be called. */
  async add(input: {
    readonly url: string;
    readonly kinds?: readonly MilestoneKind[];
  }): Promise<WebhookView & { readonly secret: string }> {
    if (this.#webhooks.size >= WEBHOOKS_MAX) {
      const detail = `There are ${WEBHOOKS_MAX} webhooks already: remove those that nobody needs.`;
      throw new RequestRefused(409, "too-many-webhooks", detail);
    }
    await this.#parts.caller.judge(input.url);
    const webhook: Webhook = {
      webhookId: randomUUID(),
      url: input.url,
      kinds: [...(input.kinds ?? MILESTONES)],
      createdAtMs: Date.now(),
      secret: `blw_${randomBytes(32).toString("base64url")}`,
    };
    await this.#parts.database
      .insertInto("webhooks")
      .values({
        webhook_id: webhook.webhookId,
        url: webhook.url,
        kinds_json: JSON.stringify(webhook.kinds),
        secret: webhook.secret,
        created_at_ms: webhook.createdAtMs,
      })
      .execute();
    this.#webhooks.set(webhook.webhookId, webhook);
    return webhook;
  }

  /** @throws RequestRefused `webhook-unknown`. */
  async remove(webhookId: string): Promise<WebhookView> {
    const webhook = this.#get(webhookId);
    this.#webhooks.delete(webhookId);
    await this.#parts.database.deleteFrom("webhooks").where("webhook_id", "=", webhookId).execute();
    return shown(webhook);
  }

  /** Calls a webhook once, now. @throws RequestRefused `webhook-unknown`. */
  async test(webhookId: string): Promise<DeliveryView> {
    const webhook = this.#get(webhookId);
    const deliveryId = await this.#write(
      webhook,
      "test",
      { kind: "test", atMs: Date.now() },
      "failed",
    );
    const row = await this.#row(deliveryId);
    if (row !== undefined) await this.#attempt(row, false);
    const after = await this.#row(deliveryId);
    if (after === undefined) throw unknown();
    return deliveryView(after);
  }

  /** What a webhook was told, and is to be told. @throws RequestRefused `webhook-unknown`. */
  async deliveries(webhookId: string): Promise<DeliveryView[]> {
    this.#get(webhookId);
    const rows = await this.#parts.database
      .selectFrom("webhook_deliveries")
      .selectAll()
      .where("webhook_id", "=", webhookId)
      .execute();
    return rows.map(deliveryView);
  }

  /** Has all who want to know told of an event. */
  onEvent(event: EventView): void {
    for (const webhook of this.#webhooks.values()) {
      if (!(webhook.kinds as readonly string[]).includes(event.kind)) continue;
      this.#write(webhook, event.kind, event, "pending").then(
        () => this.#look(),
        (error) => this.#parts.onFault(error),
      );
    }
  }

  /** Begins nothing new, and waits for what is being looked up. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #get(webhookId: string): Webhook {
    const webhook = this.#webhooks.get(webhookId);
    if (webhook === undefined) throw unknown();
    return webhook;
  }

  async #write(
    { webhookId }: Webhook,
    kind: string,
    event: object,
    state: "pending" | "failed",
  ): Promise<string> {
    const { database } = this.#parts;
    const deliveryId = randomUUID();
    const nowMs = Date.now();
    await database
      .insertInto("webhook_deliveries")
      .values({
        delivery_id: deliveryId,
        webhook_id: webhookId,
        kind,
        body: JSON.stringify({ deliveryId, webhookId, ...event }),
        state,
        attempts: 0,
        created_at_ms: nowMs,
        next_at_ms: nowMs,
        outcome: "",
      })
      .execute();
    const oldest = await database
      .selectFrom("webhook_deliveries")
      .select("created_at_ms")
      .where("webhook_id", "=", webhookId)
      .orderBy("created_at_ms", "desc")
      .limit(1)
      .offset(DELIVERIES_KEPT - 1)
      .executeTakeFirst();
    if (oldest !== undefined) {
      await database
        .deleteFrom("webhook_deliveries")
        .where("webhook_id", "=", webhookId)
        .where("created_at_ms", "<", oldest.created_at_ms)
        .execute();
    }
    return deliveryId;
  }

  /** Begins what is due, and looks again when the next one is. */
  #look(): void {
    this.#looking = this.#looking
      .then(() => this.#begin())
      .catch((error) => this.#parts.onFault(error));
  }

  async #begin(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const rows = await this.#parts.database
      .selectFrom("webhook_deliveries")
      .selectAll()
      .where("state", "=", "pending")
      .orderBy("next_at_ms")
      .orderBy("created_at_ms")
      .limit(2 * AT_ONCE)
      .execute();
    const nowMs = Date.now();
    const waiting = rows.filter(({ delivery_id }) => !this.#running.has(delivery_id));
    for (const row of waiting.filter(({ next_at_ms }) => next_at_ms <= nowMs)) {
      if (this.#running.size >= AT_ONCE) return;
      this.#running.add(row.delivery_id);
      void this.#attempt(row, true)
        .catch((error) => this.#parts.onFault(error))
        .finally(() => {
          this.#running.delete(row.delivery_id);
          this.#look();
        });
    }
    const later = waiting.find(({ next_at_ms }) => next_at_ms > nowMs);
    if (later !== undefined && !this.#closed) {
      this.#timer = setTimeout(() => this.#look(), later.next_at_ms - nowMs).unref();
    }
  }

  async #attempt(row: Row, again: boolean): Promise<void> {
    const webhook = this.#webhooks.get(row.webhook_id);
    if (webhook === undefined) return;
    const { url, secret } = webhook;
    const { delivery_id: deliveryId, kind, body } = row;
    const { ok, outcome } = await this.#parts.caller.call({ url, secret, deliveryId, kind, body });
    this.#parts.onAttempt(ok ? "delivered" : "failed");
    if (this.#closed) return;
    const attempts = row.attempts + 1;
    const nowMs = Date.now();
    const pauseMs = again && !ok ? BACK_OFF_MS[attempts - 1] : undefined;
    await this.#parts.database
      .updateTable("webhook_deliveries")
      .set({
        attempts,
        outcome,
        ...(pauseMs === undefined
          ? { state: ok ? "delivered" : "failed", finished_at_ms: nowMs }
          : { next_at_ms: nowMs + pauseMs }),
      })
      .where("delivery_id", "=", deliveryId)
      .execute();
  }

  #row(deliveryId: string): Promise<Row | undefined> {
    return this.#parts.database
      .selectFrom("webhook_deliveries")
      .selectAll()
      .where("delivery_id", "=", deliveryId)
      .executeTakeFirst();
  }
}

function shown({ secret: _, ...view }: Webhook): WebhookView {
  return view;
}

function deliveryView(row: Row): DeliveryView {
  return {
    deliveryId: row.delivery_id,
    webhookId: row.webhook_id,
    kind: row.kind,
    state: row.state as DeliveryView["state"],
    attempts: row.attempts,
    createdAtMs: row.created_at_ms,
    ...(row.state === "pending" ? { nextAtMs: row.next_at_ms } : {}),
    ...(row.finished_at_ms === null ? {} : { finishedAtMs: row.finished_at_ms }),
    outcome: row.outcome,
  };
}

function unknown(): RequestRefused {
  const detail = "There is no webhook of this id: list them to see which there are.";
  return new RequestRefused(404, "webhook-unknown", detail);
}
