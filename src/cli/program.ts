import { Command } from "commander";
import { PRODUCT_VERSION } from "../base/constants.ts";
import type { CommandHost } from "./command.ts";
import { addAgentCommands } from "./commands/agent.ts";
import { addAuditCommands } from "./commands/audit.ts";
import { addBranchCacheCommands, addHostedCacheCommands } from "./commands/branchcache.ts";
import { addContentCommands } from "./commands/content.ts";
import { addContentServerCommands } from "./commands/content-server.ts";
import { addDemoCommand } from "./commands/demo.ts";
import { addDeploymentCommands } from "./commands/deployment.ts";
import { addDeviceCommands } from "./commands/device.ts";
import { addDistributionCommand } from "./commands/distribution.ts";
import { addExplainCommand } from "./commands/explain.ts";
import { addFirewallCommands } from "./commands/firewall.ts";
import { addGroupCommands } from "./commands/group.ts";
import { addLedgerCommand } from "./commands/ledger.ts";
import { addLineCommand } from "./commands/line.ts";
import { addNetperfCommands } from "./commands/netperf.ts";
import { addOriginCommands } from "./commands/origin.ts";
import { addProfileCommands } from "./commands/profile.ts";
import { addPublishCommands } from "./commands/publish.ts";
import { addSelftestCommand } from "./commands/selftest.ts";
import { addServerCommands } from "./commands/server.ts";
import { addSimCommand } from "./commands/sim.ts";
import { addStatsCommand } from "./commands/stats.ts";
import { addStorageCommands } from "./commands/storage.ts";
import { addTopologyCommands } from "./commands/topology.ts";
import { addUploadCommands } from "./commands/upload.ts";
import { addWatchCommand } from "./commands/watch.ts";
import { addWebhookCommands } from "./commands/webhook.ts";
import { EXIT_HELP } from "./exit-codes.ts";

/** Builds `branchline` with all its commands. */
export function createProgram(host: CommandHost): Command {
  const program = new Command("branchline");
  program
    .description(
      "Gets software onto every computer of an organisation: once over each line, then from " +
        "computer to computer.",
    )
    .version(PRODUCT_VERSION)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.io.stdout.write(text),
      writeErr: (text) => host.onUsageError(text),
    })
    .addHelpText("after", `\nExample:\n  branchline demo --once\n${EXIT_HELP}`);
  addServerCommands(program, host);
  addAgentCommands(program, host);
  addPublishCommands(program, host);
  addContentCommands(program, host);
  addDeviceCommands(program, host);
  addWebhookCommands(program, host);
  addWatchCommand(program, host);
  addTopologyCommands(program, host);
  addSimCommand(program, host);
  addDeploymentCommands(program, host);
  addGroupCommands(program, host);
  addProfileCommands(program, host);
  addAuditCommands(program, host);
  addLedgerCommand(program, host);
  addStorageCommands(program, host);
  addUploadCommands(program, host);
  addOriginCommands(program, host);
  addExplainCommand(program, host);
  addDistributionCommand(program, host);
  addStatsCommand(program, host);
  addContentServerCommands(program, host);
  addHostedCacheCommands(program, host);
  addBranchCacheCommands(program, host);
  addFirewallCommands(program, host);
  addNetperfCommands(program, host);
  addDemoCommand(program, host);
  addSelftestCommand(program, host);
  addLineCommand(program, host);
  return program;
}
