import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Program, runForJson, runForProblem } from "./support/programs.ts";
import { lackOfNamespaces, Subnet } from "./support/subnet.ts";
import { waitFor } from "./support/waiting.ts";

const lacking = lackOfNamespaces() ?? (isThere("nft") ? undefined : "needs nft");
const why = lacking === undefined ? "" : ` (${lacking})`;
const APPLY = ["firewall", "apply", "--for", "nftables", "--role", "hosted-cache"];
const PORT = ["--set", "network.port=8080"];

describe.skipIf(lacking !== undefined)(`a firewall of nftables${why}`, () => {
  let home: string;
  let subnet: Subnet;
  let hosted: Program;
  let here: string;
  let there: string;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "branchline-firewall-"));
    subnet = new Subnet(2);
    [here = "", there = ""] = subnet.hosts.map(({ namespace }) => namespace);
    hosted = Program.start(["hosted-cache", "run", "--data", join(home, "h"), ...PORT], {
      home,
      namespace: here,
    });
    await waitFor("the hosted cache", () =>
      hosted.events.find(({ msg }) => msg === "hosted-cache-listening"),
    );
  });

  afterAll(async () => {
    await hosted.end();
    subnet.remove();
    await rm(home, { recursive: true });
  });

  test("without a chain that decides, nothing is changed, and the command says so", async () => {
    const problem = await runForProblem(APPLY, { home, namespace: here });

    expect(problem.code).toBe("firewall-chain");
  });

  test("what is kept out is let in by the rules, which replace their own and no others", async () => {
    nft(here, [
      "add table inet filter",
      "add chain inet filter input { type filter hook input priority 0; policy drop; }",
      "add rule inet filter input ct state established,related accept",
      'add rule inet filter input tcp dport 22 accept comment "of others"',
    ]);
    const before = canConnect(there, "10.77.9.1");
    await runForJson([...APPLY, "--set", "network.port=9999"], { home, namespace: here });
    const elsewhere = canConnect(there, "10.77.9.1");
    await runForJson([...APPLY, ...PORT], { home, namespace: here });
    await runForJson([...APPLY, ...PORT], { home, namespace: here });
    const after = canConnect(there, "10.77.9.1");
    const rules = nft(here, ["list chain inet filter input"]);

    expect([before, elsewhere, after]).toEqual([false, false, true]);
    expect(rules.match(/branchline-hosted-cache/g)).toHaveLength(1);
    expect(rules).not.toContain("9999");
    expect(rules).toContain("of others");
  });
});

function isThere(tool: string): boolean {
  return spawnSync(tool, ["-v"], { stdio: "ignore" }).error === undefined;
}

function nft(namespace: string, lines: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(
    "ip",
    ["netns", "exec", namespace, "nft", "-f", "-"],
    {
      input: `${lines.join("\n")}\n`,
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/** Whether the hosted cache can be reached within a second. */
function canConnect(namespace: string, host: string): boolean {
  const script =
    `const s = require("node:net").connect(8080, "${host}", () => process.exit(0));` +
    "s.on('error', () => process.exit(1)); setTimeout(() => process.exit(1), 1000);";
  const args = ["netns", "exec", namespace, process.execPath, "-e", script];
  return spawnSync("ip", args, { stdio: "ignore" }).status === 0;
}
