import { type Static, Type } from "typebox";
import { AtMs, Count } from "./common.ts";
import { MilestoneKind } from "./event-schemas.ts";
import { exact } from "./route.ts";
import { UuidText } from "./token-schemas.ts";

const webhookFields = {
  webhookId: UuidText,
  url: Type.String(),
  /** Of which events it is told. */
  kinds: Type.Array(MilestoneKind),
  createdAtMs: AtMs,
};

/** Somebody who is told of what happens. */
export const WebhookView = exact(webhookFields);

/** Somebody who is to be told. */
export const WebhookInput = exact({
  url: Type.String({ minLength: 1, maxLength: 2_048 }),
  /** Absent: of all. */
  kinds: Type.Optional(Type.Array(MilestoneKind, { minItems: 1, maxItems: 16, uniqueItems: true })),
});

/** A new webhook; this is the only time that its secret is shown. */
export const WebhookMade = exact({
  ...webhookFields,
  /** With what deliveries are signed. */
  secret: Type.String(),
});

/** How far a delivery is. */
export const DeliveryState = Type.Enum(["pending", "delivered", "failed"]);

/** One thing that a webhook was told, or is to be. */
export const DeliveryView = exact({
  deliveryId: UuidText,
  webhookId: UuidText,
  /** A kind of event, or `test`. */
  kind: Type.String(),
  state: DeliveryState,
  attempts: Count,
  createdAtMs: AtMs,
  /** When it is tried next; absent once it is over. */
  nextAtMs: Type.Optional(AtMs),
  finishedAtMs: Type.Optional(AtMs),
  /** How the last attempt went; empty before the first. */
  outcome: Type.String(),
});

export type WebhookView = Static<typeof WebhookView>;
export type DeliveryView = Static<typeof DeliveryView>;
