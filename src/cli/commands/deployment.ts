import type { Command } from "commander";
import type { PriorityWord } from "../../api/common.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { DeploymentDetail } from "../../api/server-schemas.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { pause, untilInterrupted } from "../interruption.ts";
import type { Io } from "../io.ts";
import { type Control, openControl } from "../parts.ts";
import { Progress } from "../progress.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { lineText, sizeText, textTable, timeText } from "../text-table.ts";

type DeployOptions = SettingsOptions & {
  readonly to?: readonly string[];
  readonly device?: readonly string[];
  readonly all?: true;
  readonly priority?: PriorityWord;
};

/** Adds `deploy`, `deployment list` and `deployment show`. */
export function addDeploymentCommands(program: Command, host: CommandHost): void {
  addDeployCommand(program, host);
  const deployment = program.command("deployment").description("What is being distributed.");
  addCommand<SettingsOptions>(deployment, host, {
    usage: "list",
    description: "List all deployments, the newest first.",
    examples: ["branchline deployment list"],
    options: settingsOptions("server"),
    run: async ({ options, io }) => {
      const control = await openControl(serverSettings(options, io).data);
      const { deployments } = await control(SERVER_ROUTES.listDeployments);
      const rows = deployments.map((one) => [
        one.deploymentId,
        `${one.name} ${one.version}`,
        one.priority,
        `${one.verified} of ${one.devices}`,
        timeText(one.createdAtMs),
        one.finishedAtMs === undefined ? "" : timeText(one.finishedAtMs),
      ]);
      const heading = ["Deployment", "Content", "Priority", "Verified", "Begun", "Finished"];
      const text = rows.length === 0 ? "No deployments." : textTable([heading, ...rows]);
      return { json: { deployments }, text };
    },
  });
  addCommand<SettingsOptions & { readonly watch?: true }>(deployment, host, {
    usage: "show <id>",
    description: "Show where each office and each device stands.",
    examples: ["branchline deployment show 7 --watch"],
    options: [
      { flags: "--watch", description: "wait until every device has verified it or failed" },
      ...settingsOptions("server"),
    ],
    run: async ({ arguments: [deploymentId = ""], options, io }) => {
      const control = await openControl(serverSettings(options, io).data);
      if (options.watch !== true) {
        const one = await control(SERVER_ROUTES.showDeployment, { params: { deploymentId } });
        return { json: one, text: deploymentText(one) };
      }
      const one = await untilInterrupted((signal) => watch(control, deploymentId, io, signal));
      const verified = one.devices.every(({ state }) => state === "complete");
      const exitCode = verified ? EXIT.ok : EXIT.failed;
      return { json: one, text: deploymentText(one), exitCode };
    },
  });
}

/** Whether every device of a deployment has come to an end, good or bad. */
export function isOver(deployment: DeploymentDetail): boolean {
  return (
    deployment.devices.length > 0 &&
    deployment.devices.every(({ state }) => state === "complete" || state === "failed")
  );
}

/** Writes a deployment for a person. */
export function deploymentText(one: DeploymentDetail): string {
  const facts = textTable([
    ["Deployment", one.deploymentId],
    ["Content", `${one.name} ${one.version} (${one.contentId})`],
    ["Size", sizeText(one.sizeBytes)],
    ["Begun", timeText(one.startedAtMs)],
    ["Finished", one.finishedAtMs === undefined ? "not yet" : timeText(one.finishedAtMs)],
  ]);
  const offices = one.offices.map((office) => [
    office.office,
    office.parent ?? "",
    office.rvp,
    sizeText(office.wanBytes),
    sizeText(office.originBytes),
    sizeText(office.lanBytes),
    office.copies.toFixed(2),
    `${office.verified} of ${office.devices}`,
    lineText(office.lineBusySinceMs),
  ]);
  const devices = one.devices.map((device) => [
    device.deviceId,
    device.hostName,
    device.office,
    device.state,
    `${sizeText(device.heldBytes)}`,
    device.problem || lineText(device.lineBusySinceMs),
  ]);
  return [
    facts,
    textTable([
      ["Office", "Parent", "RVP", "WAN", "Origins", "LAN", "Copies", "Verified", "Line"],
      ...offices,
    ]),
    textTable([["Device", "Host name", "Office", "State", "Held", "Problem"], ...devices]),
  ].join("\n\n");
}

function addDeployCommand(program: Command, host: CommandHost): void {
  addCommand<DeployOptions>(program, host, {
    usage: "deploy <content>",
    description: "Distribute a content to offices, to devices or to all.",
    examples: [
      "branchline deploy 1f2e3d4c --all",
      'branchline deploy 1f2e3d4c --to "Branch Office" --to Lab --priority high',
    ],
    options: [
      {
        flags: "--to <office>",
        description: "the devices of an office; repeatable",
        repeated: true,
      },
      { flags: "--device <id>", description: "one device; repeatable", repeated: true },
      { flags: "--all", description: "all devices" },
      {
        flags: "--priority <word>",
        description: "how urgent it is",
        choices: ["high", "medium", "low"],
      },
      ...settingsOptions("server"),
    ],
    run: async ({ arguments: [contentId = ""], options, io }) => {
      const targets = {
        ...(options.all === true ? { all: true as const } : {}),
        ...(options.to === undefined ? {} : { offices: [...options.to] }),
        ...(options.device === undefined ? {} : { devices: [...options.device] }),
      };
      if (Object.keys(targets).length === 0) {
        throw new OperatorError("usage-targets", "To whom? Name --to, --device or --all.");
      }
      const control = await openControl(serverSettings(options, io).data);
      const { deploymentId } = await control(SERVER_ROUTES.deploy, {
        body: {
          contentId,
          targets,
          ...(options.priority === undefined ? {} : { priority: options.priority }),
        },
      });
      const text =
        `Deployment ${deploymentId} has begun. Watch it with:\n` +
        `  branchline deployment show ${deploymentId} --watch`;
      return { json: { deploymentId }, text };
    },
  });
}

async function watch(
  control: Control,
  deploymentId: string,
  io: Io,
  signal: AbortSignal,
): Promise<DeploymentDetail> {
  const progress = new Progress(io);
  try {
    for (;;) {
      const one = await control(SERVER_ROUTES.showDeployment, { params: { deploymentId } });
      if (isOver(one)) return one;
      const heldBytes = one.devices.reduce((total, device) => total + device.heldBytes, 0);
      const verified = one.devices.filter(({ state }) => state === "complete").length;
      const what = `${verified} of ${one.devices.length} devices`;
      progress.show(what, heldBytes, one.sizeBytes * one.devices.length);
      await pause(WATCH_MS, signal);
    }
  } finally {
    progress.end();
  }
}

/** How often a watched deployment is looked at, in milliseconds. */
const WATCH_MS = 500;
