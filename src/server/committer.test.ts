import { expect, test } from "vitest";
import type { Answer } from "../coordinator/contract.ts";
import type { Change } from "../coordinator/state.ts";
import { Committer, type Deliveries } from "./committer.ts";

const CHANGE: Change = { kind: "group-remove", name: "Lab" };
const ANSWER: Answer = { kind: "deployed", deploymentId: "d" };

test("what stands on nothing new is delivered at once", () => {
  const { committer, happened } = harness();
  committer.outbox.answer(1, ANSWER);
  committer.commit();

  expect(happened).toEqual(["answer 1"]);
});

test("what was said is delivered only after what it stands on is durable, in order", async () => {
  const { committer, happened, durable } = harness();
  committer.outbox.persist(CHANGE);
  committer.outbox.answer(1, ANSWER);
  committer.commit();
  committer.outbox.answer(2, ANSWER);
  committer.commit();
  expect(happened).toEqual(["begin 1"]);

  durable();
  await committer.idle();

  expect(happened).toEqual(["begin 1", "durable", "answer 1", "answer 2"]);
});

test("steps that come while a transaction runs share the next one", async () => {
  const { committer, happened, durable } = harness();
  for (const requestNumber of [1, 2, 3]) {
    committer.outbox.persist(CHANGE);
    committer.outbox.answer(requestNumber, ANSWER);
    committer.commit();
  }
  durable();
  await committer.idle();

  expect(happened.filter((what) => what.startsWith("begin"))).toEqual(["begin 1", "begin 2"]);
  expect(happened.slice(-2)).toEqual(["answer 2", "answer 3"]);
});

test("a step that a delivery causes waits its turn", () => {
  const { committer, happened, onAnswer } = harness();
  onAnswer((requestNumber) => {
    if (requestNumber !== 1) return;
    committer.outbox.answer(3, ANSWER);
    committer.commit();
  });
  committer.outbox.answer(1, ANSWER);
  committer.outbox.answer(2, ANSWER);
  committer.commit();

  expect(happened).toEqual(["answer 1", "answer 2", "answer 3"]);
});

test("after a failed transaction nothing is delivered any more", async () => {
  const { committer, happened, fail } = harness();
  committer.outbox.persist(CHANGE);
  committer.outbox.answer(1, ANSWER);
  committer.commit();
  fail();
  await committer.idle();
  committer.outbox.answer(2, ANSWER);
  committer.commit();

  expect(happened).toEqual(["begin 1", "failed: disk full"]);
});

function harness() {
  const happened: string[] = [];
  let durable = (): void => {};
  let fail = (_: Error): void => {};
  const gate = new Promise<void>((resolve, reject) => {
    durable = resolve;
    fail = reject;
  });
  let hook = (_: number): void => {};
  const ignore = (): void => {};
  const deliveries: Deliveries = {
    send: ignore,
    close: ignore,
    requestEnrolment: ignore,
    judgeManifest: ignore,
    readManifest: ignore,
    note: ignore,
    answer: (requestNumber) => {
      happened.push(`answer ${requestNumber}`);
      hook(requestNumber);
    },
  };
  const committer = new Committer(
    async (changes) => {
      happened.push(`begin ${changes.length}`);
      await gate;
      happened.push("durable");
    },
    deliveries,
    (error) => happened.push(`failed: ${(error as Error).message}`),
  );
  return {
    committer,
    happened,
    durable,
    fail: () => fail(new Error("disk full")),
    onAnswer: (given: typeof hook) => {
      hook = given;
    },
  };
}
