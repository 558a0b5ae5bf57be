import { expect, test } from "vitest";
import { generateOffice } from "./generation.ts";
import { lintTopology } from "./lint.ts";
import type { OfficeSpec } from "./office.ts";
import { buildTopology, officeOf, pathToCentral, specsOf, type Topology } from "./topology.ts";

const CENTRAL = { name: "Central", type: "default", subnets: ["10.0.0.0/16"] };
const NORTH = { name: "North", parent: "Central", type: "default", subnets: ["10.1.0.0/16"] };
const DEPOT = { name: "Depot", parent: "North", type: "wifi", subnets: ["10.2.0.0/24"] };

test("a tree has a centre, children, and a path from each office to the centre", () => {
  const topology = built([DEPOT, NORTH, CENTRAL]);

  expect(topology.central).toBe("Central");
  expect(topology.offices.get("North")?.children).toEqual(["Depot"]);
  expect(pathToCentral(topology, "Depot").map(({ name }) => name)).toEqual([
    "Depot",
    "North",
    "Central",
  ]);
  expect(pathToCentral(topology, "nowhere")).toEqual([]);
  expect(specsOf(topology)).toEqual([DEPOT, NORTH, CENTRAL]);
});

test("a device belongs to the office with the longest prefix of its address", () => {
  const wifi = { ...DEPOT, subnets: ["10.1.7.0/24", "2001:db8:7::/48"] };
  const topology = built([CENTRAL, NORTH, wifi]);

  const offices = ["10.0.3.4", "10.1.3.4", "10.1.7.9", "2001:db8:7::1", "192.168.1.5", "x"].map(
    (address) => officeOf(topology, address),
  );

  expect(offices).toEqual(["Central", "North", "Depot", "Depot", undefined, undefined]);
  expect(topology.findings.map(({ code, severity }) => `${severity} ${code}`)).toEqual([
    "warning nested-subnets",
  ]);
});

test("of a range and a subnet inside it the narrower wins, in whatever order they come", () => {
  const range = { ...CENTRAL, subnets: ["10.0.0.0-10.0.0.254"] };
  const inside = { ...NORTH, subnets: ["10.0.0.192/27"] };

  for (const entries of [
    [range, inside],
    [inside, range],
  ]) {
    expect(officeOf(built(entries), "10.0.0.200")).toBe("North");
    expect(officeOf(built(entries), "10.0.0.224")).toBe("Central");
  }
});

test.each<readonly [string, readonly OfficeSpec[]]>([
  ["no-root", []],
  ["unknown-parent", [CENTRAL, { ...NORTH, parent: "South" }]],
  ["cycle", [CENTRAL, { ...NORTH, parent: "Depot" }, DEPOT]],
  ["not-connected", [CENTRAL, { ...NORTH, parent: "South" }, DEPOT]],
  ["not-connected", [CENTRAL, { ...NORTH, parent: "North" }, DEPOT]],
  ["two-roots", [CENTRAL, { name: "North", type: "default", subnets: ["10.1.0.0/16"] }]],
  ["overlapping-subnets", [CENTRAL, { ...NORTH, subnets: ["10.0.0.0/16"] }]],
  ["overlapping-subnets", [CENTRAL, { ...NORTH, subnets: ["10.0.255.0-10.1.0.9"] }]],
  ["bad-subnet", [CENTRAL, { ...NORTH, subnets: ["10.1.0.0/40"] }]],
  ["duplicate-name", [CENTRAL, NORTH, { ...NORTH, subnets: ["10.9.0.0/16"] }]],
  ["bad-type", [CENTRAL, { ...NORTH, type: "castle" }]],
  ["bad-name", [CENTRAL, { ...NORTH, name: " " }]],
  ["bad-name", [CENTRAL, { ...NORTH, name: "(none)" }]],
  ["too-deep", [CENTRAL, ...chain(40)]],
])("%s is an error that names the row", (code, entries) => {
  const result = buildTopology(entries);

  expect(result.ok).toBe(false);
  if (result.ok) return;
  const found = result.error.filter((finding) => finding.code === code);
  expect(found.length).toBeGreaterThan(0);
  expect(result.error.every(({ severity }) => severity === "error")).toBe(true);
  for (const { office, row } of found) {
    expect(row === 0 ? "" : entries[row - 1]?.name.trim()).toBe(office);
  }
});

