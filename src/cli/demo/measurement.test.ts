import { expect, test } from "vitest";
import type { LineCounters } from "../../runtime/line.ts";
import { Meter } from "./measurement.ts";

const LINES = [line("Branch", "Branch"), line("home-1", "Homes"), line("home-2", "Homes")];

test("what comes down all lines of an office is its own, and nothing else is", () => {
  const meter = new Meter(LINES);

  meter.add(0, [
    down("Branch", 1_000),
    down("home-1", 20),
    down("home-2", 5),
    { ...down("Branch", 700), direction: "up" },
  ]);

  expect([meter.bytes("Branch"), meter.bytes("Homes"), meter.bytes("Other")]).toEqual([
    1_000, 25, 0,
  ]);
});

test("a rate is that of the last moments, not of the whole run", () => {
  const meter = new Meter(LINES);

  meter.add(0, [down("home-1", 1_000_000)]);
  meter.add(9_000, [down("home-1", 1_000_000)]);
  meter.add(10_000, [down("home-1", 1_500_000)]);

  expect(meter.bytesPerS("Homes")).toBe(500_000);
  expect(meter.bytesPerS("Branch")).toBe(0);
});

function line(name: string, office: string) {
  return { name, office, parent: "Central", subnets: [], mbit: 1 };
}

function down(office: string, bytes: number): LineCounters {
  const none = { datagrams: 0, droppedDatagrams: 0, lostDatagrams: 0 };
  return { office, direction: "down", bytes, ...none };
}
