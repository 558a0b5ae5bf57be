import { toHex } from "../base/hex.ts";
import { type Due, type Machine, NEVER } from "../base/machine.ts";
import { Prng } from "../base/prng.ts";
import { MS } from "../base/units.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { decodeDiscovery } from "./discovery-decoder.ts";
import { encodeProbeMatches, type Holding, type Probe, uuidUrn } from "./discovery-message.ts";
import { type Holdings, type Place, placeText } from "./holdings.ts";

/** What a responder is told. */
export type DiscoveryResponderInput =
  | {
      readonly kind: "datagram";
      readonly bytes: Uint8Array;
      readonly from: Place;
      /** Where we serve, as the prober reaches it. */
      readonly own: Place;
    }
  | { readonly kind: "timer" };

/** A datagram to send to who has asked. */
export type DiscoveryResponderOutput = { readonly to: Place; readonly bytes: Uint8Array };

/** Every answer waits for 1 to this many milliseconds, so that not all come at once (PD10). */
export const ANSWER_DELAY_MS_MAX = 65;

/** How many answers may wait: who asks faster than that gets no more (PD13). */
export const ANSWERS_WAITING_MAX = 256;

/** How many of them for one host. */
export const ANSWERS_WAITING_PER_HOST = 32;

/** From so many others on, somebody more is of little use (PD12). */
const OTHERS_ENOUGH = 10;

/** How many of a hundred questions are answered then. */
const ANSWERED_PERCENT = 33;

type Waiting = {
  readonly key: string;
  readonly dueUs: number;
  readonly to: Place;
  readonly own: Place;
  readonly probe: Probe;
};

/** Answers probes for segments that a cache holds (PD8, PD10 to PD13). */
export class DiscoveryResponder
  implements Machine<DiscoveryResponderInput, DiscoveryResponderOutput[]>
{
  readonly #crypto: BranchCacheCrypto;
  readonly #holdings: Holdings;
  readonly #prng: Prng;
  readonly #instanceId: number;
  readonly #endpoint: string;
  #messages = 0;
  #waiting: Waiting[] = [];

  /** @param startedS - When the program started, in seconds since 1970. */
  constructor(
    crypto: BranchCacheCrypto,
    holdings: Holdings,
    start: { readonly startedS: number; readonly seed: number },
  ) {
    this.#crypto = crypto;
    this.#holdings = holdings;
    this.#prng = new Prng(start.seed);
    this.#instanceId = start.startedS;
    this.#endpoint = uuidUrn(crypto.randomBytes(16));
  }

  step(nowUs: number, input: DiscoveryResponderInput, outbox: DiscoveryResponderOutput[]): void {
    if (input.kind === "datagram") {
      this.#onDatagram(nowUs, input);
      return;
    }
    const ready = this.#waiting.filter(({ dueUs }) => dueUs <= nowUs);
    this.#waiting = this.#waiting.filter(({ dueUs }) => dueUs > nowUs);
    for (const one of ready) this.#answer(nowUs, one, outbox);
  }

  due(): Due {
    if (this.#waiting.length === 0) return NEVER;
    return { atUs: Math.min(...this.#waiting.map(({ dueUs }) => dueUs)), reason: "answer" };
  }

  #onDatagram(
    nowUs: number,
    { bytes, from, own }: { readonly bytes: Uint8Array; readonly from: Place; readonly own: Place },
  ): void {
    const ofHost = this.#waiting.filter(({ to }) => to.host === from.host).length;
    if (this.#waiting.length >= ANSWERS_WAITING_MAX || ofHost >= ANSWERS_WAITING_PER_HOST) return;
    const message = decodeDiscovery(bytes);
    if (message?.kind !== "probe") return;
    const { probe } = message;
    const key = `${placeText(from)} ${probe.messageId}`;
    // Asked again before it was answered: one answer is enough (PD11).
    if (this.#waiting.some((one) => one.key === key)) return;
    if (!this.#holdingsOf(nowUs, probe).some((holding) => holding !== undefined)) return;
    const dueUs = nowUs + MS * (1 + this.#prng.below(ANSWER_DELAY_MS_MAX));
    this.#waiting.push({ key, dueUs, to: from, own, probe });
  }

  /** Answers with what is held now, which may be less than when it was asked. */
  #answer(nowUs: number, { to, own, probe }: Waiting, outbox: DiscoveryResponderOutput[]): void {
    const holdings = this.#holdingsOf(nowUs, probe).map((holding) =>
      holding !== undefined && this.#isWanted(holding.segmentId) ? holding : undefined,
    );
    if (!holdings.some((holding) => holding !== undefined)) return;
    this.#messages += 1;
    const bytes = encodeProbeMatches({
      version: probe.version,
      messageId: uuidUrn(this.#crypto.randomBytes(16)),
      relatesTo: probe.messageId,
      endpoint: this.#endpoint,
      instanceId: this.#instanceId,
      messageNumber: this.#messages,
      address: placeText(own),
      holdings,
    });
    outbox.push({ to, bytes });
  }

  #holdingsOf(nowUs: number, probe: Probe): readonly (Holding | undefined)[] {
    return probe.segmentIds.map((segmentId) => {
      const held = this.#holdings.holdingOf(toHex(segmentId));
      if (held === undefined || held.heldBlocks === 0) return undefined;
      return {
        segmentId,
        blocks: held.heldBlocks,
        isComplete: held.heldBlocks === held.blockCount,
        ageUs: held.ageUs(nowUs),
      };
    });
  }

  /** Whether one more who has a segment is worth a message (PD12). */
  #isWanted(segmentId: Uint8Array): boolean {
    const others = this.#holdings.holdingOf(toHex(segmentId))?.others ?? { any: 0, complete: 0 };
    if (others.any < OTHERS_ENOUGH) return true;
    return others.complete < OTHERS_ENOUGH && this.#prng.below(100) < ANSWERED_PERCENT;
  }
}
