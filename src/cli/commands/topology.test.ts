import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Outcome, runIn } from "../test-run.ts";

const HEADING = "Office,Parent Office,Office Type,Subnet";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cli-topology-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("lint says everything that is wrong, by row, and ends with 1", async () => {
  const file = write([
    "Central,,default,10.0.0.0/16",
    "North,Central,castle,10.0.0.0/16",
    "South,Atlantis,default,10.2.0.0/40",
    "West,West,default,10.3.0.0/16",
    "Rival,,default,10.4.0.0/16",
    "Phone,Central,vpn,",
    "Phone 2,Phone,default,10.5.0.0/16",
  ]);

  const { exitCode, stdout } = await run(["topology", "lint", file, "--json"]);

  expect(exitCode).toBe(1);
  const { findings } = JSON.parse(stdout) as { findings: { code: string; row: number }[] };
  expect(findings.map(({ code, row }) => `${row} ${code}`)).toEqual([
    "3 bad-type",
    "3 overlapping-subnets",
    "4 bad-subnet",
    "4 unknown-parent",
    "5 cycle",
    "6 two-roots",
    "7 no-subnets",
    "7 vpn-with-children",
  ]);
});

test("lint ends with 0 where there is nothing but what is worth a look", async () => {
  const file = write(["Central,,wifi,10.0.0.0/16"]);

  const { exitCode, stdout } = await run(["topology", "lint", file]);

  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^warning: Row 2: office "Central"/);
});

test("B13: lint knows the server's address from its settings", async () => {
  const file = write(["Central,,default,10.0.0.0/16"]);
  const words = ["topology", "lint", file, "--set"];

  expect((await run([...words, "network.address=10.0.0.1"])).exitCode).toBe(0);
  const outside = await run([...words, "network.address=10.9.0.1"]);
  expect(outside.exitCode).toBe(1);
  expect(outside.stdout).toContain("10.9.0.1");
});

test("import says everything that is wrong before it asks the server", async () => {
  const file = write(["Central,,default,10.0.0.0/16", ",Central,,10.1.0.0/16", "North,Atlantis,,"]);

  const { exitCode, stderr } = await run(["topology", "import", file, "--json"]);

  expect(exitCode).toBe(1);
  const { code, message } = JSON.parse(stderr) as { code: string; message: string };
  expect(code).toBe("bad-topology");
  expect(message).toMatch(/^Nothing was applied\. Row 3: .*Row 4: office "North".*Atlantis/);
});

function write(rows: readonly string[]): string {
  const file = join(folder, "offices.csv");
  writeFileSync(file, `${HEADING}\n${rows.join("\n")}\n`);
  return file;
}

async function run(words: readonly string[]): Promise<Outcome> {
  return await runIn(folder, words);
}
