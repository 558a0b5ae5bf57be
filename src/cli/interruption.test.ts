import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";

/** Says when it works, and when it was told to end; without that it would run for ever. */
const PROGRAM = `
  const { untilInterrupted } = await import(process.argv[1]);
  await untilInterrupted(async (signal) => {
    const busy = setInterval(() => {}, 1000);
    process.stdout.write("up\\n");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    clearInterval(busy);
    process.stdout.write("ended\\n");
  }, { withParent: process.argv[2] === "with-parent" });
`;

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s lets the work end by itself",
  async (name) => {
    const { child, ended } = await start("alone");

    child.kill(name);

    expect(await ended).toEqual({ code: 0, output: "up\nended\n" });
  },
);

test("a process that goes with its parent ends when standard input closes", async () => {
  const { child, ended } = await start("with-parent");

  child.stdin?.end();

  expect(await ended).toEqual({ code: 0, output: "up\nended\n" });
});

const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

async function start(mode: string) {
  const module = new URL("./interruption.ts", import.meta.url).href;
  const args = ["--input-type=module", "-e", PROGRAM, module, mode];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  running.push(child);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, output }));
  while (!output.includes("up\n")) await once(child.stdout, "data");
  return { child, ended };
}
