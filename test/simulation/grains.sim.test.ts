import { expect, test } from "vitest";
import { KIB, MS, SECOND } from "../../src/base/units.ts";
import type { LinkOptions } from "../../src/sim/link.ts";
import { type Grain, Organisation, type SimOffice } from "../../src/sim/organisation.ts";
import { allHave, CLEAN_LINE, everyone } from "./fixtures/organisation.ts";
import { SLOW_LINE } from "./fixtures/slow-line.ts";

/** 50 Mbit/s, far away. */
const FAR_LINE: LinkOptions = {
  ...CLEAN_LINE,
  rate: 6_250_000,
  delayUs: 40 * MS,
  queueBytes: 625_000,
};

const WORLDS: readonly {
  readonly name: string;
  readonly offices: readonly SimOffice[];
  readonly shape: { readonly pieces: number; readonly pieceBytes: number };
}[] = [
  {
    name: "one office below the Central Office",
    offices: [
      { name: "Central", devices: 2 },
      { name: "Branch", devices: 5, line: CLEAN_LINE },
    ],
    shape: { pieces: 50, pieceBytes: 256 * KIB },
  },
  {
    name: "three levels",
    offices: [
      { name: "Central", devices: 2 },
      { name: "Branch", devices: 4, line: CLEAN_LINE },
      { name: "Floor", parent: "Branch", devices: 4, line: CLEAN_LINE },
    ],
    shape: { pieces: 50, pieceBytes: 256 * KIB },
  },
  {
    name: "a slow line beside a fast and long one",
    offices: [
      { name: "Central", devices: 2 },
      { name: "Near", devices: 3, line: SLOW_LINE },
      { name: "Far", devices: 3, line: FAR_LINE },
    ],
    shape: { pieces: 60, pieceBytes: 128 * KIB },
  },
];

const CUT_WORLD = {
  offices: [
    { name: "Central", devices: 2 },
    { name: "Branch", devices: 3, line: SLOW_LINE },
  ],
  shape: { pieces: 40, pieceBytes: 256 * KIB },
} as const;

test.each(WORLDS)("flows and packets agree on when everyone is done: $name", (world) => {
  const [flows, packets] = (["flows", "packets"] as const).map((grain) => run(grain, world));

  for (const { name } of world.offices.slice(1)) {
    const ratio = (flows?.seconds.get(name) ?? 0) / (packets?.seconds.get(name) ?? 0);
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
  }
});

test.each(["flows", "packets"] as const)(
  "a line that was cut for a minute goes on by itself, and carries nothing twice: %s",
  (grain) => {
    const organisation = new Organisation(1, CUT_WORLD.offices, { grain });
    organisation.settle();
    const simPackage = organisation.deploy(CUT_WORLD.shape);
    const branch = organisation.office("Branch");
    const carried = () => organisation.carriedInto("Branch") / simPackage.sizeBytes;
    expect(organisation.runUntil(() => carried() > 0.4, 60)).toBe(true);

    organisation.setCut("Branch", true);
    organisation.runUntil(() => false, 60);
    const amid = carried();
    organisation.setCut("Branch", false);
    const goesOn = organisation.runUntil(() => carried() > amid + 0.05, 10);
    organisation.runUntil(() => allHave(branch, simPackage), 60);

    expect(amid).toBeLessThan(0.6);
    expect(goesOn).toBe(true);
    expect(allHave(branch, simPackage)).toBe(true);
    expect(carried()).toBeLessThan(1.15);
  },
);

test("one seed gives one run of flows", () => {
  const [world] = WORLDS;
  if (world === undefined) throw new Error("there is a world");
  const [one, other] = [run("flows", world), run("flows", world)];

  expect(one.trace.length).toBeGreaterThan(20);
  expect(one.trace).toEqual(other.trace);
  expect(one.seconds).toEqual(other.seconds);
});

/** When the last device of each office was done, in seconds after the deployment. */
function run(grain: Grain, { offices, shape }: (typeof WORLDS)[number]) {
  const organisation = new Organisation(1, offices, { grain });
  organisation.settle();
  const simPackage = organisation.deploy(shape);
  const beganAtUs = organisation.world.nowUs;
  const seconds = new Map<string, number>();
  for (const { name } of offices) {
    const devices = organisation.office(name);
    const done = () => allHave(devices, simPackage);
    organisation.runUntil(done, 120);
    seconds.set(name, (organisation.world.nowUs - beganAtUs) / SECOND);
  }
  expect(allHave(everyone(organisation), simPackage)).toBe(true);
  return { seconds, trace: organisation.world.trace };
}
