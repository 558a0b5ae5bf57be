import type { CoordinatorOutbox } from "../coordinator/contract.ts";
import type { Change } from "../coordinator/state.ts";
import { OperatorError } from "../runtime/operator-error.ts";

/** Most changes and deliveries that wait for a database which is away; some hundred megabytes. */
export const WAITING_MAX = 250_000;

/** Where what the coordinator wants goes, once what it stands on is durable. */
export type Deliveries = Omit<CoordinatorOutbox, "persist">;

/**
 * The coordinator's outbox in the real world: what a step says leaves only after the changes of
 * that step, and of all steps before it, are durable.
 *
 * Steps that come while a transaction runs share the next one.
 */
export class Committer {
  /** Handed to each step of the coordinator; `commit` must follow each. */
  readonly outbox: CoordinatorOutbox;
  readonly #apply: (changes: readonly Change[]) => Promise<void>;
  readonly #onFailure: (error: unknown) => void;
  #changes: Change[] = [];
  #deliveries: (() => void)[] = [];
  #running: Promise<void> | undefined;
  /** A transaction runs, or something is being delivered: what comes now waits its turn. */
  #busy = false;
  #failed = false;

  /** @param onFailure - Called once; nothing is delivered from then on: the server must stop. */
  constructor(
    apply: (changes: readonly Change[]) => Promise<void>,
    deliveries: Deliveries,
    onFailure: (error: unknown) => void,
  ) {
    this.#apply = apply;
    this.#onFailure = onFailure;
    const later = (deliver: () => void): void => {
      this.#deliveries.push(deliver);
    };
    this.outbox = {
      persist: (change) => {
        this.#changes.push(change);
      },
      send: (association, message) => later(() => deliveries.send(association, message)),
      close: (association, code, reason) =>
        later(() => deliveries.close(association, code, reason)),
      requestEnrolment: (association, request) =>
        later(() => deliveries.requestEnrolment(association, request)),
      judgeManifest: (association, contentId, manifest) =>
        later(() => deliveries.judgeManifest(association, contentId, manifest)),
      readManifest: (association, contentId) =>
        later(() => deliveries.readManifest(association, contentId)),
      note: (note) => later(() => deliveries.note(note)),
      answer: (requestNumber, answer) => later(() => deliveries.answer(requestNumber, answer)),
    };
  }

  /** Makes durable and delivers what has come since; at once where nothing is to be written. */
  commit(): void {
    if (this.#changes.length + this.#deliveries.length > WAITING_MAX) this.#fail(tooMuchWaits());
    if (this.#failed || this.#busy) return;
    this.#busy = true;
    while (this.#changes.length === 0 && this.#deliveries.length > 0) {
      this.#deliver(this.#deliveries.splice(0));
    }
    this.#busy = this.#changes.length > 0;
    if (!this.#busy) return;
    this.#running = this.#run().finally(() => {
      this.#busy = false;
      this.#running = undefined;
    });
  }

  /** Waits until everything that has come is durable and delivered. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#changes.length > 0 || this.#deliveries.length > 0) {
      const changes = this.#changes.splice(0);
      const deliveries = this.#deliveries.splice(0);
      try {
        if (changes.length > 0) await this.#apply(changes);
      } catch (error) {
        this.#fail(error);
        return;
      }
      this.#deliver(deliveries);
    }
  }

  #fail(error: unknown): void {
    this.#changes = [];
    this.#deliveries = [];
    if (this.#failed) return;
    this.#failed = true;
    this.#onFailure(error);
  }

  #deliver(deliveries: readonly (() => void)[]): void {
    for (const deliver of deliveries) deliver();
  }
}

function tooMuchWaits(): OperatorError {
  const sentence =
    "The database has been away for so long that no more changes can wait for it: bring it up, " +
    "and start the server. Nothing is lost that was confirmed.";
  return new OperatorError("database-away", sentence);
}
