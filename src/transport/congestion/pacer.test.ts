import { expect, test } from "vitest";
import { MS, SECOND } from "../../base/units.ts";
import { DATAGRAM_BYTES } from "./controller.ts";
import { Pacer } from "./pacer.ts";

test("over time no more leaves than the rate allows, and not much less", () => {
  for (const rate of [100_000, 1_250_000, 12_500_000]) {
    const pacer = new Pacer();
    let sentBytes = 0;
    for (let nowUs = 0; nowUs < 10 * SECOND; ) {
      if (pacer.allowance(nowUs, rate) > 0) {
        pacer.onSent(DATAGRAM_BYTES);
        sentBytes += DATAGRAM_BYTES;
      } else {
        const nextUs = pacer.nextAtUs(rate);
        if (nextUs <= nowUs) expect.fail(`waits from ${nowUs} until ${nextUs}`);
        nowUs = nextUs;
      }
    }

    expect(sentBytes).toBeLessThanOrEqual(10 * rate + 11 * DATAGRAM_BYTES);
    expect(sentBytes).toBeGreaterThanOrEqual(9.9 * rate);
  }
});

test("after silence a burst leaves, but no more than two milliseconds' worth", () => {
  const pacer = new Pacer();
  const rate = 100_000_000;

  expect(pacer.allowance(3_600 * SECOND, rate)).toBe((rate * 2 * MS) / SECOND);
  expect(new Pacer().allowance(3_600 * SECOND, 1)).toBe(10 * DATAGRAM_BYTES);
});

test("an endless rate is no rate at all", () => {
  const pacer = new Pacer();
  pacer.onSent(1_000_000_000);

  expect(pacer.allowance(0, Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
});
