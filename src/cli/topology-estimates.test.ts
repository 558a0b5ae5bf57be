import { expect, test } from "vitest";
import { parseEstimates } from "./topology-estimates.ts";
import { parseTopologyCsv } from "./topology-file.ts";

const HEADING = "Notes,Mbit/s,Office,Parent Office,Office Type,Subnet,devices,DELAY MS";

test("devices of an office's rows are added up, and its line stands in one of them", () => {
  const { offices, findings } = parse([
    "x,,A,,default,10.0.0.0/24,3,",
    ",20,B,A,,10.1.0.0/24,5,7.5",
    ",,B,A,,10.1.1.0/24,6,",
    ",,'=C,A,,10.1.2.0/24,,",
  ]);

  expect(findings).toEqual([]);
  expect([...offices]).toEqual([
    ["A", { devices: 3 }],
    ["B", { devices: 11, mbit: 20, delayMs: 7.5 }],
    ["=C", {}],
  ]);
});

test("what is no number is found with its row, as is a second line; the topology reader does not mind", () => {
  const rows = [
    ",0,A,,default,10.0.0.0/24,3,",
    ",20,B,A,,10.1.0.0/24,some,",
    ",30,B,A,,10.1.1.0/24,1.5,",
    ",,C,A,,10.1.2.0/24,1,20000",
  ];

  expect(parse(rows).findings.map(({ row, severity }) => `${severity} ${row}`)).toEqual([
    "error 2",
    "error 3",
    "error 4",
    "error 4",
    "error 5",
  ]);
  expect(parseTopologyCsv([HEADING, ...rows].join("\n"), "offices.csv").findings).toEqual([]);
});

test("a file without these columns says nothing of them", () => {
  const text = "Office,Parent Office,Office Type,Subnet\nA,,default,10.0.0.0/24\n";

  expect(parseEstimates(text, "offices.csv")).toEqual({
    offices: new Map([["A", {}]]),
    findings: [],
  });
});

function parse(rows: readonly string[]) {
  return parseEstimates([HEADING, ...rows].join("\n"), "offices.csv");
}
