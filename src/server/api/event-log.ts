import type { EventTopic, EventView } from "../../api/event-schemas.ts";

/** An event in the log, written as it goes over a stream. */
export type LoggedEvent = {
  readonly number: number;
  readonly topic: EventTopic;
  readonly text: string;
};

/** Most events that are kept for those who come back. */
export const EVENTS_KEPT_MAX = 10_000;

/** Most characters of events that are kept. */
const TEXT_KEPT_MAX = 16 * 1024 * 1024;

/**
 * The last events of this start of the server, for readers who were away for a moment.
 *
 * The id of an event is `EPOCH-NUMBER`: numbers begin anew with each start, and the epoch says so.
 */
export class EventLog {
  readonly #epoch: number;
  readonly #kept: LoggedEvent[] = [];
  #textLength = 0;
  #last = 0;

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** The id of the newest event; before any, one that stands for the beginning. */
  get lastId(): string {
    return this.#id(this.#last);
  }

  add(event: EventView): LoggedEvent {
    this.#last += 1;
    const number = this.#last;
    const { topic, kind } = event;
    const text = `id: ${this.#id(number)}\nevent: ${kind}\ndata: ${JSON.stringify(event)}\n\n`;
    const logged = { number, topic, text };
    this.#kept.push(logged);
    this.#textLength += text.length;
    while (this.#kept.length > EVENTS_KEPT_MAX || this.#textLength > TEXT_KEPT_MAX) {
      this.#textLength -= this.#kept.shift()?.text.length ?? 0;
    }
    return logged;
  }

  /** All events after the one of this id; why not, where some of them are not there any more. */
  after(id: string): readonly LoggedEvent[] | "unknown" | "restarted" | "too-long-ago" {
    const [, epoch, digits] = /^(\d{1,15})-(\d{1,15})$/.exec(id) ?? [];
    if (epoch === undefined) return "unknown";
    if (Number(epoch) !== this.#epoch) return "restarted";
    const number = Number(digits);
    if (number > this.#last) return "unknown";
    const first = this.#kept[0]?.number ?? this.#last + 1;
    if (number < first - 1) return "too-long-ago";
    return this.#kept.slice(number - first + 1);
  }

  #id(number: number): string {
    return `${this.#epoch}-${number}`;
  }
}
