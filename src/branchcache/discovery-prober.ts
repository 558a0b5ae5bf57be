import { toHex } from "../base/hex.ts";
import { unreachable } from "../base/invariant.ts";
import { type Due, type Machine, NEVER } from "../base/machine.ts";
import { MS } from "../base/units.ts";
import type { BranchCacheCrypto } from "./crypto.ts";
import { decodeDiscovery, type ProbeMatch, SEGMENTS_PER_PROBE } from "./discovery-decoder.ts";
import { encodeProbe, uuidUrn } from "./discovery-message.ts";
import type { Place } from "./holdings.ts";

/** What a prober is told. */
export type DiscoveryProberInput =
  | {
      readonly kind: "ask";
      /** Comes back with what is found. */
      readonly question: number;
      readonly version: 1 | 2;
      /** At most {@link SEGMENTS_PER_PROBE}. */
      readonly segmentIds: readonly Uint8Array[];
    }
  | { readonly kind: "datagram"; readonly bytes: Uint8Array; readonly from: Place }
  | { readonly kind: "timer" };

/** What a prober has found out or wants sent. */
export type DiscoveryProberOutput =
  /** To both groups, from the socket on which answers are taken. */
  | { readonly kind: "multicast"; readonly bytes: Uint8Array }
  | {
      readonly kind: "found";
      readonly question: number;
      readonly place: Place;
      /** By their place in the question. */
      readonly segments: readonly { readonly index: number; readonly isComplete: boolean }[];
    }
  /** Nobody more is waited for. */
  | { readonly kind: "ended"; readonly question: number };

/** How a prober waits. */
export type ProberLimits = {
  /** How long answers are waited for (MS-PCCRD 3.1.2: 200 to 500 ms). */
  readonly waitUs: number;
  /** Whether a place that an answer names may be connected to: only what lies in our subnets. */
  isLocal(place: Place, from: Place): boolean;
};

/** How long Windows waits for answers. */
export const PROBE_WAIT_US: number = 300 * MS;

/** A probe that nobody has answered after this time is sent once more (PD14). */
export const PROBE_AGAIN_US: number = 150 * MS;

/** How many answers to one question are read (PD15). */
export const ANSWERS_PER_QUESTION = 64;

type Question = {
  readonly question: number;
  readonly version: 1 | 2;
  readonly messageId: string;
  readonly segmentIds: readonly Uint8Array[];
  readonly againUs: number;
  readonly endUs: number;
  readonly bytes: Uint8Array;
  wasRepeated: boolean;
  answers: number;
};

/** Asks the subnet who has segments (PD14 to PD16). */
export class DiscoveryProber implements Machine<DiscoveryProberInput, DiscoveryProberOutput[]> {
  readonly #crypto: BranchCacheCrypto;
  readonly #limits: ProberLimits;
  /** By message id. */
  readonly #questions = new Map<string, Question>();

  constructor(crypto: BranchCacheCrypto, limits: ProberLimits) {
    this.#crypto = crypto;
    this.#limits = limits;
  }

  step(nowUs: number, input: DiscoveryProberInput, outbox: DiscoveryProberOutput[]): void {
    switch (input.kind) {
      case "ask":
        this.#onAsk(nowUs, input, outbox);
        break;
      case "datagram":
        this.#onDatagram(input, outbox);
        break;
      case "timer":
        this.#onTimer(nowUs, outbox);
        break;
      default:
        unreachable(input);
    }
  }

  due(): Due {
    let atUs = Number.POSITIVE_INFINITY;
    for (const question of this.#questions.values()) {
      const mayRepeat = !question.wasRepeated && question.answers === 0;
      atUs = Math.min(atUs, mayRepeat ? question.againUs : question.endUs, question.endUs);
    }
    return Number.isFinite(atUs) ? { atUs, reason: "probe" } : NEVER;
  }

  #onAsk(
    nowUs: number,
    {
      question,
      version,
      segmentIds,
    }: {
      readonly question: number;
      readonly version: 1 | 2;
      readonly segmentIds: readonly Uint8Array[];
    },
    outbox: DiscoveryProberOutput[],
  ): void {
    const asked = segmentIds.slice(0, SEGMENTS_PER_PROBE);
    const messageId = uuidUrn(this.#crypto.randomBytes(16));
    const bytes = encodeProbe({ version, messageId, segmentIds: asked });
    this.#questions.set(messageId, {
      question,
      version,
      messageId,
      segmentIds: asked,
      againUs: nowUs + PROBE_AGAIN_US,
      endUs: nowUs + this.#limits.waitUs,
      bytes,
      wasRepeated: false,
      answers: 0,
    });
    outbox.push({ kind: "multicast", bytes });
  }

  #onDatagram(
    { bytes, from }: { readonly bytes: Uint8Array; readonly from: Place },
    outbox: DiscoveryProberOutput[],
  ): void {
    // While nothing is asked, nothing is read.
    if (this.#questions.size === 0) return;
    const message = decodeDiscovery(bytes);
    if (message?.kind !== "matches") return;
    const question = this.#questions.get(message.relatesTo);
    if (question === undefined || question.answers >= ANSWERS_PER_QUESTION) return;
    question.answers += 1;
    for (const match of message.matches) {
      const place = match.places.find((one) => this.#limits.isLocal(one, from));
      const segments = foundBy(question, match);
      if (place === undefined || segments.length === 0) continue;
      outbox.push({ kind: "found", question: question.question, place, segments });
    }
  }

  #onTimer(nowUs: number, outbox: DiscoveryProberOutput[]): void {
    for (const question of this.#questions.values()) {
      if (question.endUs <= nowUs) {
        this.#questions.delete(question.messageId);
        outbox.push({ kind: "ended", question: question.question });
        continue;
      }
      const isSilent = !question.wasRepeated && question.answers === 0;
      if (!isSilent || question.againUs > nowUs) continue;
      question.wasRepeated = true;
      outbox.push({ kind: "multicast", bytes: question.bytes });
    }
  }
}

/** Which of the segments asked for somebody has. What nobody asked for is ignored. */
function foundBy(
  question: Question,
  match: ProbeMatch,
): readonly { readonly index: number; readonly isComplete: boolean }[] {
  if (match.version !== question.version) return [];
  if (match.version === 2) {
    return question.segmentIds.flatMap((_, index) => {
      const bits = match.bits[index];
      return bits?.some === true ? [{ index, isComplete: bits.all }] : [];
    });
  }
  const indexes = new Map(question.segmentIds.map((id, index) => [toHex(id), index]));
  return match.held.flatMap(({ segmentId }) => {
    const index = indexes.get(toHex(segmentId));
    return index === undefined ? [] : [{ index, isComplete: false }];
  });
}
