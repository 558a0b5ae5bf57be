import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost, wholeNumber } from "../command.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { textTable, timeText } from "../text-table.ts";

type AuditOptions = ServerOptions & { readonly limit?: number; readonly after?: string };

/** Most characters of what was before, and after, in a table. */
const DETAIL_LENGTH_MAX = 60;

/** Adds `audit list`. */
export function addAuditCommands(program: Command, host: CommandHost): void {
  const audit = program.command("audit").description("What operators did.");
  addCommand<AuditOptions>(audit, host, {
    usage: "list",
    description: "List what operators did, the newest first; with --json whole.",
    examples: ["branchline audit list --limit 20"],
    options: [
      {
        flags: "--limit <number>",
        description: "how many rows (default: 100)",
        parse: wholeNumber(1, 1_000),
      },
      { flags: "--after <id>", description: "begin behind the row of this id" },
      ...serverOptions(),
    ],
    list: ({ options: { limit, after } }) => ({
      ...{ route: SERVER_ROUTES.listAudit, query: { limit, after } },
    }),
    run: async ({ options, io }) => {
      const { limit, after } = options;
      const control = await openServer(options, io);
      const query = {
        ...(limit === undefined ? {} : { limit }),
        ...(after === undefined ? {} : { after }),
      };
      const { rows, total } = await control(SERVER_ROUTES.listAudit, { query });
      const table = rows.map((row) => [
        row.id,
        timeText(row.atMs),
        row.who,
        row.action,
        row.subject,
        shortened(row.before),
        shortened(row.after),
      ]);
      const heading = ["Row", "When", "Who", "What", "Of", "Before", "After"];
      const last = rows.at(-1)?.id ?? "";
      const more = rows.length < total && last !== "" ? `\n\nMore: --after ${last}` : "";
      const text = rows.length === 0 ? "Nothing yet." : `${textTable([heading, ...table])}${more}`;
      return { json: { rows, total }, text };
    },
  });
}

function shortened(text: string): string {
  return text.length <= DETAIL_LENGTH_MAX ? text : `${text.slice(0, DETAIL_LENGTH_MAX - 1)}…`;
}
