import { beforeEach, expect, test } from "vitest";
import { SECOND } from "../base/units.ts";
import type { ExplanationPart } from "../wire/messages.ts";
import type { Answer, CoordinatorOutbox } from "./contract.ts";
import { ANSWER_US_MAX, QUESTIONS_MAX, QUESTIONS_OF_DEVICE_MAX, Questions } from "./questions.ts";
import { CONTENT } from "./test-world.ts";

const DEVICES = ["one", "two"] as const;

let questions: Questions;
let sent: { association: number; questionId: number; firstPiece: number }[];
let answers: Map<number, Answer>;
const outbox = {
  send: (association: number, message: { questionId: number; firstPiece: number }) =>
    sent.push({ association, questionId: message.questionId, firstPiece: message.firstPiece }),
  answer: (requestNumber: number, answer: Answer) => answers.set(requestNumber, answer),
} as unknown as CoordinatorOutbox;

beforeEach(() => {
  sent = [];
  answers = new Map();
  questions = new Questions((deviceId) => {
    const place = DEVICES.indexOf(deviceId as (typeof DEVICES)[number]);
    if (place >= 0) return place + 1;
    const number = Number(deviceId);
    return Number.isNaN(number) ? undefined : number;
  });
});

test("XP1: what a device answers comes to the one who asked", () => {
  ask(1, "one", 7);
  ask(2, "two");
  const [first, second] = sent;
  questions.onAnswer(2, part(second?.questionId), outbox);
  questions.onAnswer(1, part(first?.questionId), outbox);

  expect(sent.map(({ association, firstPiece }) => [association, firstPiece])).toEqual([
    [1, 7],
    [2, 0],
  ]);
  expect([...answers.keys()]).toEqual([2, 1]);
  expect(answers.get(1)).toEqual({ kind: "explained", part: part(first?.questionId) });
  expect(questions.due().atUs).toBe(Number.POSITIVE_INFINITY);
});

test("XP3: an answer of somebody else, to nothing, or a second one is ignored", () => {
  ask(1, "one");
  const questionId = sent[0]?.questionId ?? 0;

  questions.onAnswer(2, part(questionId), outbox);
  questions.onAnswer(1, part(questionId + 1), outbox);
  expect(answers.size).toBe(0);

  questions.onAnswer(1, part(questionId), outbox);
  answers.clear();
  questions.onAnswer(1, part(questionId), outbox);
  expect(answers.size).toBe(0);
});

test("XP3: a device that is away, goes away or is silent leaves nobody waiting", () => {
  ask(1, "nobody");
  ask(2, "one");
  questions.forget(1, outbox);
  ask(3, "two", 0, SECOND);
  expect(questions.due().atUs).toBe(SECOND + ANSWER_US_MAX);
  questions.expire(SECOND + ANSWER_US_MAX - 1, outbox);
  expect(answers.get(3)).toBeUndefined();
  questions.expire(SECOND + ANSWER_US_MAX, outbox);

  expect([1, 2, 3].map((one) => answers.get(one))).toEqual([
    { kind: "unexplained", why: "away" },
    { kind: "unexplained", why: "away" },
    { kind: "unexplained", why: "silent" },
  ]);
});

test("XP3: there is a bound to the questions of one device and of all", () => {
  for (let number = 0; number <= QUESTIONS_OF_DEVICE_MAX; number += 1) ask(number, "one");
  expect([...answers]).toEqual([[QUESTIONS_OF_DEVICE_MAX, { kind: "unexplained", why: "busy" }]]);

  for (let number = 100; number < 100 + QUESTIONS_MAX; number += 1) ask(number, String(number));
  expect(sent.length).toBe(QUESTIONS_MAX);
  expect(answers.size).toBe(1 + QUESTIONS_OF_DEVICE_MAX);
});

function ask(requestNumber: number, deviceId: string, firstPiece = 0, nowUs = 0): void {
  questions.ask({ requestNumber, deviceId, contentId: CONTENT, firstPiece }, nowUs, outbox);
}

function part(questionId = 0): ExplanationPart {
  const nothing = { sources: [], reasons: [], ranges: [], totals: [] };
  return { kind: "explanation", questionId, pieces: 3, ...nothing };
}
