import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost, type CommandResult } from "../command.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { textTable } from "../text-table.ts";

type Devices = ServerOptions & { readonly device?: readonly string[] };

/** Adds `group create`, `group add`, `group remove`, `group delete` and `group list`. */
export function addGroupCommands(program: Command, host: CommandHost): void {
  const group = program.command("group").description("Named sets of devices, for deployments.");
  const devices = { flags: "--device <id>", description: "a device; repeatable", repeated: true };
  addCommand<Devices>(group, host, {
    usage: "create <name>",
    description: "Make a group.",
    examples: ["branchline group create Pilots --device b2e2696068ed985cf04fd9ce2cc52e9b"],
    options: [devices, ...serverOptions()],
    run: async ({ arguments: [name = ""], options, io }) => {
      const control = await openServer(options, io);
      const body = { name, devices: [...(options.device ?? [])] };
      return changed(await control(SERVER_ROUTES.createGroup, { body }));
    },
  });
  for (const kind of ["add", "remove"] as const) {
    addCommand<Devices>(group, host, {
      usage: `${kind} <name>`,
      description:
        kind === "add"
          ? "Put devices into a group; deployments to it are for them from now on."
          : "Take devices out of a group; deployments to it are for them no longer.",
      examples: [`branchline group ${kind} Pilots --device b2e2696068ed985cf04fd9ce2cc52e9b`],
      options: [{ ...devices, required: true }, ...serverOptions()],
      run: async ({ arguments: [name = ""], options, io }) => {
        const control = await openServer(options, io);
        const body = { [kind]: [...(options.device ?? [])] };
        return changed(await control(SERVER_ROUTES.changeGroup, { params: { name }, body }));
      },
    });
  }
  addCommand<ServerOptions>(group, host, {
    usage: "delete <name>",
    description: "Remove a group that no deployment names.",
    examples: ["branchline group delete Pilots"],
    options: serverOptions(),
    run: async ({ arguments: [name = ""], options, io }) => {
      const control = await openServer(options, io);
      const result = await control(SERVER_ROUTES.removeGroup, { params: { name } });
      return { json: result, text: `There is no group "${name}" any more.` };
    },
  });
  addCommand<ServerOptions>(group, host, {
    usage: "list",
    description: "List the groups and their devices.",
    examples: ["branchline group list"],
    options: serverOptions(),
    list: () => ({ route: SERVER_ROUTES.listGroups }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { groups } = await control(SERVER_ROUTES.listGroups);
      const rows = groups.flatMap(({ name, devices: members }) =>
        (members.length === 0 ? [""] : members).map((deviceId) => [name, deviceId]),
      );
      const text = rows.length === 0 ? "No groups." : textTable([["Group", "Device"], ...rows]);
      return { json: { groups }, text };
    },
  });
}

function changed(result: {
  readonly name: string;
  readonly devices: number;
  readonly present: number;
}): CommandResult {
  const { name, devices, present } = result;
  const text = `Group "${name}" has ${devices} devices, ${present} of them present.`;
  return { json: result, text };
}
