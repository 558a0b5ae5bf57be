import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PRODUCT_VERSION } from "../base/constants.ts";
import { createProgram } from "./program.ts";
import { type Outcome, runIn } from "./test-run.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cli-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each(leaves().map((words) => ({ words, line: words.join(" ") })))(
  "the help of `branchline $line` has an example and the exit codes",
  async ({ words }) => {
    const { exitCode, stdout } = await run([...words, "--help"]);

    expect(exitCode).toBe(0);
    expect(stdout).toContain(`branchline ${words.join(" ")}`);
    expect(stdout).toMatch(/Examples?:\n {2}branchline /);
    expect(stdout).toContain("Exit codes:");
    expect(stdout).toContain("--json");
  },
);

test("--version prints the version of the product", async () => {
  expect(await run(["--version"])).toEqual({
    exitCode: 0,
    stdout: `${PRODUCT_VERSION}\n`,
    stderr: "",
  });
});

test.each([
  { what: "an unknown command", words: ["contnet"] },
  { what: "a command that is not whole", words: ["content"] },
  { what: "an unknown option", words: ["content", "list", "--nonsense"] },
  { what: "a missing argument", words: ["content", "show"] },
  { what: "an argument too many", words: ["content", "list", "all"] },
  { what: "a missing option", words: ["publish", "x", "--name", "x"] },
  { what: "a number out of range", words: ["demo", "--wan-mbit", "0"] },
  { what: "a word that is no choice", words: ["deploy", "x", "--all", "--priority", "top"] },
  { what: "a deployment to nobody", words: ["deploy", "12345678"] },
  { what: "a setting that is none", words: ["server", "run", "--set", "no.such=1"] },
  { what: "a setting out of range", words: ["server", "run", "--set", "network.port_offset=-1"] },
])("$what is a wrong command line: exit code 2 and a reason", async ({ words }) => {
  const plain = await run(words);
  const json = await run([...words, "--json"]);

  expect(plain.exitCode).toBe(2);
  expect(plain.stdout).toBe("");
  expect(plain.stderr).not.toBe("");
  expect(json.exitCode).toBe(2);
  expect(json.stdout).toBe("");
  expect(JSON.parse(json.stderr)).toEqual({
    code: expect.stringMatching(/^(usage|settings)-/),
    message: expect.stringMatching(/./),
  });
});

test("what went wrong is one line with its code, or one JSON object", async () => {
  const file = join(folder, "none.csv");

  const plain = await run(["topology", "import", file]);
  const json = await run(["topology", "import", file, "--json"]);

  expect(plain.exitCode).toBe(1);
  expect(plain.stderr).toMatch(
    /^branchline: .*none\.csv cannot be read.* \(code topology-file\)\n$/,
  );
  expect(json.stdout).toBe("");
  expect(JSON.parse(json.stderr)).toMatchObject({ code: "topology-file" });
});

test("with --json a command writes one JSON document and nothing else", async () => {
  const path = join(folder, "it");

  const { exitCode, stdout, stderr } = await run(["publisher", "key", "new", path, "--json"]);

  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const made = JSON.parse(stdout) as { keyFile: string; publisherFile: string };
  expect(made).toEqual({
    name: "it",
    keyFile: `${path}.key`,
    publisherFile: `${path}.publisher`,
  });
  expect(readFileSync(made.publisherFile, "utf8")).toContain("it ");
});

test("--version of publish is the content's version, not a question for the product's", async () => {
  const words = ["--name", "x", "--version", "1.0", "--type", "application"];

  const { exitCode, stderr } = await run(["publish", folder, ...words]);

  expect(exitCode).toBe(2);
  expect(stderr).toContain("usage-key");
});

async function run(words: readonly string[]): Promise<Outcome> {
  return await runIn(folder, words);
}

/** The words of every command that does something. */
function leaves(): readonly (readonly string[])[] {
  const output = { write: () => {} };
  const program = createProgram({
    io: { stdout: output, stderr: output, environment: {} },
    onResult: () => {},
    onUsageError: () => {},
  });
  const visit = (command: Command, words: readonly string[]): (readonly string[])[] =>
    command.commands.length === 0
      ? [words]
      : command.commands.flatMap((child) => visit(child, [...words, child.name()]));
  return visit(program, []);
}
