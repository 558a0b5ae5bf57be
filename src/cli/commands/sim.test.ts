import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Forecast } from "../../sim/forecast-types.ts";
import { type Outcome, runIn } from "../test-run.ts";

const HEADING = "Office,Parent Office,Office Type,Subnet,Devices,Mbit/s,Delay ms";

const TREE = [
  "Head Office,,default,10.0.0.0/16,3,,",
  'Berlin,Head Office,default,10.1.0.0/24;10.1.1.0/24,4,"12,5",8',
  "Berlin air,Berlin,wifi,10.1.8.0/22,3,200,2",
  "Homes,Head Office,vpn,10.99.0.0/20,2,50,30",
];

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cli-sim-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("D5: a topology file is all that a dry run needs, and JSON has the whole of it", async () => {
  const words = ["sim", "--topology", write(TREE), "--size", "1MiB", "--grain", "flows", "--json"];

  const { exitCode, stdout } = await run(words);

  expect(exitCode).toBe(0);
  const forecast = JSON.parse(stdout) as Forecast & { findings: unknown[] };
  expect(forecast).toMatchObject({ findings: [], devices: 12, finished: 12, sizeBytes: 1 << 20 });
  expect(
    forecast.offices.map(({ office, devices, link }) => [office, devices, link?.copies]),
  ).toEqual([
    ["Head Office", 3, undefined],
    ["Berlin", 4, 1],
    ["Berlin air", 3, 1],
    ["Homes", 2, 2],
  ]);
  expect(forecast.offices[1]).toMatchObject({
    rvp: { host: expect.stringMatching(/^10\.1\.[01]\./) },
    link: { rateBitsPerS: 12_500_000, delayMs: 8 },
  });
  expect(forecast.bottleneck).toMatchObject({ kind: "line", office: "Berlin" });
  expect((await run(words)).stdout).toBe(stdout);
});

test("for a person it is the findings, a tree, a table of lines, and the sum of it", async () => {
  const file = write([...TREE, "Old WLAN,Berlin,default,10.1.16.0/24,0,,"]);

  const { exitCode, stdout } = await run(["sim", "--topology", file, "--size", "200kB"]);

  expect(exitCode).toBe(0);
  const lines = stdout.split("\n");
  expect(lines[0]).toMatch(/^warning: Row 6: office "Old WLAN" is called WiFi/);
  expect(lines[2]).toBe(
    "Dry run: 200 kB in 1 piece for 12 devices in 5 offices (seed 1, packets).",
  );
  expect(stdout).toMatch(
    /^├─ Berlin: 4 devices, done after .*\n│ {2}│ {3}RVP berlin-\d \(10\.1\./m,
  );
  expect(stdout).toMatch(/^Head Office -> Homes +50 Mbit\/s +30 ms +400 kB +2\.00 +2 /m);
  expect(stdout).toMatch(/^All 12 devices are done after .* times the least possible/m);
  expect(stdout).toMatch(/^Bottleneck: the line to "/m);
});

test("devices that the file does not place are spread over the other offices", async () => {
  const file = write([
    "A,,default,10.0.0.0/24,2,,",
    "B,A,default,10.1.0.0/24,,,",
    "C,A,default,10.2.0.0/24,,,",
  ]);

  const { stdout } = await run([
    "sim",
    "--topology",
    file,
    "--size",
    "1",
    "--devices",
    "8",
    "--json",
  ]);

  const { offices } = JSON.parse(stdout) as Forecast;
  expect(offices.map(({ devices }) => devices)).toEqual([2, 3, 3]);
});

test("a topology with errors is not simulated, and every finding has its row", async () => {
  const file = write([
    "A,,default,10.0.0.0/24,many,,",
    "B,Z,default,10.0.0.0/24,1,,",
    "WiFi,A,default,,1,0,",
  ]);

  const { exitCode, stderr } = await run(["sim", "--topology", file, "--size", "1"]);

  expect(exitCode).toBe(1);
  expect(
    stderr.split("\n").map((line) => /^ {2}(\w+): Row (\d)/.exec(line)?.slice(1).join(" ")),
  ).toEqual([
    undefined,
    "error 2",
    "error 3",
    "error 3",
    "error 4",
    "warning 4",
    "warning 4",
    undefined,
    undefined,
  ]);
  expect(stderr).toContain("(code bad-topology)");
});

test.each([
  ["sim-devices", 1, ["--devices", "600"]],
  ["sim-devices", 1, ["--devices", "1"]],
  ["sim-devices", 1, []],
  ["sim-time", 1, ["--devices", "4", "--size", "60GiB", "--wan-mbit", "0.1"]],
  ["sim-faults", 1, ["--devices", "4", "--faults", "mild", "--grain", "flows"]],
  ["bad-topology", 1, ["--devices", "4", "--server", "192.0.2.1"]],
  ["usage-arguments", 2, ["--devices", "4", "--size", "0"]],
  ["usage-arguments", 2, ["--devices", "4", "--size", "1MeB"]],
  ["usage-arguments", 2, ["--devices", "4", "--size", "20MiB", "--pieces", "3"]],
])("what cannot be is refused: %s with exit code %d for %s", async (code, exitCode, more) => {
  const file = write(["A,,default,10.0.0.0/24,,,", "B,A,default,10.1.0.0/24,,,"]);

  const result = await run(["sim", "--topology", file, "--size", "1", ...more, "--json"]);

  expect(JSON.parse(result.stderr)).toMatchObject({ code });
  expect(result.exitCode).toBe(exitCode);
});

test("who is not done in time is named, and the exit code says so", async () => {
  const words = [
    "sim",
    "--topology",
    write(TREE),
    "--size",
    "9MB",
    "--until",
    "4",
    "--grain",
    "flows",
  ];

  const { exitCode, stdout } = await run(words);

  expect(exitCode).toBe(1);
  expect(stdout).toMatch(
    /^Only \d+ of 12 devices (?:is|are) done:\n {2}berlin-\d \(10\.1\..*: it has \d+ of 35 pieces$/m,
  );
});

test("what goes wrong on the way is said, and all get it nevertheless", async () => {
  const words = ["sim", "--topology", write(TREE), "--size", "600kB", "--faults", "mild"];

  const runs = [];
  for (const seed of ["2", "3", "4"]) runs.push(await run([...words, "--seed", seed, "--json"]));

  const forecasts = runs.map(({ stdout }) => JSON.parse(stdout) as Forecast);
  expect(forecasts.map(({ finished }) => finished)).toEqual([12, 12, 12]);
  for (const { mishaps } of forecasts) expect(mishaps.length).toBeGreaterThan(0);
});

function write(rows: readonly string[]): string {
  const file = join(folder, "offices.csv");
  writeFileSync(file, `${HEADING}\n${rows.join("\n")}\n`);
  return file;
}

async function run(words: readonly string[]): Promise<Outcome> {
  return await runIn(folder, words);
}
