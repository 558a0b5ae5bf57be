import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost, wholeNumber } from "../command.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { textTable, timeText } from "../text-table.ts";

/** Adds `server token create`, `server token list` and `server token revoke`. */
export function addTokenCommands(server: Command, host: CommandHost): void {
  const token = server.command("token").description("Who may use the API over TLS.");
  addCommand<ServerOptions & { readonly days?: number }>(token, host, {
    usage: "create <name>",
    description:
      "Make a token, and print it, once: whoever has it can do all that an administrator can, over " +
      "TLS, until it expires or is revoked.",
    examples: ["branchline server token create dashboards --days 90"],
    options: [
      {
        flags: "--days <number>",
        description: "for how many days it is good (default: until it is revoked)",
        parse: wholeNumber(1, DAYS_MAX),
      },
      ...serverOptions(),
    ],
    run: async ({ arguments: [name = ""], options, io }) => {
      const { days } = options;
      const expiry = days === undefined ? {} : { expiresAtMs: Date.now() + days * DAY_MS };
      const control = await openServer(options, io);
      const made = await control(SERVER_ROUTES.createToken, { body: { name, ...expiry } });
      const text =
        `Token: ${made.token}\n\nIt is shown this once: only its hash is kept. Put it into a file ` +
        "that only you can read:\n" +
        "  branchline device list --server https://HOST:8443 --token-file FILE \\\n" +
        "    --fingerprint FINGERPRINT\n";
      return { json: made, text };
    },
  });
  addCommand<ServerOptions>(token, host, {
    usage: "list",
    description: "List the tokens; none of them can be shown again.",
    examples: ["branchline server token list"],
    options: serverOptions(),
    list: () => ({ route: SERVER_ROUTES.listTokens }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { tokens } = await control(SERVER_ROUTES.listTokens);
      const rows = tokens.map((one) => [
        one.tokenId,
        one.name,
        timeText(one.createdAtMs),
        one.expiresAtMs === undefined ? "" : timeText(one.expiresAtMs),
        one.usedAtMs === undefined ? "never" : timeText(one.usedAtMs),
      ]);
      const heading = ["Token", "Name", "Made", "Expires", "Used"];
      return {
        json: { tokens },
        text: rows.length === 0 ? "No tokens." : textTable([heading, ...rows]),
      };
    },
  });
  addCommand<ServerOptions>(token, host, {
    usage: "revoke <id>",
    description: "Make a token worthless, at once.",
    examples: ["branchline server token revoke 01234567-89ab-cdef-0123-456789abcdef"],
    options: serverOptions(),
    run: async ({ arguments: [tokenId = ""], options, io }) => {
      const control = await openServer(options, io);
      const revoked = await control(SERVER_ROUTES.revokeToken, { params: { tokenId } });
      return { json: revoked, text: `The token "${revoked.name}" is worth nothing any more.` };
    },
  });
}

const DAY_MS = 86_400_000;

/** Ten years: whoever wants more gives no end. */
const DAYS_MAX = 3_652;
