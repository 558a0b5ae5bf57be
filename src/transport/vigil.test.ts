import { expect, test } from "vitest";
import { SECOND } from "../base/units.ts";
import { IDLE_US_MAX, OPENER_US, SILENCE_US_MAX } from "./constants.ts";
import { Vigil } from "./vigil.ts";

test("AK10: a peer that begins to owe after a long silence has the whole time to answer", () => {
  const owedSinceUs = 4.9 * SECOND;
  const signs = { heardAtUs: 0, owedSinceUs, backoffs: 0 };
  const vigil = new Vigil(0, false);

  expect(vigil.watch(owedSinceUs + SILENCE_US_MAX - 1, signs).silentUs).toBeUndefined();
  expect(vigil.watch(owedSinceUs + SILENCE_US_MAX, signs).silentUs).toBe(
    owedSinceUs + SILENCE_US_MAX,
  );
});

test("AK10: a peer that owes nothing is given up 20 s after it was heard, one that talks never", () => {
  const vigil = new Vigil(0, false);
  const owing = { heardAtUs: 100 * SECOND, owedSinceUs: 0, backoffs: 0 };
  const idle = { heardAtUs: 0, owedSinceUs: undefined, backoffs: 0 };

  expect(vigil.watch(100 * SECOND + 1, owing).silentUs).toBeUndefined();
  expect(vigil.watch(IDLE_US_MAX - 1, idle).silentUs).toBeUndefined();
  expect(vigil.watch(IDLE_US_MAX, idle).silentUs).toBe(IDLE_US_MAX);
});

test("CH4: an initiator opens the ways at once, when they change, and every 20 s", () => {
  const vigil = new Vigil(0, true);
  const signs = { heardAtUs: 0, owedSinceUs: undefined, backoffs: 0 };
  const opens = (nowUs: number) => vigil.watch(nowUs, { ...signs, heardAtUs: nowUs }).opens;

  expect([opens(1), opens(2), opens(OPENER_US), opens(OPENER_US + 1)]).toEqual([
    true,
    false,
    false,
    true,
  ]);
  vigil.openAgain();
  expect(opens(OPENER_US + 2)).toBe(true);
});
