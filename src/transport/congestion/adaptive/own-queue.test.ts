import { expect, test } from "vitest";
import { OwnQueue } from "./own-queue.ts";

/** A millisecond for a packet of 1,000 bytes. */
const RATE = 1_000_000;

test("packets that leave at once wait for each other, and later ones find the line empty", () => {
  const queue = new OwnQueue();
  const waits = [0, 0, 0, 2_500, 10_000].map((atUs) => queue.onSent(atUs, 1_000, RATE).waitUs);

  expect(waits).toEqual([1_000, 2_000, 3_000, 1_500, 1_000]);
});

test("what others make a packet wait is not taken for our own", () => {
  const queue = new OwnQueue();
  const sent = queue.onSent(0, 1_000, RATE);

  expect(queue.onArrived(sent, 9_000)).toBe(1_000);
});

test("a queue that a rate believed too low has built up is taken back", () => {
  const queue = new OwnQueue();
  // A line twice as fast as believed: nothing waits in truth, and 0.5 ms a packet in the model.
  const sent = Array.from({ length: 40 }, (_, index) => queue.onSent(index * 500, 1_000, RATE));
  for (const packet of sent) queue.onArrived(packet, 500);
  const next = queue.onSent(20_000, 1_000, RATE);

  // Were it not, 20 ms of others' queue would be hidden from now on.
  expect(queue.onArrived(next, 12_000)).toBeLessThan(2_500);
});
