import fc from "fast-check";
import { expect, test } from "vitest";
import { Deadlines } from "./deadlines.ts";
import { earlier, NEVER } from "./machine.ts";

const change = fc.oneof(
  fc.record({ op: fc.constant("set" as const), key: fc.nat(20), atUs: fc.nat(100) }),
  fc.record({ op: fc.constant("clear" as const), key: fc.nat(20) }),
  fc.record({ op: fc.constant("delete" as const), key: fc.nat(20) }),
  fc.record({ op: fc.constant("take" as const), nowUs: fc.nat(100) }),
);

test("deadlines are kept as a plain table keeps them", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 300, size: "max" }), (changes) => {
      const model = new Map<number, number>();
      const deadlines = new Deadlines();
      for (const step of changes) {
        if (step.op === "set") model.set(step.key, step.atUs);
        else if (step.op === "take") take(deadlines, model, step.nowUs);
        else model.delete(step.key);
        if (step.op === "set") deadlines.set(step.key, { atUs: step.atUs, reason: "test" });
        if (step.op === "clear") deadlines.set(step.key, NEVER);
        if (step.op === "delete") deadlines.delete(step.key);
        expect(deadlines.due().atUs).toBe(Math.min(Infinity, ...model.values()));
      }
    }),
    { numRuns: 300 },
  );
});

test("a deadline comes once, and equal ones in the order of their keys", () => {
  const deadlines = new Deadlines();
  for (const key of [5, 3, 9, 1]) deadlines.set(key, { atUs: 10, reason: "test" });
  deadlines.set(7, { atUs: 11, reason: "test" });

  expect(drain(deadlines, 10)).toEqual([1, 3, 5, 9]);
  expect(deadlines.due()).toEqual({ atUs: 11, reason: "test" });
});

test("the reason of the earliest deadline is told", () => {
  const deadlines = new Deadlines();
  deadlines.set(1, { atUs: 10, reason: "later" });
  deadlines.set(2, { atUs: 5, reason: "sooner" });

  expect(deadlines.due().reason).toBe("sooner");
  deadlines.set(2, NEVER);
  expect(deadlines.due().reason).toBe("later");
  deadlines.delete(1);
  expect(deadlines.due()).toBe(NEVER);
});

test("a deadline that moves for ever does not fill the memory nor slow the others", () => {
  const deadlines = new Deadlines();
  deadlines.set(2, { atUs: 1_000_000, reason: "test" });
  for (let atUs = 0; atUs < 200_000; atUs += 1) deadlines.set(1, { atUs, reason: "test" });

  expect(drain(deadlines, 1_000_000)).toEqual([1, 2]);
});

test("of two deadlines the earlier counts, and the first of equal ones", () => {
  const [a, b] = [
    { atUs: 1, reason: "a" },
    { atUs: 1, reason: "b" },
  ];
  expect(earlier(a, b)).toBe(a);
  expect(earlier(NEVER, b)).toBe(b);
  expect(earlier(a, { atUs: 0, reason: "c" }).reason).toBe("c");
});

function take(deadlines: Deadlines, model: Map<number, number>, nowUs: number): void {
  const [key, atUs] = [...model].sort(([a, x], [b, y]) => x - y || a - b)[0] ?? [0, Infinity];
  expect(deadlines.takeExpired(nowUs)).toBe(atUs <= nowUs ? key : undefined);
  if (atUs <= nowUs) model.delete(key);
}

function drain(deadlines: Deadlines, nowUs: number): readonly number[] {
  const keys: number[] = [];
  for (let key = deadlines.takeExpired(nowUs); key !== undefined; ) {
    keys.push(key);
    key = deadlines.takeExpired(nowUs);
  }
  return keys;
}
