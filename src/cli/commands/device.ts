import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { DeviceDetail, DeviceView } from "../../api/server-schemas.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { openControl } from "../parts.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { textTable, timeText } from "../text-table.ts";

/** Adds `device list`, `device show` and `device pardon`. */
export function addDeviceCommands(program: Command, host: CommandHost): void {
  const device = program.command("device").description("The enrolled devices.");
  addCommand<SettingsOptions>(device, host, {
    usage: "list",
    description: "List all devices.",
    examples: ["branchline device list"],
    options: settingsOptions("server"),
    run: async ({ options, io }) => {
      const control = await openControl(serverSettings(options, io).data);
      const { devices } = await control(SERVER_ROUTES.listDevices);
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
  addCommand<SettingsOptions>(device, host, {
    usage: "show <id>",
    description: "Show a device, where it is, and what other devices say against it.",
    examples: ["branchline device show 0123456789abcdef0123456789abcdef"],
    options: settingsOptions("server"),
    run: async ({ arguments: [deviceId = ""], options, io }) => {
      const control = await openControl(serverSettings(options, io).data);
      const one = await control(SERVER_ROUTES.showDevice, { params: { deviceId } });
      return { json: one, text: deviceText(one) };
    },
  });
  addCommand<SettingsOptions>(device, host, {
    usage: "pardon <id>",
    description: "Trust a shunned device again, and forget what was said against it.",
    examples: ["branchline device pardon 0123456789abcdef0123456789abcdef"],
    options: settingsOptions("server"),
    run: async ({ arguments: [deviceId = ""], options, io }) => {
      const control = await openControl(serverSettings(options, io).data);
      const pardoned = await control(SERVER_ROUTES.pardonDevice, { params: { deviceId } });
      return { json: pardoned, text: `Device ${deviceId} is trusted again.` };
    },
  });
}

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
