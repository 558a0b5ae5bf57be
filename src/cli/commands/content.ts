import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { openControl } from "../parts.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { sizeText, textTable, timeText } from "../text-table.ts";

/** Adds `content list` and `content show`. */
export function addContentCommands(program: Command, host: CommandHost): void {
  const content = program.command("content").description("What has been published.");
  addCommand<SettingsOptions>(content, host, {
    usage: "list",
    description: "List all contents, the newest first.",
    examples: ["branchline content list"],
    options: settingsOptions("server"),
    run: async ({ options, io }) => {
      const control = await openControl(serverSettings(options, io).data);
      const { contents } = await control(SERVER_ROUTES.listContents);
      const rows = contents.map((one) => [
        one.contentId.slice(0, 12),
        one.name,
        one.version,
        one.type,
        sizeText(one.sizeBytes),
        one.publisherName,
        timeText(one.publishedAtMs),
      ]);
      const heading = ["Content", "Name", "Version", "Type", "Size", "Publisher", "Published"];
      const text = rows.length === 0 ? "No contents." : textTable([heading, ...rows]);
      return { json: { contents }, text };
    },
  });
  addCommand<SettingsOptions>(content, host, {
    usage: "show <id>",
    description: "Show a content and its files; the first eight digits of its id are enough.",
    examples: ["branchline content show 1f2e3d4c"],
    options: settingsOptions("server"),
    run: async ({ arguments: [contentId = ""], options, io }) => {
      const control = await openControl(serverSettings(options, io).data);
      const one = await control(SERVER_ROUTES.showContent, { params: { contentId } });
      const facts = textTable([
        ["Content", one.contentId],
        ["Name", `${one.name} ${one.version} (${one.type})`],
        ["Size", `${sizeText(one.sizeBytes)} in ${one.pieces} pieces`],
        ["SHA-256", one.sha256],
        ["Publisher", `${one.publisherName} (${one.publisher})`],
        ["Published", timeText(one.publishedAtMs)],
      ]);
      const files = one.fileList.map((file) => [
        file.path,
        sizeText(file.sizeBytes),
        file.mode.toString(8).padStart(4, "0"),
        file.sha256,
      ]);
      const text = `${facts}\n\n${textTable([["File", "Size", "Mode", "SHA-256"], ...files])}`;
      return { json: one, text };
    },
  });
}
