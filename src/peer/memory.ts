import { SECOND } from "../base/units.ts";
import { type Directory, decodeMessage, encodeMessage, type Message } from "../wire/messages.ts";
import type { Act, Core } from "./core.ts";

/** What the server says that a device knows over its restarts, by the name it is kept under. */
const KEPT = ["profile", "directory", "deployments", "policy"] as const;

type Kept = (typeof KEPT)[number];
type KeptMessage = Extract<Message, { readonly kind: Kept }>;

/** How often the directory, which changes with whoever comes and goes, is written at most. */
const WRITE_US = 2 * SECOND;

/**
 * The server's latest word, kept over restarts: with the server out of reach a device still knows
 * its office, its neighbours, what it is to have and where else that can be had (rows C6, D8).
 */
export class Memory {
  readonly #core: Core;
  #unwritten: Directory | undefined;
  #writeAtUs = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  /** What was kept before, in the order in which it is to be applied. */
  recall(): readonly KeptMessage[] {
    return KEPT.flatMap((name) => {
      const bytes = this.#core.options.remembered.get(name);
      const message = bytes && decodeMessage(bytes);
      return message?.kind === name ? [message as KeptMessage] : [];
    });
  }

  /** Keeps a message in place of the one before it. */
  keep(act: Act, message: KeptMessage): void {
    if (message.kind !== "directory") {
      act.outbox.remember(message.kind, encodeMessage(message));
      return;
    }
    this.#unwritten = message;
    this.onTick(act);
  }

  onTick(act: Act): void {
    if (this.#unwritten === undefined || act.nowUs < this.#writeAtUs) return;
    this.#writeAtUs = act.nowUs + WRITE_US;
    act.outbox.remember("directory", encodeMessage(this.#unwritten));
    this.#unwritten = undefined;
  }
}
