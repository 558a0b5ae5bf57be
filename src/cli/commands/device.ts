import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { openControl } from "../parts.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { textTable, timeText } from "../text-table.ts";

/** Adds `device list`. */
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
      ]);
      const heading = ["Device", "Host name", "Office", "Addresses", "Presence", "Version"];
      const text = rows.length === 0 ? "No devices." : textTable([heading, ...rows]);
      return { json: { devices }, text };
    },
  });
}
