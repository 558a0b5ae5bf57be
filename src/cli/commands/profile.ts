import type { Command } from "commander";
import type { ProfileChanged, ProfileDeviceView, ProfileView } from "../../api/profile-schemas.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { entityTag } from "../../runtime/http/entity-tag.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import {
  addCommand,
  type CommandHost,
  type CommandResult,
  type OptionSpec,
  wholeNumber,
} from "../command.ts";
import type { Io } from "../io.ts";
import { everyPage } from "../pages.ts";
import {
  UNSETTABLE,
  type Unsettable,
  type ValueOptions,
  valueOptions,
  valuesFrom,
  withChanges,
} from "../profile-flags.ts";
import {
  PROFILE_VALUE_NAMES,
  profileSummary,
  profileTargetsText,
  profileValuesTable,
} from "../profile-text.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { textTable, timeText } from "../text-table.ts";

/** Adds `profile create`, `change`, `show`, `list`, `publish`, `unpublish` and `delete`. */
export function addProfileCommands(program: Command, host: CommandHost): void {
  const profile = program
    .command("profile")
    .description("What devices may cache, whom they take packages from, and on which ports.");
  addCreateCommand(profile, host);
  addChangeCommand(profile, host);
  addReadCommands(profile, host);
  addPublishCommands(profile, host);
  addCommand<ServerOptions>(profile, host, {
    usage: "delete <name>",
    description: "Remove a profile that is published nowhere.",
    examples: ["branchline profile delete Kiosks"],
    options: serverOptions(),
    run: async ({ arguments: [name = ""], options, io }) => {
      const control = await openServer(options, io);
      const removed = await control(SERVER_ROUTES.removeProfile, { params: { name } });
      return { json: removed, text: `There is no profile "${name}" any more.` };
    },
  });
}

type PutOptions = ServerOptions & ValueOptions & { readonly order?: number };

const ORDER: OptionSpec = {
  flags: "--order <number>",
  description: "of profiles published alike the lower order wins (default: behind all others)",
  parse: wholeNumber(0, 1_000_000),
};

function addCreateCommand(profile: Command, host: CommandHost): void {
  addCommand<PutOptions>(profile, host, {
    usage: "create <name>",
    description:
      "Make a profile. It is for nobody until it is published; what it does not set, others do, or " +
      "the device itself.",
    examples: [
      "branchline profile create Branches --mode distributed --max-age-days 30 --disk-percent 10",
      "branchline profile create Kiosks --mode disabled",
    ],
    options: [...valueOptions(), ORDER, ...serverOptions()],
    run: async ({ arguments: [name = ""], options, io }) => {
      const values = valuesFrom(options);
      const { order } = options;
      const control = await openServer(options, io);
      const body = { name, values, ...(order === undefined ? {} : { order }) };
      const made = await control(SERVER_ROUTES.createProfile, { body });
      const text =
        `Profile "${name}" sets: ${profileSummary(made.profile.values)}.\n` +
        `It is for nobody yet: branchline profile publish "${name}" --office NAME`;
      return { json: made, text };
    },
  });
}

function addChangeCommand(profile: Command, host: CommandHost): void {
  addCommand<PutOptions & { readonly unset?: readonly string[] }>(profile, host, {
    usage: "change <name>",
    description: "Change what a profile sets; what is not named stays. Devices are told at once.",
    examples: [
      "branchline profile change Branches --disk-percent 20",
      "branchline profile change Branches --unset max-age-days",
    ],
    options: [
      ...valueOptions(),
      {
        flags: "--unset <value>",
        description: `leave a value to others; repeatable: ${Object.keys(UNSETTABLE).join(", ")}`,
        repeated: true,
      },
      ORDER,
      ...serverOptions(),
    ],
    run: async ({ arguments: [name = ""], options, io }) => {
      const unset = (options.unset ?? []).map(unsettable);
      const control = await openServer(options, io);
      const params = { name };
      const before = await control(SERVER_ROUTES.showProfile, { params });
      const values = withChanges(before.values, { set: valuesFrom(options), unset });
      const { order = before.order } = options;
      // Somebody else may change it in the same moment: then nothing is lost but this command.
      const ifMatch = entityTag(before);
      const changed = await control(SERVER_ROUTES.changeProfile, {
        ...{ params, ifMatch },
        body: { values, order },
      });
      return changedResult(changed);
    },
  });
}

function unsettable(word: string): Unsettable {
  const known = UNSETTABLE[word];
  if (known !== undefined) return known;
  const words = Object.keys(UNSETTABLE).join(", ");
  throw new OperatorError("usage-arguments", `There is no value "${word}": there are ${words}.`);
}

