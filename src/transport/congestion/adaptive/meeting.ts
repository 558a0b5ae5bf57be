import { BURST_TRIES, GREETINGS, PAIR_PACKETS, RATE_MAX } from "./constants.ts";
import type { LineView } from "./line-view.ts";
import type { Step } from "./step.ts";
import { burstPackets, burstRate } from "./verdicts.ts";

/** What comes next: a burst of so many packets, a train, or a start from next to nothing. */
export type Next =
  | { readonly kind: "pair" | "burst"; readonly packets: number }
  | { readonly kind: "train" }
  | { readonly kind: "start" };

const PAIR: Next = { kind: "pair", packets: PAIR_PACKETS };

/** How a line is met of which nothing is known: by answers, then by bursts that show its rate. */
export class Meeting {
  #tries = 0;

  /** The first answers have come, and say how steady the path is. */
  greet(line: LineView): Next {
    line.noise.meet(line.samples.slice(-GREETINGS));
    return line.noise.isRough ? this.#giveUp() : PAIR;
  }

  /** A burst has arrived: it says how fast the line is, or does not. */
  judge(burst: Step, line: LineView): Next {
    const rate = burstRate(burst, line.samples);
    if (rate === undefined) {
      this.#tries += 1;
      return this.#tries < BURST_TRIES ? PAIR : this.#giveUp();
    }
    line.capacity = Math.min(RATE_MAX, rate);
    if (burst.kind === "pair") return { kind: "burst", packets: burstPackets(line.capacity) };
    this.#tries = 0;
    return { kind: "train" };
  }

  #giveUp(): Next {
    this.#tries = 0;
    return { kind: "start" };
  }
}
