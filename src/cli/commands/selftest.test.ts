import { expect, test } from "vitest";
import { runIn } from "../test-run.ts";

type Report = {
  readonly worlds: number;
  readonly firstSeed: number;
  readonly weather: string;
  readonly violations: number;
  readonly devices: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly lastHash: string;
};

test("D9: so many worlds from a seed, and the same seed comes to the same end", async () => {
  const words = ["--seed", "5", "--faults", "mild", "--worlds", "2", "--json"];

  const [one, other] = [await report(words), await report(words)];

  expect(one).toMatchObject({ worlds: 2, firstSeed: 5, weather: "mild", violations: 0 });
  expect(one.devices).toBeGreaterThan(2);
  expect(Object.keys(one.faults).length).toBeGreaterThan(0);
  expect(one.lastHash).toBe(other.lastHash);
  expect((await report(["--seed", "6", "--faults", "mild", "--once", "--json"])).lastHash).toBe(
    one.lastHash,
  );
});

test("for a person it is a report in numbers", async () => {
  const { exitCode, stdout } = await runIn(process.cwd(), [
    ...["selftest", "--seed", "4", "--faults", "none", "--once"],
  ]);

  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^1 worlds from seed 4 in [\d.]+ s, none:\n {2}\d+ devices, /);
  expect(stdout).toMatch(/\n {2}0 faults\n/);
  expect(stdout).toMatch(/\n {2}0 violations; trace hash of the last world [0-9a-f]+\n/);
});

test("a number that makes no sense is refused, and said which", async () => {
  const { exitCode, stderr } = await runIn(process.cwd(), ["selftest", "--worlds", "0"]);

  expect(exitCode).not.toBe(0);
  expect(stderr).toContain("--worlds");
});

async function report(words: readonly string[]): Promise<Report> {
  const { exitCode, stdout } = await runIn(process.cwd(), ["selftest", ...words]);
  expect(exitCode).toBe(0);
  return JSON.parse(stdout) as Report;
}
