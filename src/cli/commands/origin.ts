import { resolve } from "node:path";
import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { OriginView } from "../../api/server-schemas.ts";
import type { ContentId } from "../../base/ids.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { openControl, uploadToOrigin } from "../parts.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { type SettingsOptions, serverSettings, settingsOptions } from "../settings-flags.ts";
import { textTable } from "../text-table.ts";

/** Adds `origin add`, `origin list`, `origin remove` and `origin upload`. */
export function addOriginCommands(program: Command, host: CommandHost): void {
  const origin = program
    .command("origin")
    .description("Where packages can be had when no device has them: CDNs and file storage.");
  addCommand<ServerOptions & { readonly kind?: OriginView["kind"] }>(origin, host, {
    usage: "add <location>",
    description:
      "Add an origin and tell all devices. An HTTP(S) address is a CDN unless --kind says " +
      "otherwise; a directory, by the absolute path under which devices read it, is file storage, " +
      "and the server puts every package into it that lies in its own file storage directory.",
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
  addUploadCommand(origin, host);
}

function addUploadCommand(origin: Command, host: CommandHost): void {
  addCommand<SettingsOptions & { readonly storage?: string }>(origin, host, {
    usage: "upload <content> <folder>",
    description:
      "Copy the bytes of a published content from the file storage directory into a folder, under " +
      "the name that devices ask an origin for: what a web server or CDN then serves.",
    examples: ["branchline origin upload 1f2e3d4c /srv/www/packages"],
    options: [
      {
        flags: "--storage <folder>",
        description: "the file storage directory (default: the server's storage.folder)",
      },
      ...settingsOptions("server"),
    ],
    run: async ({ arguments: [prefix = "", folder = ""], options, io }) => {
      const settings = serverSettings(options, io);
      const control = await openControl(settings.data);
      const params = { contentId: prefix };
      const { contentId } = await control(SERVER_ROUTES.showContent, { params });
      const { path, wasThere } = await uploadToOrigin({
        storage: options.storage ?? settings.storage.folder,
        contentId: contentId as ContentId,
        directory: resolve(folder),
      });
      const text = wasThere ? `It is there already: ${path}` : `Copied to ${path}`;
      return { json: { contentId, path, wasThere }, text };
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
