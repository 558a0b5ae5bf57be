import { text as readStream } from "node:stream/consumers";
import type { Command } from "commander";
import { AGENT_ROUTES } from "../../api/agent-routes.ts";
import type { AgentStatusView } from "../../api/agent-schemas.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { untilInterrupted } from "../interruption.ts";
import { enrolTheAgent, openControl, runTheAgent } from "../parts.ts";
import { inForceTable } from "../profile-text.ts";
import { agentSettings, type SettingsOptions, settingsOptions } from "../settings-flags.ts";
import { lineText, sizeText, textTable } from "../text-table.ts";
import { addCacheCommands } from "./agent-cache.ts";
import { EXIT_WITH_PARENT } from "./server.ts";

type EnrolOptions = SettingsOptions & {
  readonly server: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly publisher: readonly string[];
};

/** Adds `agent enrol`, `agent run`, `agent status` and `agent cache`. */
export function addAgentCommands(program: Command, host: CommandHost): void {
  const agent = program.command("agent").description("Enrol and run the agent of this device.");
  addCacheCommands(agent, host);
  addCommand<EnrolOptions>(agent, host, {
    usage: "enrol",
    description: "Bring this device its certificate.",
    examples: [
      "branchline agent enrol --server 192.0.2.1 --key KEY --fingerprint F --publisher it.publisher",
    ],
    options: [
      { flags: "--server <host>", description: "the server's address", required: true },
      {
        flags: "--key <key>",
        description: "the security key; - reads it from standard input",
        required: true,
      },
      {
        flags: "--fingerprint <sha256>",
        description: "the fingerprint of the server's certificate, as `server init` printed it",
        required: true,
      },
      {
        flags: "--publisher <file>",
        description: "a publisher whose contents this device accepts; repeatable",
        required: true,
        repeated: true,
      },
      ...settingsOptions("agent"),
    ],
    run: async ({ options, io }) => {
      const { deviceId } = await enrolTheAgent(agentSettings(options, io), {
        server: options.server,
        key: options.key === "-" ? (await readStream(process.stdin)).trim() : options.key,
        fingerprint: options.fingerprint,
        publisherFiles: options.publisher,
      });
      return { json: { deviceId }, text: `Enrolled as device ${deviceId}.` };
    },
  });
  addCommand<SettingsOptions & { exitWithParent?: true }>(agent, host, {
    usage: "run",
    description: "Run the agent until it is told to end (Ctrl-C, SIGTERM).",
    examples: ["branchline agent run --config /etc/branchline/agent.toml"],
    options: [...settingsOptions("agent"), EXIT_WITH_PARENT],
    run: async ({ options, io }) => {
      const settings = agentSettings(options, io);
      await untilInterrupted((signal) => runTheAgent(settings, signal), {
        withParent: options.exitWithParent === true,
      });
      return { json: undefined, text: "" };
    },
  });
  addCommand<SettingsOptions>(agent, host, {
    usage: "status",
    description: "Show what the running agent is and does.",
    examples: ["branchline agent status --json"],
    options: settingsOptions("agent"),
    run: async ({ options, io }) => {
      const control = await openControl(agentSettings(options, io).data);
      const status = await control(AGENT_ROUTES.showStatus);
      return { json: status, text: statusText(status) };
    },
  });
}

function statusText(status: AgentStatusView): string {
  const facts = textTable([
    ["Device", status.deviceId],
    ["Host name", status.hostName],
    ["Office", `${status.office}${status.rvp ? " (RVP)" : ""}`],
    ["Server", `${status.server.address} ${status.server.connected ? "" : "(not connected)"}`],
    ["Version", status.productVersion],
    ...(status.lineBusySinceMs === undefined ? [] : [["Line", lineText(status.lineBusySinceMs)]]),
    ["Peers", String(status.peers.filter(({ connected }) => connected).length)],
  ]);
  const head = [facts, inForceTable(status.profile), ...status.profileProblems].join("\n\n");
  if (status.contents.length === 0) return `${head}\n\nNo contents.`;
  const contents = status.contents.map((content) => [
    content.contentId.slice(0, 12),
    `${content.name} ${content.version}`,
    content.state === "complete" || content.hold === "none" ? content.state : content.hold,
    `${sizeText(content.heldBytes)} of ${sizeText(content.sizeBytes)}`,
    content.deliveredTo ?? content.problem,
  ]);
  return `${head}\n\n${textTable([["Content", "Name", "State", "Held", "Where"], ...contents])}`;
}
