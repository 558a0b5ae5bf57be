import { concat } from "../base/bytes.ts";
import { MS, SECOND } from "../base/units.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { OriginFault, OriginInput, OriginRange } from "../effects/origin.ts";
import { originName } from "../swarm/origin-name.ts";
import type { SimPackage } from "./package.ts";

/** How an origin answers: well, with a fault, or with bytes that are not the package's. */
export type OriginConduct = "good" | "wrong-bytes" | OriginFault;

/** How long an origin takes to begin its answer. */
const ANSWER_US = 20 * MS;

/** Bytes a second that an origin sends to all together. */
const RATE = 5_000_000;

/** A CDN or a file storage in a simulated world, at one location. */
export class SimOrigin {
  readonly location: string;
  conduct: OriginConduct = "good";
  readonly #crypto: Pick<Crypto, "hmac">;
  readonly #packages = new Map<string, Uint8Array>();
  /** Every range that was asked for, by whom. */
  readonly asked: { readonly host: string; readonly range: OriginRange }[] = [];
  /** Bytes that were sent. */
  sentBytes = 0;
  #freeAtUs = 0;

  constructor(crypto: Pick<Crypto, "hmac">, location: string) {
    this.#crypto = crypto;
    this.location = location;
  }

  /** Puts a package there. */
  add({ contentId, pieces }: SimPackage): void {
    this.#packages.set(originName(this.#crypto, contentId), concat(pieces));
  }

  /** How long an answer takes, and what it is. */
  answer(
    asker: { readonly host: string; readonly ticket: number; readonly nowUs: number },
    range: OriginRange,
  ): { readonly delayUs: number; readonly input: OriginInput } {
    const { host, ticket, nowUs } = asker;
    this.asked.push({ host, range });
    const bytes = this.#packages.get(range.name);
    const end = range.offsetBytes + range.lengthBytes;
    const fault = this.#fault(bytes);
    if (fault !== undefined || bytes === undefined) {
      const problem = `${this.location}: ${fault}`;
      const input = { kind: "range-failed", ticket, fault: fault ?? "absent", problem } as const;
      return { delayUs: ANSWER_US, input };
    }
    const sent = bytes.slice(range.offsetBytes, end);
    if (this.conduct === "wrong-bytes") sent[0] = (sent[0] ?? 0) ^ 1;
    this.sentBytes += sent.length;
    const startUs = Math.max(nowUs + ANSWER_US, this.#freeAtUs);
    this.#freeAtUs = startUs + Math.ceil((sent.length * SECOND) / RATE);
    return {
      delayUs: this.#freeAtUs - nowUs,
      input: { kind: "range-fetched", ticket, bytes: sent },
    };
  }

  #fault(bytes: Uint8Array | undefined): OriginFault | undefined {
    if (this.conduct !== "good" && this.conduct !== "wrong-bytes") return this.conduct;
    return bytes === undefined ? "absent" : undefined;
  }
}