function addReadCommands(profile: Command, host: CommandHost): void {
  addCommand<ServerOptions>(profile, host, {
    usage: "list",
    description: "List the profiles, in the order in which they are asked.",
    examples: ["branchline profile list"],
    options: serverOptions(),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { profiles } = await control(SERVER_ROUTES.listProfiles);
      const rows = profiles.map(({ name, order, values, targets }) => [
        ...[String(order), name, profileSummary(values)],
        profileTargetsText(targets),
      ]);
      const heading = ["Order", "Profile", "Sets", "Published to"];
      const text = rows.length === 0 ? "No profiles." : textTable([heading, ...rows]);
      return { json: { profiles }, text };
    },
  });
  addCommand<ServerOptions>(profile, host, {
    usage: "show <name>",
    description: "Show what a profile sets, for whom, and which devices have taken it.",
    examples: ["branchline profile show Branches"],
    options: serverOptions(),
    run: async ({ arguments: [name = ""], options, io }) => {
      const control = await openServer(options, io);
      const params = { name };
      const one = await control(SERVER_ROUTES.showProfile, { params });
      const devices = await everyPage(control, {
        route: SERVER_ROUTES.listProfileDevices,
        name: "devices",
        params,
        query: {},
      });
      return { json: { ...one, devices }, text: profileText(one, devices) };
    },
  });
}

type TargetOptions = ServerOptions & {
  readonly office?: readonly string[];
  readonly group?: readonly string[];
  readonly device?: readonly string[];
};

const TARGETS: readonly OptionSpec[] = [
  {
    flags: "--office <name>",
    description: "an office and all below it; repeatable",
    repeated: true,
  },
  { flags: "--group <name>", description: "a group; repeatable", repeated: true },
  { flags: "--device <id>", description: "a device; repeatable", repeated: true },
];

function addPublishCommands(profile: Command, host: CommandHost): void {
  addCommand<TargetOptions>(profile, host, {
    usage: "publish <name>",
    description:
      "Have a profile be in force for offices, groups or devices, besides those it is for already. " +
      "Of each value the profile of the device counts before those of its groups, and these before " +
      "that of the nearest office.",
    examples: [
      'branchline profile publish Branches --office "Branch Office"',
      "branchline profile publish Kiosks --group Kiosks",
    ],
    options: [...TARGETS, ...serverOptions()],
    run: async ({ arguments: [name = ""], options, io }) => {
      const control = await openServer(options, io);
      const what = { params: { name }, body: targetsOf(options) };
      return changedResult(await control(SERVER_ROUTES.publishProfile, what));
    },
  });
  addCommand<TargetOptions & { readonly everywhere?: true }>(profile, host, {
    usage: "unpublish <name>",
    description: "Take a profile back from offices, groups or devices; others count there then.",
    examples: [
      "branchline profile unpublish Kiosks --group Kiosks",
      "branchline profile unpublish Kiosks --everywhere",
    ],
    options: [
      ...TARGETS,
      { flags: "--everywhere", description: "from all for whom it is" },
      ...serverOptions(),
    ],
    run: async ({ arguments: [name = ""], options, io }) => await unpublish(name, options, io),
  });
}

async function unpublish(
  name: string,
  options: TargetOptions & { readonly everywhere?: true },
  io: Io,
): Promise<CommandResult> {
  const targets = targetsOf(options);
  if (options.everywhere === true && Object.keys(targets).length > 0) {
    const sentence = "Name some, or everywhere: not both.";
    throw new OperatorError("usage-arguments", sentence);
  }
  const control = await openServer(options, io);
  const everywhere = options.everywhere === true ? ({ everywhere: true } as const) : {};
  const what = { params: { name }, body: { ...targets, ...everywhere } };
  return changedResult(await control(SERVER_ROUTES.unpublishProfile, what));
}

function targetsOf({ office, group, device }: TargetOptions) {
  return {
    ...(office === undefined ? {} : { offices: [...office] }),
    ...(group === undefined ? {} : { groups: [...group] }),
    ...(device === undefined ? {} : { devices: [...device] }),
  };
}

function changedResult(changed: ProfileChanged): CommandResult {
  const { profile, devices, present } = changed;
  const away = devices - present;
  const others = away === 0 ? "" : `, when they are back: ${away}`;
  const text =
    `Profile "${profile.name}" sets: ${profileSummary(profile.values)}.\n` +
    `It is published to: ${profileTargetsText(profile.targets)}.\n` +
    `It sets something for ${devices} device${devices === 1 ? "" : "s"}; told now: ${present}${others}.`;
  return { json: changed, text };
}

function profileText(one: ProfileView, devices: readonly ProfileDeviceView[]): string {
  const head = textTable([
    ["Profile", one.name],
    ["Order", String(one.order)],
    ["Published to", profileTargetsText(one.targets)],
    ["Changed", timeText(one.changedAtMs)],
  ]);
  const parts = [head, profileValuesTable(one.values)];
  if (devices.length === 0) return [...parts, "It sets nothing for any device."].join("\n\n");
  const rows = devices.map(({ deviceId, hostName, office, present, sets, pending }) => [
    ...[deviceId, hostName, office, present ? "present" : "away"],
    sets.map((key) => PROFILE_VALUE_NAMES[key].toLowerCase()).join(", "),
    pending.length === 0
      ? "yes"
      : `not yet: ${pending.map((key) => PROFILE_VALUE_NAMES[key].toLowerCase()).join(", ")}`,
  ]);
  const heading = ["Device", "Host name", "Office", "Presence", "Sets", "Taken"];
  return [...parts, textTable([heading, ...rows])].join("\n\n");
}
