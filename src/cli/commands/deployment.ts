import type { Command } from "commander";
import type {
  DeploymentDetail,
  DeploymentDevice,
  DeploymentView,
} from "../../api/deployment-schemas.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { pause, untilInterrupted } from "../interruption.ts";
import type { Io } from "../io.ts";
import { everyPage } from "../pages.ts";
import type { Control } from "../parts.ts";
import { Progress } from "../progress.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { lineText, sizeText, textTable, timeText } from "../text-table.ts";
import { addDeployCommand } from "./deploy.ts";
import { addSteeringCommands } from "./steering.ts";

/** Adds `deploy`, and all commands of `deployment`. */
export function addDeploymentCommands(program: Command, host: CommandHost): void {
  addDeployCommand(program, host);
  const deployment = program.command("deployment").description("What is being distributed.");
  addCommand<ServerOptions>(deployment, host, {
    usage: "list",
    description: "List all deployments, the newest first.",
    examples: ["branchline deployment list"],
    options: serverOptions(),
    list: () => ({ route: SERVER_ROUTES.listDeployments }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const deployments = await everyPage(control, {
        route: SERVER_ROUTES.listDeployments,
        name: "deployments",
      });
      const rows = deployments.map((one) => [
        one.deploymentId,
        `${one.name} ${one.version}`,
        one.priority,
        stateText(one),
        `${one.verified} of ${one.devices}`,
        timeText(one.createdAtMs),
        one.finishedAtMs === undefined ? "" : timeText(one.finishedAtMs),
      ]);
      const heading = [
        "Deployment",
        "Content",
        "Priority",
        "State",
        "Verified",
        "Begun",
        "Finished",
      ];
      const text = rows.length === 0 ? "No deployments." : textTable([heading, ...rows]);
      return { json: { deployments }, text };
    },
  });
  addCommand<ServerOptions & { readonly watch?: true }>(deployment, host, {
    usage: "show <id>",
    description: "Show where each office and each device stands.",
    examples: ["branchline deployment show 7 --watch"],
    options: [
      {
        flags: "--watch",
        description: "wait until every device has verified it, failed or need not have it",
      },
      ...serverOptions(),
    ],
    run: async ({ arguments: [deploymentId = ""], options, io }) => {
      const control = await openServer(options, io);
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
  addSteeringCommands(deployment, host);
}

/** Whether every device of a deployment has come to an end, good or bad. */
export function isOver(deployment: DeploymentDetail): boolean {
  return (
    deployment.devices.length > 0 &&
    deployment.devices.every(
      ({ state, standing }) =>
        state === "complete" || state === "failed" || standing.kind === "cancelled",
    )
  );
}

/** Where a deployment stands as a whole. */
function stateText({ cancelledAtMs, finishedAtMs, directives }: DeploymentView): string {
  if (cancelledAtMs !== undefined) return "cancelled";
  const words = directives.filter(({ kind }) => kind === "pause" || kind === "resume");
  const whole = words.some(
    ({ kind, office, deviceId }) => kind === "pause" && !office && !deviceId,
  );
  if (whole) return words.length > 1 ? "paused, not everywhere" : "paused";
  if (words.some(({ kind }) => kind === "pause")) return "paused in part";
  return finishedAtMs === undefined ? "active" : "finished";
}

/** Where a device stands: what it has counts before what it may fetch. */
function deviceStateText({ state, standing }: DeploymentDevice): string {
  if (state === "complete" || standing.kind === "active") return state;
  return standing.kind === "closed" ? "waiting" : standing.kind;
}

/** Why a device does not go on. */
function whyText({ state, standing, present, problem, lineBusySinceMs }: DeploymentDevice): string {
  if (state === "complete") return problem;
  const opens = standing.opensAtMs === undefined ? "" : `, from ${timeText(standing.opensAtMs)}`;
  const away = present ? "" : "away: learns it when it is back";
  const why = standing.why === "" ? "" : `${standing.why}${opens}`;
  return [why, problem || lineText(lineBusySinceMs), away].filter((text) => text !== "").join("; ");
}

/** What there is to say of a deployment's rules. */
function ruleRows(one: DeploymentDetail): readonly (readonly string[])[] {
  const { targets, windows, notBeforeMs, notAfterMs } = one;
  const { all, offices = [], officeTrees = [], groups = [], devices = [], where = [] } = targets;
  const names = [
    ...(all === true ? ["all devices"] : []),
    ...officeTrees.map((name) => `office "${name}" and those below it`),
    ...offices.map((name) => `office "${name}"`),
    ...groups.map((name) => `group "${name}"`),
    ...devices.map((name) => `device ${name}`),
  ];
  const times = [
    ...(notBeforeMs === undefined ? [] : [`not before ${timeText(notBeforeMs)}`]),
    ...(notAfterMs === undefined ? [] : [`not after ${timeText(notAfterMs)}`]),
    ...windows,
  ];
  return [
    ["For", [...(names.length === 0 ? ["all devices"] : names), ...where].join(", ")],
    ["Priority", one.priority],
    ["Revision", String(one.revision)],
    ["When", times.length === 0 ? "at any time" : times.join(", ")],
    ["Action", one.runAction ? "runs where the content has one" : "does not run"],
  ];
}

/** Writes a deployment for a person. */
export function deploymentText(one: DeploymentDetail): string {
  const facts = textTable([
    ["Deployment", one.deploymentId],
    ["Content", `${one.name} ${one.version} (${one.contentId})`],
    ["Size", sizeText(one.sizeBytes)],
    ...ruleRows(one),
    ["Begun", timeText(one.startedAtMs)],
    ["Finished", one.finishedAtMs === undefined ? "not yet" : timeText(one.finishedAtMs)],
    ...(one.cancelledAtMs === undefined ? [] : [["Cancelled", timeText(one.cancelledAtMs)]]),
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
    deviceStateText(device),
    `${sizeText(device.heldBytes)}`,
    whyText(device),
  ]);
  return [
    facts,
    textTable([
      ["Office", "Parent", "RVP", "WAN", "Origins", "LAN", "Copies", "Verified", "Line"],
      ...offices,
    ]),
    textTable([["Device", "Host name", "Office", "State", "Held", "Why"], ...devices]),
  ].join("\n\n");
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
