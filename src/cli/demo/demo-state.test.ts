import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimFolder, readDemoState, removeDemoState, writeDemoState } from "./demo-state.ts";
import { planDemo } from "./plan.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "demo-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("what a run remembers is there for the next", async () => {
  const plan = planDemo({ data: folder });
  expect(await readDemoState(plan)).toBeUndefined();

  await claimFolder(plan);
  const state = { serverReady: true, deviceIds: { "central-1": "0a" } };
  await writeDemoState(plan, state);
  await claimFolder(plan);

  expect(await readDemoState(plan)).toEqual(state);
});

test("a folder that holds other things is neither taken nor emptied", async () => {
  const plan = planDemo({ data: folder });
  mkdirSync(plan.server.data);
  writeFileSync(join(plan.server.data, "mine"), "");

  await removeDemoState(plan);

  await expect(claimFolder(plan)).rejects.toMatchObject({ code: "demo-folder" });
  expect(existsSync(join(plan.server.data, "mine"))).toBe(true);
});

test("starting anew removes everything of earlier runs", async () => {
  const plan = planDemo({ data: folder });
  await claimFolder(plan);
  for (const { data } of [plan.server, ...plan.agents]) mkdirSync(data);

  await removeDemoState(plan);

  expect(readdirSync(folder)).toEqual([]);
});

test("a damaged state is refused with the way out, which works", async () => {
  const plan = planDemo({ data: folder });
  writeFileSync(join(folder, "demo.json"), "{");

  await expect(readDemoState(plan)).rejects.toThrow(/--fresh/);
  await removeDemoState(plan);
  expect(await readDemoState(plan)).toBeUndefined();
});

test("a folder whose control sockets would have too long a path is refused", () => {
  const data = join(folder, "x".repeat(100));

  expect(() => planDemo({ data })).toThrow(expect.objectContaining({ code: "demo-folder" }));
});

test.each([
  { what: "a file that is not there", choices: { file: "none" } },
  { what: "a file that is a folder", choices: { file: "." } },
  { what: "a folder that is a file", choices: { folder: process.execPath } },
])("$what is refused before anything is made", ({ choices }) => {
  expect(() => planDemo({ data: folder, ...choices })).toThrow(
    expect.objectContaining({ code: "demo-package" }),
  );
});
