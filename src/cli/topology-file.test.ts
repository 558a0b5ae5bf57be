import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { OfficeInput } from "../api/server-schemas.ts";
import {
  formatTopologyCsv,
  parseTopologyCsv,
  readTopologyFile,
  writeTopologyFile,
} from "./topology-file.ts";

const HEADING = "Office,Parent Office,Office Type,Subnet";

test("offices are read with their parents, types, subnets and first rows", () => {
  const offices = parse([
    "Central Office,,Default,10.0.0.0/16",
    "Branch Office,Central Office,VPN,10.1.0.0/24",
  ]);

  expect(offices).toEqual([
    { row: 2, name: "Central Office", type: "default", subnets: ["10.0.0.0/16"] },
    {
      row: 3,
      name: "Branch Office",
      parent: "Central Office",
      type: "vpn",
      subnets: ["10.1.0.0/24"],
    },
  ]);
});

test("an office has several subnets in several rows or with semicolons between them", () => {
  const offices = parse([
    "Central Office,,default,10.0.0.0/16; 10.2.0.0/16",
    "Lab,Central Office,,10.3.0.0/24",
    "Central Office,,,2001:db8::/32",
  ]);

  expect(offices).toEqual([
    {
      row: 2,
      name: "Central Office",
      type: "default",
      subnets: ["10.0.0.0/16", "10.2.0.0/16", "2001:db8::/32"],
    },
    { row: 3, name: "Lab", parent: "Central Office", type: "default", subnets: ["10.3.0.0/24"] },
  ]);
});

test("quoted cells may have commas, quotes and line breaks in them", () => {
  const offices = parse(['"Berlin, ""Mitte""",,default,10.0.0.0/8', '"Two\nlines",,,', "Last,,,"]);

  expect(offices.map(({ name }) => name)).toEqual(['Berlin, "Mitte"', "Two\nlines", "Last"]);
  expect(offices.map(({ row }) => row)).toEqual([2, 3, 5]);
});

test("byte order mark, Windows line ends, empty lines and spaces around cells do not matter", () => {
  const text = `\uFEFF${HEADING.toLowerCase()}\r\n\r\n Central Office , , , 10.0.0.0/8 \r\n`;

  expect(parseTopologyCsv(text, "offices.csv").offices).toEqual([
    { row: 3, name: "Central Office", type: "default", subnets: ["10.0.0.0/8"] },
  ]);
});

test("columns may stand in any order and case, with others between them", () => {
  const text = "subnet,Notes,OFFICE TYPE,office,Parent office\n10.0.0.0/8,x,vpn,Lab,Central\n";

  expect(parseTopologyCsv(text, "offices.csv").offices).toEqual([
    { row: 2, name: "Lab", parent: "Central", type: "vpn", subnets: ["10.0.0.0/8"] },
  ]);
});

test.each([
  ["no heading", "Central Office,,default,10.0.0.0/8", 1],
  ["a column too few", "Office,Parent Office,Subnet\nA,,10.0.0.0/8", 1],
  ["an empty file", "", 1],
  ["a quote that is not closed", `${HEADING}\nA,,,\n"B,A,,`, 3],
])("a file with %s is refused with the line", (_, text, line) => {
  expect(() => parseTopologyCsv(text, "offices.csv")).toThrow(`offices.csv, line ${line}: `);
});

test("everything that is wrong with single rows is found, with the row", () => {
  const rows = ["A,,default,10.0.0.0/8,x", ",A,default,10.1.0.0/16", "B,A,,", "B,C,,", "A,,wifi,"];

  const { findings } = parseTopologyCsv(`${HEADING}\n${rows.join("\n")}`, "offices.csv");

  expect(findings.map(({ row, severity }) => [row, severity])).toEqual(
    [2, 3, 5, 6].map((row) => [row, "error"]),
  );
  for (const { row, sentence } of findings) expect(sentence).toContain(`Row ${row}: `);
});

