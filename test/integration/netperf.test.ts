import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Report, Summary } from "../../src/netperf/meter.ts";
import { Program, runCommand, runForProblem } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

/** No other test has programs on this network. */
const RECEIVER = "127.33.1.1:5301";
const SENDER = "127.33.1.2";
const NOBODY = "127.33.1.3:5301";

const TIMEOUT_MS = 120_000;

type Line = ({ readonly kind: "second" } & Report) | ({ readonly kind: "end" } & Summary);

test.each(["foreground", "background"])(
  "a line test sends so many bytes and says what it saw, in %s",
  async (protocol) => {
    const home = await homeFolder();
    const counter = join(home, "counter");
    const common = ["--protocol", protocol, "--json"];
    const receiver = await receiverIn(home, ["--counter", counter, "--once", ...common]);

    const bytes = 20_000_000;
    const sender = ["--to", RECEIVER, "--bind", SENDER, "--bytes", String(bytes), ...common];
    const { code, stdout, stderr } = await runCommand(["netperf", "send", ...sender], { home });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });

    expect(linesOf(stdout).at(-1)).toMatchObject({ kind: "end", bytes });
    expect(await receiver.ended).toBe(0);
    expect(linesOf(receiver.stdout).at(-1)).toMatchObject({ kind: "end", bytes });
    expect(await readFile(counter, "utf8")).toBe(`${bytes}\n`);
  },
  TIMEOUT_MS,
);

test(
  "an endless line test reports every second, and ends well when it is asked to",
  async () => {
    const home = await homeFolder();
    const receiver = await receiverIn(home, ["--json"]);
    const sender = Program.start(["netperf", "send", "--to", RECEIVER, "--json"], { home });
    onTestFinished(async () => void (await sender.end()));

    await waitFor("two reports", () => linesOf(sender.stdout).length >= 2 || undefined);
    const [report] = linesOf(sender.stdout);
    expect(report).toMatchObject({
      kind: "second",
      rttMs: expect.any(Number),
      capacityMbit: expect.any(Number),
      queueMs: expect.any(Number),
      state: expect.stringMatching(/^(seeking|steady|yielding)$/),
    });
    expect(await sender.end()).toBe(0);
    expect(linesOf(sender.stdout).at(-1)).toMatchObject({ kind: "end" });

    // It waits for the next one.
    const args = ["netperf", "send", "--to", RECEIVER, "--bytes", "1000"];
    expect(await runCommand(args, { home })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^1.00 kB went in [\d.]+ s: [\d.]+ Mbit\/s\.\n$/),
    });

    const left = Program.start(["netperf", "send", "--to", RECEIVER, "--json"], { home });
    onTestFinished(async () => void (await left.end()));
    await waitFor("a report", () => linesOf(left.stdout).length >= 1 || undefined);
    expect(await receiver.end()).toBe(0);
    expect(await left.ended).toBe(1);
    expect(JSON.parse(left.log)).toMatchObject({
      code: "receiver-lost",
      message: expect.stringMatching(
        /^The receiver at 127\.33\.1\.1:5301 is gone: .*\w\. Start it again there\.$/,
      ),
    });
  },
  TIMEOUT_MS,
);

test(
  "a line test that cannot be says why, and what to do",
  async () => {
    const home = await homeFolder();
    await receiverIn(home, ["--word", "one"]);
    const send = (args: readonly string[]) => runForProblem(["netperf", "send", ...args], { home });

    expect(await send(["--to", RECEIVER, "--word", "other"])).toMatchObject({
      exitCode: 1,
      code: "receiver-refused",
      message: expect.stringContaining("same --word"),
    });
    expect(await send(["--to", NOBODY])).toMatchObject({
      exitCode: 1,
      code: "receiver-unreachable",
      message: expect.stringContaining(`netperf recv --listen ${NOBODY}`),
    });
    expect(await send(["--to", "nowhere"])).toMatchObject({ exitCode: 2, code: "usage-address" });
    const again = ["netperf", "recv", "--listen", RECEIVER];
    expect(await runForProblem(again, { home })).toMatchObject({ code: "port-in-use" });
    const counter = ["--listen", NOBODY, "--counter", join(home, "none", "counter")];
    expect(await runForProblem(["netperf", "recv", ...counter], { home })).toMatchObject({
      code: "counter-not-written",
    });
  },
  TIMEOUT_MS,
);

async function homeFolder(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "branchline-netperf-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  return home;
}

/** A receiver that listens already: it writes its counter from then on. */
async function receiverIn(home: string, args: readonly string[]): Promise<Program> {
  const counter = args.includes("--counter") ? [] : ["--counter", join(home, "listening")];
  const all = ["netperf", "recv", "--listen", RECEIVER, ...counter, ...args];
  const receiver = Program.start(all, { home });
  onTestFinished(async () => void (await receiver.end()));
  const file = all[all.indexOf("--counter") + 1] ?? "";
  await waitFor("the receiver to listen", async () => {
    if (!receiver.running) throw new Error(receiver.log);
    return (await readFile(file, "utf8").catch(() => "")) === "0\n" || undefined;
  });
  return receiver;
}

function linesOf(stdout: string): readonly Line[] {
  const lines = stdout.split("\n").filter((line) => line.endsWith("}"));
  return lines.map((line) => JSON.parse(line) as Line);
}
