import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type {
  OutsideView,
  TopologyChangeEntry,
  TopologyChangeView,
} from "../../api/topology-schemas.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { findingLines } from "../findings.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { textTable, timeText } from "../text-table.ts";

/** Most lines of each list that a preview shows to people. */
const LINES_MAX = 20;

/** Adds `topology history`, `topology undo` and `topology outside`. */
export function addTopologyChangeCommands(topology: Command, host: CommandHost): void {
  addCommand<ServerOptions>(topology, host, {
    usage: "history",
    description: "Show the last changes of the topology: when, by whom, how much.",
    examples: ["branchline topology history"],
    options: serverOptions(),
    list: () => ({ route: SERVER_ROUTES.listTopologyChanges }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { changes } = await control(SERVER_ROUTES.listTopologyChanges);
      return { json: { changes }, text: historyText(changes) };
    },
  });
  addCommand<ServerOptions>(topology, host, {
    usage: "undo [number]",
    description:
      "Put the topology in force that was before a change (default: the last one). That is a " +
      "change itself, and can be undone.",
    examples: ["branchline topology undo", "branchline topology undo 7"],
    options: serverOptions(),
    run: async ({ arguments: [number], options, io }) => {
      const control = await openServer(options, io);
      const { changes } = await control(SERVER_ROUTES.listTopologyChanges);
      const which = number ?? String(changes[0]?.number ?? 0);
      const params = { number: which };
      const change = await control(SERVER_ROUTES.undoTopologyChange, { params });
      const text = `The topology is as it was before change ${which}.\n${changeText(change)}`;
      return { json: { number: Number(which), ...change }, text };
    },
  });
  addCommand<ServerOptions>(topology, host, {
    usage: "outside",
    description: "List the devices that no office claims: each fetches for itself.",
    examples: ["branchline topology outside"],
    options: serverOptions(),
    list: () => ({ route: SERVER_ROUTES.listOutside }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { devices } = await control(SERVER_ROUTES.listOutside);
      return { json: { devices }, text: outsideText(devices) };
    },
  });
}

/** What a change comes to, with the linter's findings, for people. */
export function changeText(change: TopologyChangeView): string {
  const { added, removed, changed, moves, findings } = change;
  const sections = [
    section(
      "added",
      added.map((office) => `+ ${office}`),
    ),
    section(
      "removed",
      removed.map((office) => `- ${office}`),
    ),
    section(
      "changed",
      changed.flatMap(({ office, fields }) =>
        fields.map(({ field, before, after }) => `~ ${office}: ${field} "${before}" -> "${after}"`),
      ),
      changed.length,
    ),
    section(
      "devices move",
      moves.map(({ hostName, from, to }) => `  ${hostName}: ${from} -> ${to}`),
    ),
  ];
  const same = added.length + removed.length + changed.length === 0;
  return [...(same ? ["Nothing changes."] : sections.flat()), ...findingLines(findings)].join("\n");
}

function section(what: string, lines: readonly string[], count = lines.length): readonly string[] {
  const more = lines.length - LINES_MAX;
  const rest = more > 0 ? [`  and ${more} more (--json shows all)`] : [];
  return count === 0 ? [] : [`${count} ${what}:`, ...lines.slice(0, LINES_MAX), ...rest];
}

function historyText(changes: readonly TopologyChangeEntry[]): string {
  if (changes.length === 0) return "No changes yet.";
  const heading = ["Number", "When", "By", "What", "Added", "Removed", "Changed", "Devices moved"];
  const rows = changes.map(({ number, atMs, who, action, added, removed, changed, moved }) => [
    ...[String(number), timeText(atMs), who, action],
    ...[added, removed, changed, moved].map(String),
  ]);
  return textTable([heading, ...rows]);
}

function outsideText(devices: readonly OutsideView[]): string {
  if (devices.length === 0) return "Every device is in an office.";
  const heading = ["Device", "Host name", "Seen at", "Its addresses", "Present"];
  const rows = devices.map(({ deviceId, hostName, seenHost, hosts, present }) => [
    ...[deviceId, hostName, seenHost, hosts.join(", "), present ? "yes" : "no"],
  ]);
  return textTable([heading, ...rows]);
}
