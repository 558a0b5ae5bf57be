import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { noise } from "./support/packages.ts";
import { Program } from "./support/programs.ts";
import { waitFor } from "./support/waiting.ts";

/** The demonstration has addresses of its own: there is one at a time on a machine. */
const LOCK = join(tmpdir(), "branchline-demo.lock");

const SIZE_BYTES = 5_000_000;
const TIMEOUT_MS = 240_000;

/** The agents, and with the server all processes. */
const AGENTS = 12;
const PROCESSES = AGENTS + 1;

/** What a result says of the offices: one copy over each line, and by VPN one a device. */
const OFFICES = [
  {
    office: "Central Office",
    type: "default",
    parent: "",
    devices: 2,
    verified: 2,
    wanBytes: 0,
    copies: 0,
    bound: 0,
  },
  {
    office: "Branch Office",
    type: "default",
    parent: "Central Office",
    rvp: expect.stringMatching(/^branch-[1-4]$/),
    devices: 4,
    verified: 4,
    bound: 1,
    // Seven devices lie behind the line, and one copy has crossed it.
    withoutBytes: 7 * SIZE_BYTES,
    alarm: false,
  },
  {
    office: "Branch WiFi",
    type: "wifi",
    parent: "Branch Office",
    rvp: expect.stringMatching(/^wifi-[1-3]$/),
    devices: 3,
    verified: 3,
    bound: 1,
    withoutBytes: 3 * SIZE_BYTES,
    alarm: false,
  },
  {
    office: "Home VPN",
    type: "vpn",
    parent: "Central Office",
    rvp: "",
    devices: 3,
    verified: 3,
    wanBytes: 3 * SIZE_BYTES,
    lanBytes: 0,
    bound: 3,
    withoutBytes: 3 * SIZE_BYTES,
    savedBytes: 0,
    alarm: false,
  },
];

let folder = "";
const endings: (() => Promise<void>)[] = [];

beforeAll(async () => {
  endings.push(await lock());
  folder = await mkdtemp(join(tmpdir(), "bl-demo-"));
  await writeFile(join(folder, "tool.bin"), noise(60, SIZE_BYTES));
}, 600_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  for (const end of endings) await end();
});

test(
  "the demonstration distributes a file once over each line, says so in JSON and ends",
  async () => {
    const demo = start(["--once", "--json", "--fresh"]);

    expect(await demo.ended).toBe(0);
    const result = lastResult(demo);
    expect(result).toMatchObject({
      ok: true,
      contentId: expect.stringMatching(/^[0-9a-f]{64}$/),
      sizeBytes: SIZE_BYTES,
      seconds: expect.any(Number),
      devices: AGENTS,
      verified: AGENTS,
      offices: OFFICES,
    });
    for (const { office, copies, bound, lineBytes, wanBytes } of result.offices) {
      expect(copies, `copies over the line of ${office}`).toBeLessThanOrEqual(1.01 * bound);
      // What the lines themselves have counted is no less than what agents report.
      expect(lineBytes, `bytes on the line of ${office}`).toBeGreaterThanOrEqual(wanBytes);
    }
    expect(demo.log).toContain("The WAN ledger:");
    expect(demo.log).toContain("A new demonstration organisation");
  },
  TIMEOUT_MS,
);

test(
  "the next one finds what was there, stays up, and ends all its processes when it is told to",
  async () => {
    const demo = start(["--json"]);
    const result = await waitFor("the result", () => demo.stdout.includes("\n") || undefined).then(
      () => lastResult(demo),
    );
    const children = childrenOf(demo.pid);

    expect(demo.log).toContain("found in");
    expect(result).toMatchObject({ ok: true, verified: AGENTS });
    expect(children).toHaveLength(PROCESSES);
    expect(await demo.end()).toBe(0);
    expect(children.filter(isAlive)).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  "no process outlives a demonstration that is killed",
  async () => {
    const demo = start(["--json"]);
    // Each is held in the same way: a few are enough, and the others need not be waited for.
    const children = await waitFor("the first processes", () => {
      const found = childrenOf(demo.pid);
      return found.length >= 3 ? found : undefined;
    });

    await demo.kill();

    await waitFor("the others to end", () => !children.some(isAlive) || undefined);
  },
  TIMEOUT_MS,
);

function start(args: readonly string[]): Program {
  const where = ["--data", join(folder, "demo"), "--file", join(folder, "tool.bin")];
  const demo = Program.start(["demo", ...args, ...where], { home: folder }, []);
  onTestFinished(async () => void (await demo.end()), 30_000);
  return demo;
}

type Result = {
  readonly ok: boolean;
  readonly verified: number;
  readonly offices: readonly {
    readonly office: string;
    readonly wanBytes: number;
    readonly lineBytes: number;
    readonly copies: number;
    readonly bound: number;
  }[];
};

/** The last line of standard output. */
function lastResult(demo: Program): Result {
  return JSON.parse(demo.stdout.trim().split("\n").at(-1) ?? "") as Result;
}

/** The processes that a process has started and that still run. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((other) => Number.isInteger(other) && parentOf(other) === pid);
}

function parentOf(pid: number): number | undefined {
  const status = join("/proc", String(pid), "status");
  if (!existsSync(status)) return undefined;
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(status, "utf8"))?.[1]);
  } catch {
    // It ended while we looked.
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Waits for our turn among all that run a demonstration here. Gives how it is passed on. */
async function lock(): Promise<() => Promise<void>> {
  const holder = spawn("flock", [LOCK, "sh", "-c", "echo ours; cat"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  await once(holder.stdout, "data");
  return async () => {
    const ended = once(holder, "close");
    holder.stdin.end();
    await ended;
  };
}
