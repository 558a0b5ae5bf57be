import { expect, test } from "vitest";
import { type SpreadOffice, spreadDevices } from "./spread.ts";

const CENTRAL: SpreadOffice = { name: "Central", subnets: ["10.0.0.0/16"] };
const NORTH: SpreadOffice = { name: "North", subnets: ["10.1.0.0/24", "10.1.1.0/24"] };
const SMALL: SpreadOffice = { name: "Small", subnets: ["10.2.0.0/29"] };
const NONE: SpreadOffice = { name: "None", subnets: [] };

test("devices are spread by the size of subnets, a wide one counting like one of 254", () => {
  expect(spread([CENTRAL, NORTH, SMALL, NONE], 100)).toEqual([33, 65, 2, 0]);
  expect(spread([CENTRAL, NORTH, SMALL, NONE], 3)).toEqual([1, 1, 1, 0]);
  expect(spread([CENTRAL, NORTH], 2)).toEqual([1, 1]);
});

test("who is said to have so many devices has them, and the others share what is left", () => {
  expect(spread([{ ...CENTRAL, devices: 5 }, { ...NORTH, devices: 0 }, SMALL], 8)).toEqual([
    5, 0, 3,
  ]);
});

test("what does not fit goes to who has room, and every device goes somewhere", () => {
  for (const total of [1, 7, 400, 513, 700, 4_321]) {
    const counts = spread([CENTRAL, NORTH, SMALL], total);

    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(total);
    expect(counts[1]).toBeLessThanOrEqual(508);
    expect(counts[2]).toBeLessThanOrEqual(6);
  }
});

test("what cannot be is refused with what there is", () => {
  expect(spreadDevices([{ ...SMALL, devices: 7 }], 7)).toEqual({
    ok: false,
    // The server is in the Central Office, and takes one of six addresses.
    error: { kind: "office", office: "Small", devices: 7, room: 5 },
  });
  expect(spreadDevices([SMALL, NORTH], 514)).toEqual({
    ok: false,
    error: { kind: "room", room: 513 },
  });
  expect(spreadDevices([{ ...CENTRAL, devices: 3 }], 4)).toEqual({
    ok: false,
    error: { kind: "sum", fixed: 3 },
  });
  expect(spreadDevices([{ ...CENTRAL, devices: 3 }, NORTH], 2)).toEqual({
    ok: false,
    error: { kind: "sum", fixed: 3 },
  });
});

function spread(offices: readonly SpreadOffice[], total: number): readonly number[] {
  const result = spreadDevices(offices, total);
  if (!result.ok) throw new Error(result.error.kind);
  return result.value;
}
