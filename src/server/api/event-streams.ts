import { EVENT_TOPICS, type EventTopic, type EventView } from "../../api/event-schemas.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { Caller, PageAnswer, PageSink } from "../../runtime/http/route.ts";
import { EventLog, type LoggedEvent } from "./event-log.ts";

/** How often a stream on which nothing happens shows that it is alive, in milliseconds. */
const HEARTBEAT_MS = 15_000;

/** A reader that has not taken this many bytes is cut off: it may come back and ask for the rest. */
const BACKLOG_BYTES_MAX = 1024 * 1024;

/** Most streams at once. */
export const STREAMS_MAX = 500;

type Reader = {
  readonly topics: ReadonlySet<EventTopic>;
  readonly caller: Caller;
  readonly sink: PageSink;
};

/** The streams of events that are being read. */
export class EventStreams {
  readonly #log: EventLog;
  readonly #readers = new Set<Reader>();
  readonly #heartbeat: NodeJS.Timeout;

  constructor(epoch: number) {
    this.#log = new EventLog(epoch);
    this.#heartbeat = setInterval(() => {
      for (const reader of this.#readers) this.#write(reader, ": alive\n\n");
    }, HEARTBEAT_MS).unref();
  }

  /** How many are read now. */
  get count(): number {
    return this.#readers.size;
  }

  /** Tells all who read its topic. */
  tell(event: EventView): void {
    const logged = this.#log.add(event);
    for (const reader of this.#readers) this.#tell(reader, logged);
  }

  /**
   * Opens a stream: with what was missed where `lastId` is known, else with `reload`, which tells the
   * reader to read anew whatever it shows.
   *
   * @throws RequestRefused `too-many-streams`.
   */
  open(asked: {
    readonly topics: string | undefined;
    readonly lastId: string | undefined;
    readonly caller: Caller;
  }): PageAnswer {
    if (this.#readers.size >= STREAMS_MAX) {
      const detail = `${STREAMS_MAX} streams of events are being read already: close some.`;
      throw new RequestRefused(503, "too-many-streams", detail, {}, { "retry-after": "30" });
    }
    const { topics, lastId, caller } = asked;
    const wanted = topics?.split(",") ?? EVENT_TOPICS;
    return {
      open: (sink) => {
        const reader = { topics: new Set(wanted as readonly EventTopic[]), caller, sink };
        this.#readers.add(reader);
        this.#begin(reader, lastId);
        return () => this.#readers.delete(reader);
      },
    };
  }

  /** Ends all streams. */
  close(): void {
    clearInterval(this.#heartbeat);
    for (const { sink } of this.#readers) sink.cut();
    this.#readers.clear();
  }

  #begin(reader: Reader, lastId: string | undefined): void {
    const missed = lastId === undefined ? [] : this.#log.after(lastId);
    const length =
      typeof missed === "string" ? 0 : missed.reduce((sum, { text }) => sum + text.length, 0);
    const say = (event: string, data: object): void => {
      const text = `id: ${this.#log.lastId}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
      this.#write(reader, text);
    };
    this.#write(reader, "retry: 2000\n\n");
    if (typeof missed === "string") {
      say("reload", { reason: missed });
    } else if (length > BACKLOG_BYTES_MAX / 2) {
      // Reading anew is less than all that, and a reader that is told too much at once is cut off.
      say("reload", { reason: "too-much" });
    } else {
      for (const event of missed) this.#tell(reader, event);
      say("ready", {});
    }
  }

  #tell(reader: Reader, { topic, text }: LoggedEvent): void {
    if (reader.topics.has(topic)) this.#write(reader, text);
  }

  #write(reader: Reader, text: string): void {
    const { caller, sink } = reader;
    const isGood = caller.kind === "local" || caller.isGood();
    if (isGood && sink.backlogBytes() <= BACKLOG_BYTES_MAX) {
      sink.write(text);
      return;
    }
    this.#readers.delete(reader);
    sink.cut();
  }
}
