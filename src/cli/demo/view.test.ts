import { expect, test } from "vitest";
import { type DemoView, renderLine, renderSummary, renderView } from "./view.ts";

const HALF_WAY: DemoView = {
  title: "node 24.21.0",
  sizeBytes: 120_000_000,
  wanMbit: 100,
  seconds: 5.04,
  offices: [
    {
      name: "Central Office",
      devices: [
        { name: "central-1", state: "complete", heldBytes: 120_000_000, rvp: false, problem: "" },
        { name: "central-2", state: "checking", heldBytes: 120_000_000, rvp: false, problem: "" },
      ],
      wanBytes: 0,
      lineBytes: 0,
      lineBytesPerS: 0,
      lanBytes: 120_000_000,
      copies: 0,
    },
    {
      name: "Branch Office",
      parent: "Central Office",
      devices: [
        { name: "branch-1", state: "downloading", heldBytes: 60_000_000, rvp: true, problem: "" },
        { name: "branch-2", state: "waiting", heldBytes: 0, rvp: false, problem: "No room." },
      ],
      wanBytes: 60_000_000,
      lineBytes: 62_500_000,
      lineBytesPerS: 12_250_000,
      lanBytes: 0,
      copies: 0.5,
    },
  ],
};

const OVER: DemoView = {
  ...HALF_WAY,
  seconds: 11.2,
  offices: HALF_WAY.offices.map((office) => ({
    ...office,
    devices: office.devices.map((device) => ({
      ...device,
      state: "complete",
      heldBytes: 120_000_000,
      problem: "",
    })),
    ...(office.parent === undefined ? {} : { wanBytes: 120_000_000, copies: 1 }),
  })),
};

test("the view shows each office, its line and how far each device is", () => {
  expect(renderView(HALF_WAY).join("\n")).toBe(`\
node 24.21.0, 120 MB, line 100 Mbit/s, 5.0 s
Central Office: 1 of 2 verified
  LAN 120 MB
    central-1 ████████████████████████100 %  verified
    central-2 ████████████████████████100 %  checking
Branch Office: 0 of 2 verified
  from Central Office: branch-1 fetches, 98.0 Mbit/s, WAN 60.0 MB (on the line 62.5 MB), 0.50 copies, LAN 0 B
    branch-1  ████████████░░░░░░░░░░░░ 50 %  downloading (RVP)
    branch-2  ░░░░░░░░░░░░░░░░░░░░░░░░  0 %  waiting: No room.`);
});

test("where nothing can be redrawn, one line says it all", () => {
  expect(renderLine(HALF_WAY)).toBe(
    "5 s: 62 %, 1 of 4 verified; Branch Office: branch-1 fetches, 98.0 Mbit/s, " +
      "WAN 60.0 MB (0.50 copies), LAN 0 B",
  );
});

test("at the end it says that all have verified it, how long it took and the copies per line", () => {
  expect(renderSummary(OVER)).toEqual([
    "All 4 devices have verified node 24.21.0 (120 MB) in 11.2 s.",
    "  Central Office -> Branch Office: 1.00 copies over the line (120 MB of pieces; 62.5 MB on " +
      "the line with all headers), 0 B over the LAN",
  ]);
});

test("at the end it names each device that has not verified it, and why", () => {
  expect(renderSummary(HALF_WAY).slice(0, 4)).toEqual([
    "Only 1 of 4 devices have verified node 24.21.0.",
    "  central-2: checking",
    "  branch-1: downloading",
    "  branch-2: No room.",
  ]);
});
