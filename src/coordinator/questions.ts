import { type Due, NEVER } from "../base/machine.ts";
import { SECOND } from "../base/units.ts";
import type { ExplanationPart } from "../wire/messages.ts";
import type { CoordinatorOutbox, Question } from "./contract.ts";

/** How long a device may take to answer a question. */
export const ANSWER_US_MAX: number = 5 * SECOND;

/** Most questions that wait for an answer, of all devices and of one. */
export const QUESTIONS_MAX = 256;
export const QUESTIONS_OF_DEVICE_MAX = 4;

/** A question that a device has been asked. */
type Asked = {
  readonly requestNumber: number;
  readonly association: number;
  readonly untilUs: number;
};

/**
 * What operators want to know of devices.
 *
 * Each question is answered once: by the device, or with why it says nothing. What a device says
 * without having been asked is ignored.
 */
export class Questions {
  readonly #associationOf: (deviceId: string) => number | undefined;
  /** In the order in which they were asked, and so in which they expire. */
  readonly #asked = new Map<number, Asked>();
  #lastId = 0;

  /** @param associationOf - Over which association a device is heard; `undefined` where it is not. */
  constructor(associationOf: (deviceId: string) => number | undefined) {
    this.#associationOf = associationOf;
  }

  /** Asks a device. */
  ask(
    question: Question & { readonly requestNumber: number },
    nowUs: number,
    outbox: CoordinatorOutbox,
  ): void {
    const { requestNumber, deviceId, contentId, firstPiece } = question;
    const association = this.#associationOf(deviceId);
    if (association === undefined) {
      outbox.answer(requestNumber, { kind: "unexplained", why: "away" });
      return;
    }
    const ofDevice = [...this.#asked.values()].filter((one) => one.association === association);
    if (this.#asked.size >= QUESTIONS_MAX || ofDevice.length >= QUESTIONS_OF_DEVICE_MAX) {
      outbox.answer(requestNumber, { kind: "unexplained", why: "busy" });
      return;
    }
    this.#lastId = (this.#lastId + 1) % 2 ** 32;
    const untilUs = nowUs + ANSWER_US_MAX;
    this.#asked.set(this.#lastId, { requestNumber, association, untilUs });
    const questionId = this.#lastId;
    outbox.send(association, { kind: "explain", questionId, contentId, firstPiece });
  }

  /** Hands on what a device answers. */
  onAnswer(association: number, part: ExplanationPart, outbox: CoordinatorOutbox): void {
    const asked = this.#asked.get(part.questionId);
    if (asked?.association !== association) return;
    this.#asked.delete(part.questionId);
    outbox.answer(asked.requestNumber, { kind: "explained", part });
  }

  /** A device has gone, and will not answer. */
  forget(association: number, outbox: CoordinatorOutbox): void {
    for (const [questionId, asked] of this.#asked) {
      if (asked.association !== association) continue;
      this.#asked.delete(questionId);
      outbox.answer(asked.requestNumber, { kind: "unexplained", why: "away" });
    }
  }

  due(): Due {
    const [first] = this.#asked.values();
    return first === undefined ? NEVER : { atUs: first.untilUs, reason: "question" };
  }

  /** Gives up what has not been answered in time. */
  expire(nowUs: number, outbox: CoordinatorOutbox): void {
    for (const [questionId, { requestNumber, untilUs }] of this.#asked) {
      if (untilUs > nowUs) return;
      this.#asked.delete(questionId);
      outbox.answer(requestNumber, { kind: "unexplained", why: "silent" });
    }
  }
}
