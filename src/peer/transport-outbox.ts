import { associationEffects } from "../effects/associations.ts";
import type { AssociationEvent, AssociationOutbox } from "../transport/association-types.ts";
import type { PeerOutbox } from "./contract.ts";

/** An agent's outbox as its associations see it, and what they have reported through it. */
export class TransportOutbox {
  readonly events: AssociationEvent[] = [];
  #outbox: PeerOutbox | undefined;
  #transport: AssociationOutbox | undefined;

  /** The transport's view of an outbox, which is the same one in almost every step. */
  of(outbox: PeerOutbox): AssociationOutbox {
    if (outbox === this.#outbox && this.#transport !== undefined) return this.#transport;
    this.#outbox = outbox;
    this.#transport = {
      ...associationEffects(outbox, outbox),
      report: (event) => this.events.push(event),
    };
    return this.#transport;
  }
}
