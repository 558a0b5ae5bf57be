import { expect, test } from "vitest";
import type { LedgerEntry } from "../../api/server-schemas.ts";
import { ledgerText, totalsOf } from "./ledger.ts";

const ENTRY: LedgerEntry = {
  contentId: "c1".repeat(32),
  name: "tool",
  version: "1.2",
  sizeBytes: 1_000_000,
  office: "North",
  type: "default",
  parent: "Central",
  wanBytes: 1_000_000,
  lanBytes: 3_000_000,
  originBytes: 500_000,
  boundBytes: 1_000_000,
  copies: 1,
  devices: 4,
  holders: 4,
  savedBytes: 3_000_000,
  alarm: true,
};

test("D3: the ledger is a table with totals, and marks what is above its bound", () => {
  const { parent: _, ...central } = ENTRY;
  const calm = { ...central, office: "Central", alarm: false, savedBytes: 0, copies: 0 };

  const lines = ledgerText([calm, ENTRY]).split("\n");

  expect(lines.length).toBe(4);
  expect(lines[1]).not.toContain("ALARM");
  expect(lines[2]).toMatch(/^tool 1\.2 +1\.00 MB +North +Central .* 1\.00 .* ALARM$/);
  expect(lines[3]).toMatch(/^Total +2\.00 MB +1\.00 MB +6\.00 MB +3\.00 MB +1 of 2$/);
  expect(totalsOf([calm, ENTRY])).toEqual({
    wanBytes: 2_000_000,
    lanBytes: 6_000_000,
    originBytes: 1_000_000,
    savedBytes: 3_000_000,
    alarms: 1,
  });
});
