import { textTable } from "../text-table.ts";
import type { FirewallRole, FirewallRule } from "./rules.ts";

/** Where nftables decides what comes in. */
export type NftChain = { readonly table: string; readonly chain: string };

/** What marks a rule as ours, so that it can be replaced later. */
export function ruleMark(role: FirewallRole): string {
  return `branchline-${role}`;
}

/** The rules for Windows Defender Firewall, as PowerShell: earlier ones of the role are replaced. */
export function windowsScript(role: FirewallRole, rules: readonly FirewallRule[]): string {
  const group = `Branchline ${role}`;
  const lines = rules.map(
    ({ protocol, ports, from, purpose }, index) =>
      `New-NetFirewallRule -Name '${ruleMark(role)}-${index + 1}' -Group '${group}' ` +
      `-DisplayName 'Branchline: ${purpose}' -Direction Inbound -Action Allow ` +
      `-Protocol ${protocol.toUpperCase()} -LocalPort ${ports.join(",")}` +
      `${from === "subnet" ? " -RemoteAddress LocalSubnet" : ""} | Out-Null`,
  );
  return [
    "$ErrorActionPreference = 'Stop'",
    `Get-NetFirewallRule -Group '${group}' -ErrorAction SilentlyContinue | Remove-NetFirewallRule`,
    ...lines,
  ].join("\n");
}

/**
 * The rules for nftables, as a script for `nft -f -` that is carried out as a whole or not at all.
 *
 * They go to the front of the chain that decides: what another chain accepts, a later one may
 * still drop, so a chain of our own would open nothing.
 *
 * @param old - The handles of rules that are to go.
 */
export function nftScript(
  role: FirewallRole,
  rules: readonly FirewallRule[],
  { table, chain }: NftChain,
  old: readonly number[] = [],
): string {
  const removals = old.map((handle) => `delete rule ${table} ${chain} handle ${handle}`);
  // Which subnets are ours changes as networks come and go: the program itself drops what comes
  // from others.
  const additions = rules.map(({ protocol, ports }) => {
    const mark = `comment "${ruleMark(role)}"`;
    return `insert rule ${table} ${chain} ${protocol} dport { ${ports.join(", ")} } accept ${mark}`;
  });
  return [...removals, ...additions].join("\n");
}

/** The rules for people, who type them into another firewall. */
export function thirdPartyTable(rules: readonly FirewallRule[]): string {
  return textTable([
    ["Direction", "Protocol", "Ports", "From", "Purpose"],
    ...rules.map(({ protocol, ports, from, purpose }) => [
      "in",
      protocol.toUpperCase(),
      ports.join(", "),
      from === "subnet" ? "the own subnet" : "anywhere",
      purpose,
    ]),
  ]);
}
