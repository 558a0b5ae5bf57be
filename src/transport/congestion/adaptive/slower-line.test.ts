import { expect, test } from "vitest";
import { SECOND } from "../../../base/units.ts";
import { LineView } from "./line-view.ts";
import type { Sample } from "./samples.ts";
import { SlowerLine } from "./slower-line.ts";

const BYTES = 1_500;
const USED = 1_000_000;

test("five tests in a row that fail alike say how fast the line is", () => {
  const { slower, line } = used();
  const rates = [700_000, 720_000, 690_000, 710_000, 700_000].map((rate) =>
    slower.onFailed(train(rate), line),
  );

  expect(rates.slice(0, 4)).toEqual([undefined, undefined, undefined, undefined]);
  expect(rates[4]).toBeCloseTo(700_000, -3);
});

test("a test that passes between them begins the row anew", () => {
  const { slower, line } = used();
  for (let count = 0; count < 4; count += 1) slower.onFailed(train(700_000), line);
  slower.onPassed();

  expect(slower.onFailed(train(700_000), line)).toBeUndefined();
});

test.each([
  { what: "half of the rate, which others may leave us", rates: Array(5).fill(500_000) },
  { what: "rates that differ", rates: [700_000, 900_000, 600_000, 990_000, 650_000] },
])("$what says nothing", ({ rates }) => {
  const { slower, line } = used();

  for (const rate of rates) expect(slower.onFailed(train(rate), line)).toBeUndefined();
});

/** A line that was ours for long, of which no probes have come lately. */
function used(): { readonly slower: SlowerLine; readonly line: LineView } {
  const [slower, line] = [new SlowerLine(), new LineView()];
  line.capacity = USED;
  slower.onUsed(USED);
  return { slower, line };
}

/** Packets that come out of the line at a rate. */
function train(rate: number): readonly Sample[] {
  return Array.from({ length: 10 }, (_, packet) => {
    const arrivedAtUs = (packet * BYTES * SECOND) / rate;
    const sentAtUs = (packet * BYTES * SECOND) / USED;
    return { packet, probe: false, bytes: BYTES, sentAtUs, arrivedAtUs, queueUs: 0, foreignUs: 0 };
  });
}
