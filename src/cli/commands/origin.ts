import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { OriginView } from "../../api/server-schemas.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { textTable } from "../text-table.ts";

/** Adds `origin add`, `origin list` and `origin remove`. */
export function addOriginCommands(program: Command, host: CommandHost): void {
  const origin = program
    .command("origin")
    .description(
      "Where packages can be had when no device has them, before file storage is asked.",
    );
  addCommand<ServerOptions & { readonly kind?: OriginView["kind"] }>(origin, host, {
    usage: "add <location>",
    description:
      "Add an origin and tell all devices. An HTTP(S) address is a CDN unless --kind says " +
      "otherwise; a directory, by the absolute path under which devices read it, is a copy of the " +
      "file storage, and the server puts every package into it that lies there.",
    examples: [
      "branchline origin add https://cdn.example/packages",
      "branchline origin add /mnt/packages",
    ],
    options: [
      { flags: "--kind <word>", description: "what it is", choices: ["cdn", "storage"] },
      ...serverOptions(),
    ],
    run: async ({ arguments: [location = ""], options, io }) => {
      const control = await openServer(options, io);
      const { kind } = options;
      const body = { location, ...(kind === undefined ? {} : { kind }) };
      const { origins } = await control(SERVER_ROUTES.addOrigin, { body });
      return { json: { origins }, text: originsText(origins) };
    },
  });
  addCommand<ServerOptions>(origin, host, {
    usage: "list",
    description: "List the origins in the order in which devices ask them.",
    examples: ["branchline origin list"],
    options: serverOptions(),
    list: () => ({ route: SERVER_ROUTES.listOrigins }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { origins } = await control(SERVER_ROUTES.listOrigins);
      return { json: { origins }, text: originsText(origins) };
    },
  });
  addCommand<ServerOptions>(origin, host, {
    usage: "remove <location>",
    description: "Remove an origin and tell all devices; what lies there stays.",
    examples: ["branchline origin remove https://cdn.example/packages"],
    options: serverOptions(),
    run: async ({ arguments: [location = ""], options, io }) => {
      const control = await openServer(options, io);
      const { origins } = await control(SERVER_ROUTES.removeOrigin, { body: { location } });
      return { json: { origins }, text: originsText(origins) };
    },
  });
}

function originsText(origins: readonly OriginView[]): string {
  if (origins.length === 0) return "No origins.";
  return textTable([
    ["Kind", "Location"],
    ...origins.map(({ kind, location }) => [kind, location]),
  ]);
}
