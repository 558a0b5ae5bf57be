import { expect, test } from "vitest";
import { parseTopologyCsv } from "./topology-csv.ts";

const HEADING = "Office,Parent Office,Office Type,Subnet";

test("offices are read with their parents, types and subnets", () => {
  const offices = parse([
    "Central Office,,Default,10.0.0.0/16",
    "Branch Office,Central Office,VPN,10.1.0.0/24",
  ]);

  expect(offices).toEqual([
    { name: "Central Office", type: "default", subnets: ["10.0.0.0/16"] },
    { name: "Branch Office", parent: "Central Office", type: "vpn", subnets: ["10.1.0.0/24"] },
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
      name: "Central Office",
      type: "default",
      subnets: ["10.0.0.0/16", "10.2.0.0/16", "2001:db8::/32"],
    },
    { name: "Lab", parent: "Central Office", type: "default", subnets: ["10.3.0.0/24"] },
  ]);
});

test("quoted cells may have commas, quotes and line breaks in them", () => {
  const offices = parse(['"Berlin, ""Mitte""",,default,10.0.0.0/8', '"Two\nlines",,,']);

  expect(offices.map(({ name }) => name)).toEqual(['Berlin, "Mitte"', "Two\nlines"]);
});

test("byte order mark, Windows line ends, empty lines and spaces around cells do not matter", () => {
  const text = `\uFEFF${HEADING.toLowerCase()}\r\n\r\n Central Office , , , 10.0.0.0/8 \r\n`;

  expect(parseTopologyCsv(text, "offices.csv")).toEqual([
    { name: "Central Office", type: "default", subnets: ["10.0.0.0/8"] },
  ]);
});

test.each([
  ["no heading", "Central Office,,default,10.0.0.0/8", 1],
  ["an empty file", "", 1],
  ["too many columns", `${HEADING}\nA,,default,10.0.0.0/8,x`, 2],
  ["an office without a name", `${HEADING}\nA,,,\n,A,default,10.0.0.0/8`, 3],
  ["two parents of one office", `${HEADING}\nA,,,\nB,A,,\nC,A,,\nC,B,,`, 5],
  ["two types of one office", `${HEADING}\nA,,vpn,\nA,,wifi,`, 3],
  ["a quote that is not closed", `${HEADING}\nA,,,\n"B,A,,`, 3],
])("a file with %s is refused with the line", (_, text, line) => {
  expect(() => parseTopologyCsv(text, "offices.csv")).toThrow(`offices.csv, line ${line}: `);
});

function parse(rows: readonly string[]) {
  return parseTopologyCsv(`${HEADING}\n${rows.join("\n")}\n`, "offices.csv");
}
