import { deflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import { isXlsx, xlsxOf, xlsxRows } from "./xlsx.ts";
import { judgeZip } from "./zip-bounds.ts";

test("what is written into a workbook is read again, with the numbers of its rows", async () => {
  const rows = [
    ["Office", "Subnet"],
    ['Köln, "Süd"', "10.0.0.0/8"],
    ["", ""],
    ["'=1+1", "0012"],
  ];

  const bytes = Buffer.from(await xlsxOf("Offices", rows));
  const read = await xlsxRows(bytes, "offices.xlsx");

  expect(isXlsx(bytes)).toBe(true);
  expect(judgeZip(bytes)).toBeUndefined();
  expect(read.map(({ line }) => line)).toEqual([1, 2, 3, 4]);
  expect(read.map(({ cells }) => [cells[0] ?? "", cells[1] ?? ""])).toEqual(rows);
});

test("a formula is not calculated, and numbers and truth values are text", async () => {
  const { writeXlsx } = await import("hucre/xlsx");
  const cells = new Map([["0,2", { formula: "1+1", formulaResult: 7, value: 7 }]]);
  const sheets = [{ name: "Sheet", rows: [[10_000, true, null]], cells }];

  const [row] = await xlsxRows(Buffer.from(await writeXlsx({ sheets })), "offices.xlsx");

  expect(row?.cells).toEqual(["10000", "true", "7"]);
});

test("a zip bomb is refused before it is unpacked, whatever its directory says", async () => {
  const gigabyte = deflateRawSync(Buffer.alloc(64 * 1024 * 1024));
  const honest = zipOf(Array.from({ length: 10 }, () => ({ packed: gigabyte, bytes: 64 << 20 })));
  const lying = zipOf([{ packed: gigabyte, bytes: 1_000 }]);
  const many = zipOf(Array.from({ length: 5_000 }, () => ({ packed: Buffer.of(3, 0), bytes: 0 })));

  expect(judgeZip(honest)).toMatch(/far more/);
  expect(judgeZip(lying)).toMatch(/something else/);
  expect(judgeZip(many)).toMatch(/more files/);
  for (const bomb of [honest, lying, many]) {
    await expect(xlsxRows(bomb, "bomb.xlsx")).rejects.toMatchObject({ code: "topology-file" });
  }
});

test("what is no workbook, or a damaged one, is refused with the reason", async () => {
  const whole = Buffer.from(await xlsxOf("Offices", [["Office"]]));
  const damaged = [
    Buffer.from("PK and nothing behind it"),
    whole.subarray(0, whole.length - 30),
    zipOf([{ packed: deflateRawSync(Buffer.from("hello")), bytes: 5 }]),
    // One bit of a file in it.
    Buffer.from(whole.map((byte, index) => (index === 60 ? byte ^ 1 : byte))),
  ];

  for (const bytes of damaged) {
    await expect(xlsxRows(bytes, "bad.xlsx")).rejects.toMatchObject({ code: "topology-file" });
  }
});

test("a cell far away makes no rows and columns up to there", async () => {
  const { writeXlsx } = await import("hucre/xlsx");
  const cells = new Map([["1048575,16383", { value: "far" }]]);
  const bytes = await writeXlsx({ sheets: [{ name: "Sheet", rows: [["Office"]], cells }] });

  const rows = await xlsxRows(Buffer.from(bytes), "far.xlsx").catch(() => []);

  expect(rows.length).toBeLessThan(100_002);
  expect(Math.max(0, ...rows.map((row) => row.cells.length))).toBeLessThanOrEqual(64);
});

/** A zip file of these entries, with whatever its directory is to say of them. */
function zipOf(entries: readonly { readonly packed: Buffer; readonly bytes: number }[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { packed, bytes } of entries) {
    const local = Buffer.alloc(31);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(8, 8);
    local.writeUInt32LE(packed.length, 18);
    local.writeUInt32LE(bytes, 22);
    local.writeUInt16LE(1, 26);
    local.write("a", 30);
    const central = Buffer.alloc(47);
    central.writeUInt32LE(0x02014b50);
    central.writeUInt16LE(8, 10);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(bytes, 24);
    central.writeUInt16LE(1, 28);
    central.writeUInt32LE(at, 42);
    central.write("a", 46);
    files.push(local, packed);
    directory.push(central);
    at += local.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length * 47, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...files, ...directory, end]);
}
