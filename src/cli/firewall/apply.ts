import { spawn } from "node:child_process";
import { OperatorError } from "../../runtime/operator-error.ts";
import { type NftChain, nftScript, ruleMark, windowsScript } from "./render.ts";
import type { FirewallRole, FirewallRule } from "./rules.ts";

/**
 * Puts the rules into nftables; those of an earlier time are replaced in the same transaction.
 *
 * @throws OperatorError `firewall-tool` where there is no nft, `firewall-chain` where the chain
 * cannot be had, `firewall-refused` where nft does not take the rules.
 */
export async function applyNftables(
  role: FirewallRole,
  rules: readonly FirewallRule[],
  chain: NftChain,
): Promise<void> {
  const where = [...chain.table.split(" "), chain.chain];
  const listed = await run("nft", ["-j", "-a", "list", "chain", ...where]);
  if (listed.code !== 0) {
    throw new OperatorError(
      "firewall-chain",
      `nft has no chain ${where.join(" ")} that can be changed (${listed.stderr.trim()}): name the ` +
        "one that decides what comes in with --table and --chain, run this as root, or leave it: " +
        "without such a chain nothing is kept out.",
    );
  }
  const old = handlesOf(listed.stdout, ruleMark(role));
  const { code, stderr } = await run("nft", ["-f", "-"], nftScript(role, rules, chain, old));
  if (code !== 0) {
    throw new OperatorError("firewall-refused", `nft does not take the rules: ${stderr.trim()}`);
  }
}

/** Puts the rules into Windows Defender Firewall. @throws OperatorError as for nftables. */
export async function applyWindows(
  role: FirewallRole,
  rules: readonly FirewallRule[],
): Promise<void> {
  const script = windowsScript(role, rules);
  const args = ["-NoProfile", "-NonInteractive", "-Command", "-"];
  const { code, stderr } = await run("powershell.exe", args, `${script}\n`);
  if (code === 0) return;
  throw new OperatorError(
    "firewall-refused",
    `Windows does not take the rules (run this as an administrator): ${stderr.trim()}`,
  );
}

/** The handles of rules with our mark in what `nft -j -a list chain` writes. */
export function handlesOf(json: string, mark: string): readonly number[] {
  const listed = JSON.parse(json) as { readonly nftables?: readonly unknown[] };
  return (listed.nftables ?? []).flatMap((item) => {
    const { rule } = item as { readonly rule?: { readonly comment?: string; handle?: number } };
    return rule?.comment === mark && rule.handle !== undefined ? [rule.handle] : [];
  });
}

async function run(
  tool: string,
  args: readonly string[],
  input = "",
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return await new Promise((resolve, reject) => {
    const child = spawn(tool, args, { stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (cause) => {
      const text = `${tool} cannot be run here: install it, or show the rules and apply them otherwise.`;
      reject(new OperatorError("firewall-tool", text, { cause }));
    });
    child.on("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}
