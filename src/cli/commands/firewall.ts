import type { Command } from "commander";
import { addCommand, type CommandHost, type OptionSpec } from "../command.ts";
import { applyNftables, applyWindows } from "../firewall/apply.ts";
import { nftScript, thirdPartyTable, windowsScript } from "../firewall/render.ts";
import { rulesFor } from "../firewall/role-rules.ts";
import { FIREWALL_ROLES, type FirewallRole, type FirewallRule } from "../firewall/rules.ts";
import type { SettingsOptions } from "../settings-flags.ts";

type FirewallOptions = SettingsOptions & {
  readonly for: "windows" | "nftables" | "third-party";
  readonly role?: FirewallRole;
  readonly table?: string;
  readonly chain?: string;
};

const OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--role <program>",
    description: "whose ports are meant (default: device)",
    choices: FIREWALL_ROLES,
  },
  { flags: "--table <family name>", description: 'nftables: the table (default: "inet filter")' },
  {
    flags: "--chain <name>",
    description: "nftables: the chain that decides what comes in (default: input)",
  },
  { flags: "--data <folder>", description: "that program's data folder" },
  { flags: "--config <file>", description: "that program's settings file" },
  {
    flags: "--set <key=value>",
    description: "a setting of that program; repeatable",
    repeated: true,
  },
];

/** Adds `firewall show` and `firewall apply`. */
export function addFirewallCommands(program: Command, host: CommandHost): void {
  const firewall = program
    .command("firewall")
    .description("What a firewall must let in, from the programs' own ports.");
  addCommand<FirewallOptions>(firewall, host, {
    usage: "show",
    description: "Show the rules, as commands for the firewall or as a table for people.",
    examples: [
      "branchline firewall show --for nftables",
      "branchline firewall show --for windows --role branchcache",
    ],
    options: [
      {
        flags: "--for <firewall>",
        description: "which firewall",
        choices: ["windows", "nftables", "third-party"],
        required: true,
      },
      ...OPTIONS,
    ],
    run: ({ options, io }) => {
      const role = options.role ?? "device";
      const rules = rulesFor(role, options, io);
      return { json: { role, rules }, text: textFor(options, role, rules) };
    },
  });
  addCommand<FirewallOptions>(firewall, host, {
    usage: "apply",
    description:
      "Put the rules into the firewall of this machine. What an earlier time put there for the " +
      "same program is replaced.",
    examples: ["branchline firewall apply --for nftables --role hosted-cache"],
    options: [
      {
        flags: "--for <firewall>",
        description: "which firewall",
        choices: ["windows", "nftables"],
        required: true,
      },
      ...OPTIONS,
    ],
    run: async ({ options, io }) => {
      const role = options.role ?? "device";
      const rules = rulesFor(role, options, io);
      if (options.for === "windows") await applyWindows(role, rules);
      else await applyNftables(role, rules, chainOf(options));
      return { json: { role, rules }, text: `${rules.length} rules are in force.` };
    },
  });
}

function textFor(
  options: FirewallOptions,
  role: FirewallRole,
  rules: readonly FirewallRule[],
): string {
  if (options.for === "third-party") return thirdPartyTable(rules);
  return options.for === "windows"
    ? windowsScript(role, rules)
    : nftScript(role, rules, chainOf(options));
}

function chainOf({ table = "inet filter", chain = "input" }: FirewallOptions) {
  return { table, chain };
}
