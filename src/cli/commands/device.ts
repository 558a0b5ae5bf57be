import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { DeviceDetail, DeviceView } from "../../api/server-schemas.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { everyPage } from "../pages.ts";
import { deviceProfileText } from "../profile-text.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { textTable, timeText } from "../text-table.ts";

/** Adds `device list`, `device show` and `device pardon`. */
export function addDeviceCommands(program: Command, host: CommandHost): void {
  const device = program.command("device").description("The enrolled devices.");
  addListCommand(device, host);
  addCommand<ServerOptions>(device, host, {
    usage: "show <id>",
    description:
      "Show a device, where it is, what profiles set for it and whether it has taken that, and what " +
      "other devices say against it.",
    examples: ["branchline device show 0123456789abcdef0123456789abcdef"],
    options: serverOptions(),
    run: async ({ arguments: [deviceId = ""], options, io }) => {
      const control = await openServer(options, io);
      const one = await control(SERVER_ROUTES.showDevice, { params: { deviceId } });
      const profile = await control(SERVER_ROUTES.showDeviceProfile, { params: { deviceId } });
      const text = `${deviceText(one)}\n\n${deviceProfileText(profile)}`;
      return { json: { ...one, profile }, text };
    },
  });
  addCommand<ServerOptions>(device, host, {
    usage: "pardon <id>",
    description: "Trust a shunned device again, and forget what was said against it.",
    examples: ["branchline device pardon 0123456789abcdef0123456789abcdef"],
    options: serverOptions(),
    run: async ({ arguments: [deviceId = ""], options, io }) => {
      const control = await openServer(options, io);
      const pardoned = await control(SERVER_ROUTES.pardonDevice, { params: { deviceId } });
      return { json: pardoned, text: `Device ${deviceId} is trusted again.` };
    },
  });
}

type ListOptions = ServerOptions & {
  readonly office?: string;
  readonly search?: string;
  readonly present?: true;
  readonly absent?: true;
  readonly sort?: (typeof SORTS)[number];
};

function queryOf({ office, search, sort, present, absent }: ListOptions) {
  return {
    ...(office === undefined ? {} : { office }),
    ...(search === undefined ? {} : { search }),
    ...(sort === undefined ? {} : { sort }),
    ...(present === absent ? {} : { present: present === true }),
  };
}

function addListCommand(device: Command, host: CommandHost): void {
  addCommand<ListOptions>(device, host, {
    usage: "list",
    description: "List the devices, by host name.",
    examples: ["branchline device list", 'branchline device list --office "Branch" --absent'],
    options: [
      { flags: "--office <name>", description: "those of an office" },
      { flags: "--search <text>", description: "those whose host name has this in it" },
      { flags: "--present", description: "those that the server hears from" },
      { flags: "--absent", description: "those that it does not hear from" },
      {
        flags: "--sort <word>",
        description: "by what to sort; - before it turns the order round",
        choices: SORTS.flatMap((word) => [word, `-${word}`]),
      },
      ...serverOptions(),
    ],
    list: ({ options }) => ({ route: SERVER_ROUTES.listDevices, query: queryOf(options) }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const devices = await everyPage(control, {
        route: SERVER_ROUTES.listDevices,
        name: "devices",
        query: queryOf(options),
      });
      const rows = devices.map((one) => [
        one.deviceId,
        one.hostName,
        one.office,
        one.hosts.join(" "),
        one.present ? "present" : `last seen ${timeText(one.lastSeenAtMs)}`,
        one.productVersion,
        marksOf(one),
      ]);
      const heading = [
        "Device",
        "Host name",
        "Office",
        "Addresses",
        "Presence",
        "Version",
        "Marks",
      ];
      const text = rows.length === 0 ? "No devices." : textTable([heading, ...rows]);
      return { json: { devices }, text };
    },
  });
}

const SORTS = ["hostName", "office", "lastSeen", "enrolled", "version"] as const;

/** What an operator must know of a device at a glance. */
function marksOf(one: DeviceView): string {
  const marks: string[] = [];
  if (one.shunnedAtMs !== undefined) marks.push("shunned");
  if (one.retiredAtMs !== undefined) marks.push("retired (cloned)");
  if (one.versionFit === "too-old") marks.push("version too old");
  if (one.versionFit === "too-new") marks.push("version too new");
  return marks.join(", ");
}

function deviceText(one: DeviceDetail): string {
  const facts = textTable([
    ["Device", one.deviceId],
    ["Host name", one.hostName],
    ["Machine", one.machineId],
    ["Office", one.office],
    ["Addresses", one.hosts.join(" ")],
    ["Seen from", one.seenHost],
    ["Presence", one.present ? "present" : `last seen ${timeText(one.lastSeenAtMs)}`],
    ["Version", one.productVersion],
    ["Enrolled", timeText(one.enrolledAtMs)],
    ["Marks", marksOf(one)],
  ]);
  if (one.accusations.length === 0) return facts;
  const rows = one.accusations.map((said) => [
    said.reporter,
    said.reporterHostName,
    said.offence,
    said.contentId.slice(0, 12),
    timeText(said.atMs),
  ]);
  return `${facts}\n\n${textTable([["Accused by", "Host name", "Of", "Content", "At"], ...rows])}`;
}
