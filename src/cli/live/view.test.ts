import { expect, test } from "vitest";
import {
  type DeviceRow,
  type LineRow,
  type LiveView,
  type OfficeRow,
  renderLine,
  renderLines,
  renderSummary,
  renderView,
} from "./view.ts";

const SIZE_BYTES = 120_000_000;

const HALF_WAY: LiveView = {
  title: "node 24.21.0",
  sizeBytes: SIZE_BYTES,
  seconds: 5.04,
  offices: [
    office("Central Office", {
      devices: [device("central-1", 1, { state: "complete" }), device("central-2", 1)],
      lanBytes: 120_000_000,
    }),
    office("Branch Office", {
      line: line("Central Office", { wanBytes: 60_000_000, copies: 0.5 }),
      devices: [
        device("branch-1", 0.5, { rvp: true }),
        device("branch-2", 0, { state: "waiting", problem: "No room." }),
      ],
    }),
    office("Branch WiFi", {
      type: "wifi",
      line: line("Branch Office", { wanBytes: 30_000_000, copies: 0.25 }),
      devices: [device("wifi-1", 0.25, { rvp: true })],
    }),
    office("Home VPN", {
      type: "vpn",
      line: line("Central Office", {
        rates: [50, 50],
        wanBytes: 90_000_000,
        copies: 0.75,
        bound: 2,
      }),
      devices: [device("home-1", 0.5, { rvp: true }), device("home-2", 0.25)],
    }),
  ],
};

const OVER: LiveView = {
  ...HALF_WAY,
  seconds: 11.2,
  offices: HALF_WAY.offices.map((one) => ({
    ...one,
    devices: one.devices.map(({ name }) => device(name, 1, { state: "complete" })),
  })),
};

test("the view shows the tree of offices, each one's line and RVP, and how far each device is", () => {
  expect(renderView(HALF_WAY).join("\n")).toBe(`\
node 24.21.0, 120 MB, 5.0 s, 1 of 7 verified
Central Office: 1 of 2 verified, LAN 120 MB
│   central-1 ████████████████████████100 %  verified
│   central-2 ████████████████████████100 %  downloading
├─ Branch Office: 0 of 2 verified, RVP branch-1, LAN 0 B
│  │ WAN 60.0 MB, 98.0 of 100 Mbit/s, 0.50 copies of at most 1
│  │   branch-1  ████████████░░░░░░░░░░░░ 50 %  downloading (RVP)
│  │   branch-2  ░░░░░░░░░░░░░░░░░░░░░░░░  0 %  waiting: No room.
│  └─ Branch WiFi (WiFi): 0 of 1 verified, RVP wifi-1, LAN 0 B
│       WAN 30.0 MB, 98.0 of 100 Mbit/s, 0.25 copies of at most 1
│         wifi-1    ██████░░░░░░░░░░░░░░░░░░ 25 %  downloading (RVP)
└─ Home VPN (VPN): 0 of 2 verified, each fetches for itself, LAN 0 B
     WAN 90.0 MB, 98.0 of 2 x 50 Mbit/s, 0.75 copies of at most 2
       home-1    ████████████░░░░░░░░░░░░ 50 %  downloading
       home-2    ██████░░░░░░░░░░░░░░░░░░ 25 %  downloading`);
});

test("no line of the view needs a wider terminal than the usual", () => {
  expect(renderView(HALF_WAY).filter((text) => [...text].length > 79)).toEqual([]);
});

test("where nothing can be redrawn, one line says it all", () => {
  expect(renderLine(HALF_WAY)).toBe(
    "5 s: 50 %, 1 of 7 verified; " +
      "Branch Office: RVP branch-1, 98.0 Mbit/s, WAN 60.0 MB, 0.50 of 1 copies, LAN 0 B; " +
      "Branch WiFi: RVP wifi-1, 98.0 Mbit/s, WAN 30.0 MB, 0.25 of 1 copies, LAN 0 B; " +
      "Home VPN: each for itself, 98.0 Mbit/s, WAN 90.0 MB, 0.75 of 2 copies, LAN 0 B",
  );
});

test("at the end it says that all have verified it and how long it took", () => {
  expect(renderSummary(OVER)).toEqual([
    "All 7 devices have verified node 24.21.0 (120 MB) in 11.2 s.",
  ]);
});

test("at the end it names each device that has not verified it, and why", () => {
  expect(renderSummary(HALF_WAY).slice(0, 4)).toEqual([
    "Only 1 of 7 devices have verified node 24.21.0.",
    "  central-2: downloading",
    "  branch-1: downloading",
    "  branch-2: No room.",
  ]);
});

test("at the end it says what each line has carried with all headers, beside the pieces", () => {
  expect(renderLines(HALF_WAY)).toBe(`\
Line                             Rate           Pieces   With all headers
Central Office -> Branch Office  100 Mbit/s     60.0 MB  62.5 MB
Branch Office -> Branch WiFi     100 Mbit/s     30.0 MB  62.5 MB
Central Office -> Home VPN       2 x 50 Mbit/s  90.0 MB  62.5 MB`);
});

function office(name: string, given: Partial<OfficeRow>): OfficeRow {
  return { name, type: "default", devices: [], lanBytes: 0, ...given };
}

function line(parent: string, given: Partial<LineRow>): LineRow {
  return {
    parent,
    rates: [100],
    wanBytes: 0,
    copies: 0,
    bound: 1,
    lineBytes: 62_500_000,
    lineBytesPerS: 12_250_000,
    ...given,
  };
}

function device(name: string, share: number, given: Partial<DeviceRow> = {}): DeviceRow {
  const heldBytes = share * SIZE_BYTES;
  return { name, state: "downloading", heldBytes, rvp: false, problem: "", ...given };
}

test("devices that are not drawn are counted", () => {
  const others = { devices: 90, verified: 40, heldBytes: 40 * SIZE_BYTES };
  const [central, branch, ...rest] = HALF_WAY.offices;
  if (central === undefined || branch === undefined) throw new Error("there are offices");
  const large = { ...HALF_WAY, offices: [central, { ...branch, others }, ...rest] };

  const text = renderView(large).join("\n");

  expect(text).toContain("41 of 97 verified");
  expect(text).toContain("Branch Office: 40 of 92 verified");
  expect(text).toContain("and 90 more, 40 of them verified");
});
