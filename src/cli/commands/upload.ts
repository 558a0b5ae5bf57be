import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { sizeText, textTable, timeText } from "../text-table.ts";

/** Adds `upload list` and `upload abandon`. */
export function addUploadCommands(program: Command, host: CommandHost): void {
  const upload = program
    .command("upload")
    .description("Packages on their way into the file storage; publish begins and ends them.");
  addCommand<ServerOptions>(upload, host, {
    usage: "list",
    description: "List the uploads that are not complete; publish again to go on with one.",
    examples: ["branchline upload list"],
    options: serverOptions(),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { uploads } = await control(SERVER_ROUTES.listUploads);
      const rows = uploads.map((one) => [
        one.uploadId,
        `${one.name} ${one.version}`,
        `${sizeText(one.haveBytes)} of ${sizeText(one.sizeBytes)}`,
        one.startedBy,
        timeText(one.updatedAtMs),
      ]);
      const heading = ["Upload", "Package", "Has come", "By", "Last"];
      const text = rows.length === 0 ? "No uploads." : textTable([heading, ...rows]);
      return { json: { uploads }, text };
    },
  });
  addCommand<ServerOptions>(upload, host, {
    usage: "abandon <id>",
    description: "Give an upload up; what came of it is removed.",
    examples: ["branchline upload abandon 01234567-89ab-cdef-0123-456789abcdef"],
    options: serverOptions(),
    run: async ({ arguments: [uploadId = ""], options, io }) => {
      const control = await openServer(options, io);
      const gone = await control(SERVER_ROUTES.abandonUpload, { params: { uploadId } });
      return { json: gone, text: `What came of ${gone.name} ${gone.version} is removed.` };
    },
  });
}
