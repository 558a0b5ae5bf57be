import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { MEMORY, Memory } from "../../agent/store/memory.ts";
import { DEVICE_PORTS, SERVER_PORTS } from "../../effects/channels.ts";
import { encodeMessage } from "../../wire/messages.ts";
import { runIn } from "../test-run.ts";
import { handlesOf } from "./apply.ts";
import { nftScript, windowsScript } from "./render.ts";
import { channelRules, type FirewallRole, tcpRule } from "./rules.ts";

test("a device needs every port of its table, and discovery from its subnet alone", async () => {
  const { rules } = await rulesOf("device");
  const { discovery, ...others } = DEVICE_PORTS;

  expect(rules).toMatchObject([
    { protocol: "udp", ports: Object.values(others).toSorted((a, b) => a - b), from: "anywhere" },
    { protocol: "udp", ports: [discovery], from: "subnet" },
  ]);
});

test("the ports are those of the program's own settings", async () => {
  const moved = await rulesOf("device", ["--set", "network.port_offset=100"]);
  const single = await rulesOf("device", ["--set", "network.single_port=4000"]);
  const server = await rulesOf("server", ["--set", "network.port_offset=7"]);

  expect(moved.rules[0]?.ports).toContain((DEVICE_PORTS["message-small"] ?? 0) + 100);
  expect(single.rules[0]?.ports).toEqual([4_000]);
  expect(server.rules[0]?.ports).toContain((SERVER_PORTS["message-small"] ?? 0) + 7);
  expect(portsOf(server).slice(1)).toEqual(["tcp 8450", "tcp 8451"]);
});

test("a device that a profile gives other ports needs these, and its own until it starts anew", async () => {
  const data = await mkdtemp(join(tmpdir(), "branchline-firewall-"));
  onTestFinished(() => rm(data, { recursive: true }));
  const memory = await Memory.open(join(data, "store", MEMORY));
  const values = { ports: { value: { single: 4_100 }, profile: "P" } };
  memory.remember("profile", encodeMessage({ kind: "profile", epoch: 1, version: 1, values }));
  await memory.close();

  const { rules } = await rulesOf("device", ["--data", data]);

  expect(rules.map(({ ports }) => ports[0])).toEqual([
    4_100,
    DEVICE_PORTS.discovery,
    DEVICE_PORTS["reply-small"],
    DEVICE_PORTS.discovery,
  ]);
});

test("BranchCache needs TCP 80 and UDP 3702, and a hosted cache 443 where it has TLS", async () => {
  const peer = await rulesOf("branchcache");
  const silent = await rulesOf("branchcache", ["--set", "discovery.enabled=false"]);
  const hosted = await rulesOf("hosted-cache");
  const tls = ["--set", "tls.certificate=/a", "--set", "tls.key=/b"];
  const hostedTls = await rulesOf("hosted-cache", tls);

  expect(portsOf(peer)).toEqual(["tcp 80", "udp 3702"]);
  expect(portsOf(silent)).toEqual(["tcp 80"]);
  expect(portsOf(hosted)).toEqual(["tcp 80"]);
  expect(portsOf(hostedTls)).toEqual(["tcp 80", "tcp 443"]);
});

test("for Windows the earlier rules of the program are replaced by new ones", () => {
  const rules = [...channelRules({ "message-small": 5, "reply-small": 4, discovery: 9 })];

  expect(windowsScript("device", rules)).toBe(
    [
      "$ErrorActionPreference = 'Stop'",
      "Get-NetFirewallRule -Group 'Branchline device' -ErrorAction SilentlyContinue | Remove-NetFirewallRule",
      "New-NetFirewallRule -Name 'branchline-device-1' -Group 'Branchline device' -DisplayName 'Branchline: messages and contents between devices and the server' -Direction Inbound -Action Allow -Protocol UDP -LocalPort 4,5 | Out-Null",
      "New-NetFirewallRule -Name 'branchline-device-2' -Group 'Branchline device' -DisplayName 'Branchline: discovery of devices in the subnet' -Direction Inbound -Action Allow -Protocol UDP -LocalPort 9 -RemoteAddress LocalSubnet | Out-Null",
    ].join("\n"),
  );
});

test("for nftables what was there goes and what is new comes, in one transaction", () => {
  const script = nftScript(
    "hosted-cache",
    [tcpRule(80, "blocks")],
    { table: "inet filter", chain: "input" },
    [4, 9],
  );

  expect(script).toBe(
    [
      "delete rule inet filter input handle 4",
      "delete rule inet filter input handle 9",
      'insert rule inet filter input tcp dport { 80 } accept comment "branchline-hosted-cache"',
    ].join("\n"),
  );
});

test("only rules with our mark are taken for ours", () => {
  const nftables = [
    { metainfo: {} },
    { chain: { name: "input", handle: 1 } },
    { rule: { handle: 2, comment: "branchline-device" } },
    { rule: { handle: 3, comment: "branchline-server" } },
    { rule: { handle: 4 } },
  ];

  expect(handlesOf(JSON.stringify({ nftables }), "branchline-device")).toEqual([2]);
});

type Shown = {
  readonly rules: readonly { readonly protocol: string; readonly ports: readonly number[] }[];
};

async function rulesOf(role: FirewallRole, more: readonly string[] = []): Promise<Shown> {
  const args = ["firewall", "show", "--for", "third-party", "--role", role, "--json", ...more];
  const { stdout, exitCode } = await runIn("/nowhere", args);
  expect(exitCode).toBe(0);
  return JSON.parse(stdout) as Shown;
}

function portsOf({ rules }: Shown): readonly string[] {
  return rules.map(({ protocol, ports }) => `${protocol} ${ports.join(",")}`);
}
