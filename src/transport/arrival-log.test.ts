import { expect, test } from "vitest";
import { ARRIVALS_MAX } from "../wire/frames.ts";
import { ArrivalLog } from "./arrival-log.ts";

test("BG2: each arrival is told once, in the order in which they came", () => {
  const log = new ArrivalLog();
  log.add(7, 1_000);
  log.add(5, 1_200);

  expect(log.take(2_000)).toEqual([
    {
      kind: "arrivals",
      saidAtUs: 2_000,
      arrived: [
        { packet: 7, atUs: 1_000 },
        { packet: 5, atUs: 1_200 },
      ],
    },
  ]);
  expect(log.take(3_000)).toEqual([]);
});

test("BG2: arrivals that are far apart, or more than fit, are told in several frames", () => {
  const log = new ArrivalLog();
  log.add(1, 0);
  log.add(2, 40_000);
  log.add(90_000, 40_001);
  for (let packet = 0; packet < ARRIVALS_MAX; packet += 1) log.add(90_001 + packet, 40_002);

  expect(log.take(50_000).map(({ arrived }) => arrived.length)).toEqual([1, 1, ARRIVALS_MAX, 1]);
});

test("a peer that sends without end and is not answered fills no memory", () => {
  const log = new ArrivalLog();
  for (let packet = 0; packet < 100_000; packet += 1) log.add(packet, packet);
  const told = log.take(100_000).flatMap(({ arrived }) => arrived);

  expect(told.length).toBe(16 * ARRIVALS_MAX);
});