test.each<readonly [string, readonly OfficeSpec[]]>([
  ["vpn-with-children", [CENTRAL, { ...NORTH, type: "vpn" }, DEPOT]],
  ["vpn-central", [{ ...CENTRAL, type: "vpn" }, NORTH]],
  ["wifi-without-parent", [{ ...CENTRAL, type: "wifi" }]],
  ["wifi-below-wifi", [CENTRAL, { ...NORTH, type: "wifi" }, DEPOT]],
])("B6: %s is worth a look, and no error", (code, entries) => {
  expect(built(entries).findings).toMatchObject([{ severity: "warning", code }]);
});

test("an office below a cycle is not connected, and no part of the cycle", () => {
  const entries = [CENTRAL, { ...NORTH, parent: "Depot" }, DEPOT, { ...NORTH, name: "Below" }];
  const others = entries.map((entry, index) => ({ ...entry, subnets: [`10.${index}.0.0/16`] }));

  const findings = lintTopology(
    [...others.slice(0, 3), { ...others[3], parent: "North" } as OfficeSpec],
    [],
  );

  expect(findings.map(({ row, code }) => `${row} ${code}`)).toEqual([
    "2 cycle",
    "3 cycle",
    "4 not-connected",
  ]);
});

test("an unknown parent that differs by case or spaces alone is recognised", () => {
  const findings = lintTopology(
    [CENTRAL, { ...NORTH, parent: "central " }, { ...DEPOT, parent: "NORTH-" }],
    [],
  );

  expect(findings.map(({ sentence }) => /did you mean "(.*?)"/.exec(sentence)?.[1])).toEqual([
    "Central",
    "North",
  ]);
});

test("a finding names the row that the operator wrote", () => {
  const entries = [
    { ...CENTRAL, row: 4 },
    { ...NORTH, parent: "Nowhere", type: "castle", row: 9 },
  ];

  const findings = lintTopology(entries, []);

  expect(findings.map(({ row }) => row)).toEqual([9, 9]);
  for (const { sentence } of findings) expect(sentence).toContain("Row 9");
});

test("B13: a server outside the Central Office is an error, of each family", () => {
  const lint = (host: string) => lintTopology([CENTRAL, NORTH], [host]).map(({ code }) => code);

  expect(lint("10.0.0.1")).toEqual([]);
  expect(lint("10.1.0.1")).toEqual(["server-outside-central"]);
  expect(lint("2001:db8::1")).toEqual(["server-outside-central"]);
});

test("a generated topology has one office for each subnet, under the server's own", () => {
  const offices: OfficeSpec[] = [];
  for (const address of ["10.1.0.5", "10.0.0.9", "10.1.0.6", "2001:db8::5", "nonsense"]) {
    addFor(offices, address, ["10.0.0.1"]);
  }

  expect(offices).toEqual([
    { name: "Central Office", type: "default", subnets: ["10.0.0.0/24"] },
    { name: "10.1.0.0/24", parent: "Central Office", type: "default", subnets: ["10.1.0.0/24"] },
    {
      name: "2001:db8::/64",
      parent: "Central Office",
      type: "default",
      subnets: ["2001:db8::/64"],
    },
  ]);
});

test("the first office seen is the Central Office where the server does not know its address", () => {
  const offices: OfficeSpec[] = [];
  for (const address of ["10.1.0.5", "10.0.0.9"]) addFor(offices, address, ["0.0.0.0"]);

  expect(offices.map(({ name, subnets }) => [name, subnets[0]])).toEqual([
    ["Central Office", "10.1.0.0/24"],
    ["10.0.0.0/24", "10.0.0.0/24"],
  ]);
});

function addFor(offices: OfficeSpec[], address: string, serverAddresses: readonly string[]): void {
  while (offices.length === 0 || officeOf(built(offices), address) === undefined) {
    const office = generateOffice(offices, address, serverAddresses);
    if (office === undefined) return;
    offices.push(office);
  }
}

function chain(levels: number): OfficeSpec[] {
  return Array.from({ length: levels }, (_, index) => ({
    name: `Level ${index}`,
    parent: index === 0 ? "Central" : `Level ${index - 1}`,
    type: "default",
    subnets: [`172.16.${index}.0/24`],
  }));
}

function built(entries: readonly OfficeSpec[]): Topology {
  const result = buildTopology(entries);
  if (!result.ok) throw new Error(result.error.map(({ sentence }) => sentence).join(" "));
  return result.value;
}
