import { Deadlines } from "../../base/deadlines.ts";
import type { Due } from "../../base/machine.ts";
import { SECOND } from "../../base/units.ts";

/** A level that changes by less than this part is not passed on. */
const CHANGE_MIN = 0.01;

/** How many pipes are looked at for one change: what is further away follows with its own changes. */
const PIPES_MAX = 24;

/** How often a level is reckoned anew until it no longer changes. */
const ROUNDS_MAX = 6;

/** What flows share: a line in one direction, or a device's port. */
export class Pipe {
  /** Bytes a second. */
  rate: number;
  /** What has flowed through. */
  carriedBytes = 0;
  readonly flows: Set<Flow> = new Set();
  /** What each flow here may have; those that have less elsewhere leave the rest to others. */
  levelRate: number;

  constructor(rate: number) {
    this.rate = rate;
    this.levelRate = rate;
  }
}

/** Bytes on their way through pipes. */
export type Flow = {
  readonly number: number;
  readonly pipes: readonly Pipe[];
  readonly done: (nowUs: number) => void;
  remainingBytes: number;
  rate: number;
  atUs: number;
};

/**
 * Pipes that flows share fairly, in place of packets (progressive filling, as in Bertsekas and
 * Gallager, "Data Networks", section 6.5.2): each pipe gives all of its flows the same, but for those
 * that get less elsewhere. Changes are passed on to a bounded number of other pipes.
 */
export class FairShare {
  readonly #flows = new Map<number, Flow>();
  readonly #deadlines = new Deadlines();
  #numbers = 0;

  /** When {@link step} is to be called. */
  due(): Due {
    return this.#deadlines.due();
  }

  /** Begins to carry bytes; `done` is called once the last has left the pipes. */
  start(
    nowUs: number,
    what: { readonly pipes: readonly Pipe[]; readonly bytes: number },
    done: (nowUs: number) => void,
  ): Flow {
    const { pipes, bytes } = what;
    const number = this.#numbers;
    this.#numbers += 1;
    const flow: Flow = { number, pipes, done, remainingBytes: bytes, rate: 0, atUs: nowUs };
    this.#flows.set(number, flow);
    for (const pipe of pipes) pipe.flows.add(flow);
    if (pipes.length === 0) this.#deadlines.set(number, { atUs: nowUs, reason: "flow" });
    else this.#level(nowUs, pipes);
    return flow;
  }

  /** Ends a flow before it is done; what it has carried counts. */
  stop(nowUs: number, flow: Flow): void {
    if (!this.#flows.delete(flow.number)) return;
    this.#progress(nowUs, flow);
    this.#leave(nowUs, flow);
  }

  /** The rate of a pipe has changed. */
  changed(nowUs: number, pipe: Pipe): void {
    this.#level(nowUs, [pipe]);
  }

  /** Ends the flows that have carried all. */
  step(nowUs: number): void {
    for (;;) {
      const number = this.#deadlines.takeExpired(nowUs);
      if (number === undefined) return;
      const flow = this.#flows.get(number);
      if (flow === undefined) continue;
      for (const pipe of flow.pipes) pipe.carriedBytes += flow.remainingBytes;
      this.#flows.delete(number);
      this.#leave(nowUs, flow);
      flow.done(nowUs);
    }
  }

  #leave(nowUs: number, flow: Flow): void {
    this.#deadlines.delete(flow.number);
    for (const pipe of flow.pipes) pipe.flows.delete(flow);
    this.#level(nowUs, flow.pipes);
  }

  #level(nowUs: number, changed: readonly Pipe[]): void {
    const queue = [...changed];
    const touched = new Set<Flow>();
    for (const pipe of queue) {
      const before = pipe.levelRate;
      pipe.levelRate = levelOf(pipe);
      for (const flow of pipe.flows) touched.add(flow);
      const isNews = Math.abs(pipe.levelRate - before) > CHANGE_MIN * before;
      if (isNews && queue.length < PIPES_MAX) queue.push(...sharedBeside(pipe));
    }
    for (const flow of touched) this.#plan(nowUs, flow);
  }

  #plan(nowUs: number, flow: Flow): void {
    let rate = Number.POSITIVE_INFINITY;
    for (const pipe of flow.pipes) rate = Math.min(rate, pipe.levelRate);
    if (Math.abs(rate - flow.rate) <= CHANGE_MIN * flow.rate && flow.rate > 0) return;
    this.#progress(nowUs, flow);
    flow.rate = rate;
    const atUs = nowUs + Math.ceil((flow.remainingBytes * SECOND) / rate);
    this.#deadlines.set(flow.number, { atUs, reason: "flow" });
  }

  #progress(nowUs: number, flow: Flow): void {
    const bytes = Math.min(flow.remainingBytes, (flow.rate * (nowUs - flow.atUs)) / SECOND);
    for (const pipe of flow.pipes) pipe.carriedBytes += bytes;
    flow.remainingBytes -= bytes;
    flow.atUs = nowUs;
  }
}

/** What each flow of a pipe may have, given what each gets elsewhere. */
function levelOf({ rate, flows }: Pipe): number {
  let level = rate / Math.max(1, flows.size);
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    let [left, sharing] = [rate, 0];
    for (const flow of flows) {
      const elsewhere = limitElsewhere(flow, flows);
      if (elsewhere < level) left -= elsewhere;
      else sharing += 1;
    }
    const next = sharing === 0 ? rate : left / sharing;
    if (next <= level * (1 + CHANGE_MIN)) break;
    level = next;
  }
  return level;
}

/** The other pipes of the flows of one. Who shares with nobody leaves nothing to anybody. */
function sharedBeside(pipe: Pipe): readonly Pipe[] {
  const beside: Pipe[] = [];
  for (const flow of pipe.flows) {
    for (const other of flow.pipes) {
      if (other !== pipe && other.flows.size > 1) beside.push(other);
    }
  }
  return beside;
}

/** The least that a flow may have in its pipes, but for the one whose flows these are. */
function limitElsewhere(flow: Flow, here: ReadonlySet<Flow>): number {
  let limit = Number.POSITIVE_INFINITY;
  for (const pipe of flow.pipes) {
    if (pipe.flows !== here) limit = Math.min(limit, pipe.levelRate);
  }
  return limit;
}