test("what is exported is imported again as it was, whatever the offices are called", () => {
  const names = ["Berlin, Mitte", '"quoted"', "two\r\nlines", "'tis", "Łódź; 2", "Plain"];
  const formulas = ["=1+1", "+49", "-x", "@sum", "'=1", "''", "'-"];
  const offices: OfficeInput[] = [...names, ...formulas].map((name, index) => ({
    name,
    parent: index === 0 ? (formulas[0] ?? "") : (names[0] ?? ""),
    type: "default",
    subnets: index % 2 === 0 ? [] : [`10.${index}.0.0/16`, "2001:db8::/32"],
  }));

  const text = formatTopologyCsv(offices);

  const read = parseTopologyCsv(text, "offices.csv");
  expect(read.findings).toEqual([]);
  expect(read.offices.map(({ row: _, ...office }) => office)).toEqual(offices);
  // No cell begins with what a spreadsheet calculates.
  expect(text).not.toMatch(/(^|,|\n)"?[=+@-]/);
});

function parse(rows: readonly string[]) {
  return parseTopologyCsv(`${HEADING}\n${rows.join("\n")}\n`, "offices.csv").offices;
}

test("all columns are read, whatever their order, case and the names that people give them", () => {
  const text = [
    "tz,DESCRIPTION,site,parent_office,office-type,IP Start,ip end,Bandwidth kbps,RVP,Metered,direct cdn",
    'Europe/Berlin,"Ground floor, left",Berlin,Central,WiFi,10.1.0.10,10.1.0.99,"10,000",pc-7,Yes,0',
    "UTC,,Central,,,10.0.0.1,10.0.0.9,,,,",
  ].join("\n");

  const { offices, findings } = parseTopologyCsv(text, "offices.csv");

  expect(findings).toEqual([]);
  expect(offices[0]).toEqual({
    row: 2,
    name: "Berlin",
    parent: "Central",
    type: "wifi",
    subnets: ["10.1.0.10-10.1.0.99"],
    timeZone: "Europe/Berlin",
    description: "Ground floor, left",
    wanKbitS: 10_000,
    preferredRvp: "pc-7",
    metered: true,
    directCdn: false,
  });
});

test("a cell that is none of what its column may say is named with its row and its mend", () => {
  const text = [
    `${HEADING},WAN kbit/s,Metered,Time Zone,Start IP,End IP`,
    "Central,,,10.0.0.0/8,fast,maybe,Europe/Atlantis,10.0.0.1,",
    "Central,,,,,yes,,,",
  ].join("\n");

  const { findings } = parseTopologyCsv(text, "offices.csv");

  expect(findings.map(({ row, sentence }) => `${row} ${sentence}`)).toEqual([
    expect.stringMatching(/^2 .*"fast" as WAN kbit\/s/),
    expect.stringMatching(/^2 .*"maybe" as Metered: write yes or no/),
    expect.stringMatching(/^2 .*"Europe\/Atlantis" as Time Zone/),
    expect.stringMatching(/^2 .*only one of Start IP and End IP/),
    expect.stringMatching(/^3 .*"true" as Metered/),
  ]);
});

test.each(["csv", "xlsx"])("what is exported as %s is imported again as it was", async (form) => {
  const folder = await mkdtemp(join(tmpdir(), "topology-file-"));
  const file = join(folder, `offices.${form}`);
  const offices: OfficeInput[] = [
    { name: "=1+1", type: "default", subnets: ["10.0.0.0/8", "2001:db8::/32"] },
    {
      ...{ name: "@SUM(A1)", parent: "=1+1", type: "wifi", subnets: ["10.1.0.10-10.1.0.99"] },
      ...{ timeZone: "Europe/Berlin", wanKbitS: 2_000, preferredRvp: "-pc", metered: true },
      ...{ directCdn: false, description: '+49 "30", first' },
    },
  ];

  await writeTopologyFile(file, offices);
  const read = await readTopologyFile(file);
  await rm(folder, { recursive: true });

  expect(read.findings).toEqual([]);
  expect(read.offices.map(({ row: _, ...office }) => office)).toEqual(offices);
});

test("offices have a time zone where the file has a column for it, and keep it when written", () => {
  const text =
    "Office,Parent Office,Office Type,Subnet,time zone\n" +
    "Head,,default,10.0.0.0/16,Europe/Berlin\nLima,Head,default,10.1.0.0/16,America/Lima\n" +
    "Lima,,,10.2.0.0/16,\nHome,Head,vpn,10.3.0.0/16,\n";

  const { offices, findings } = parseTopologyCsv(text, "offices.csv");

  expect(findings).toEqual([]);
  const zones = offices.map(({ timeZone }) => timeZone);
  expect(zones).toEqual(["Europe/Berlin", "America/Lima", undefined]);
  expect(parseTopologyCsv(formatTopologyCsv(offices), "again.csv").offices).toMatchObject(
    offices.map(({ row: _, ...office }) => office),
  );
});
