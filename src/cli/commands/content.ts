import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { everyPage } from "../pages.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { sizeText, textTable, timeText } from "../text-table.ts";

/** Adds `content list` and `content show`. */
export function addContentCommands(program: Command, host: CommandHost): void {
  const content = program.command("content").description("What has been published.");
  addCommand<ServerOptions & { readonly search?: string }>(content, host, {
    usage: "list",
    description: "List the contents, the newest first.",
    examples: ["branchline content list", "branchline content list --search editor"],
    options: [
      { flags: "--search <text>", description: "those whose name has this in it" },
      ...serverOptions(),
    ],
    list: ({ options: { search } }) => ({ route: SERVER_ROUTES.listContents, query: { search } }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const contents = await everyPage(control, {
        route: SERVER_ROUTES.listContents,
        name: "contents",
        query: options.search === undefined ? {} : { search: options.search },
      });
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
  addCommand<ServerOptions>(content, host, {
    usage: "show <id>",
    description: "Show a content and its files; the first eight digits of its id are enough.",
    examples: ["branchline content show 1f2e3d4c"],
    options: serverOptions(),
    run: async ({ arguments: [contentId = ""], options, io }) => {
      const control = await openServer(options, io);
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
