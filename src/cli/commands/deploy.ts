import type { Command } from "commander";
import type { PriorityWord } from "../../api/common.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { addCommand, type CommandHost, moment, type OptionSpec } from "../command.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";

type DeployOptions = ServerOptions & {
  readonly office?: readonly string[];
  readonly officeOnly?: readonly string[];
  readonly group?: readonly string[];
  readonly device?: readonly string[];
  readonly where?: readonly string[];
  readonly all?: true;
  readonly priority?: PriorityWord;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly window?: readonly string[];
  readonly runAction?: true;
};

/** How urgent a deployment is. */
export const PRIORITY_WORDS: readonly PriorityWord[] = ["high", "medium", "low"];

const OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--office <name>",
    description: "the devices of an office and of those below it; repeatable",
    repeated: true,
  },
  {
    flags: "--office-only <name>",
    description: "the devices of an office without those below it; repeatable",
    repeated: true,
  },
  { flags: "--group <name>", description: "the devices of a group; repeatable", repeated: true },
  { flags: "--device <id>", description: "one device; repeatable", repeated: true },
  { flags: "--all", description: "all devices" },
  {
    flags: "--where <condition>",
    description:
      "of these only devices with ATTR=VALUE or ATTR!=VALUE, in which * stands for anything: name, " +
      "version, os, os-release, server-os, arch, chassis; repeatable",
    repeated: true,
  },
  {
    flags: "--priority <word>",
    description: "how urgent it is (default: medium)",
    choices: PRIORITY_WORDS,
  },
  {
    flags: "--not-before <time>",
    description: "fetch nothing before, such as 2026-12-01T18:00",
    parse: moment,
  },
  { flags: "--not-after <time>", description: "fetch nothing from then on", parse: moment },
  {
    flags: "--window <text>",
    description:
      'fetch only then, such as "Mon-Fri 18:00-06:00", in the time zone of each office; repeatable',
    repeated: true,
  },
  { flags: "--run-action", description: "have the content's signed action run, where it has one" },
];

/** Adds `deploy`. */
export function addDeployCommand(program: Command, host: CommandHost): void {
  addCommand<DeployOptions>(program, host, {
    usage: "deploy <content>",
    description:
      "Distribute a content to offices, groups, devices or all. It is a rule: devices that come " +
      "later have it too.",
    examples: [
      "branchline deploy 1f2e3d4c --all",
      'branchline deploy 1f2e3d4c --office "Branch Office" --where os=windows --priority high',
      'branchline deploy 1f2e3d4c --group Pilots --window "Mon-Fri 18:00-06:00"',
    ],
    options: [...OPTIONS, ...serverOptions()],
    run: async ({ arguments: [contentId = ""], options, io }) => {
      const { notBefore, notAfter, priority, window } = options;
      const control = await openServer(options, io);
      const { deploymentId } = await control(SERVER_ROUTES.deploy, {
        body: {
          contentId,
          targets: targetsOf(options),
          ...(priority === undefined ? {} : { priority }),
          ...(notBefore === undefined ? {} : { notBeforeMs: notBefore }),
          ...(notAfter === undefined ? {} : { notAfterMs: notAfter }),
          ...(window === undefined ? {} : { windows: [...window] }),
          ...(options.runAction === true ? { runAction: true } : {}),
        },
      });
      const text =
        `Deployment ${deploymentId} has begun. Watch it with:\n` +
        `  branchline deployment show ${deploymentId} --watch`;
      return { json: { deploymentId }, text };
    },
  });
}

function targetsOf({ all, office, officeOnly, group, device, where }: DeployOptions) {
  const targets = {
    ...(all === true ? { all } : {}),
    ...(officeOnly === undefined ? {} : { offices: [...officeOnly] }),
    ...(office === undefined ? {} : { officeTrees: [...office] }),
    ...(group === undefined ? {} : { groups: [...group] }),
    ...(device === undefined ? {} : { devices: [...device] }),
    ...(where === undefined ? {} : { where: [...where] }),
  };
  if (Object.keys(targets).length > 0) return targets;
  const sentence = "To whom? Name --office, --group, --device, --where or --all.";
  throw new OperatorError("usage-targets", sentence);
}
