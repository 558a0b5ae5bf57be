import type { Command } from "commander";
import type { DistributionSums, DistributionView } from "../../api/insight-schemas.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { everyPage } from "../pages.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { sizeText, textTable } from "../text-table.ts";

const BY = ["office", "type", "content", "device"] as const;

type DistributionOptions = ServerOptions & {
  readonly by?: (typeof BY)[number];
  readonly office?: string;
  readonly type?: string;
  readonly content?: string;
  readonly device?: string;
};

/** Adds `distribution`. */
export function addDistributionCommand(program: Command, host: CommandHost): void {
  addCommand<DistributionOptions>(program, host, {
    usage: "distribution",
    description:
      "Show how contents stand by location and by type, from the whole tree of offices down to one " +
      "device: who is to have them, has them, fetches, waits and has failed, and from where the " +
      "bytes came.",
    examples: [
      "branchline distribution",
      'branchline distribution --by type --office "Branch Office"',
      "branchline distribution --device 0123456789abcdef0123456789abcdef",
    ],
    options: [
      {
        flags: "--by <word>",
        description: "by what to break down (default: office; with --device: content)",
        choices: BY,
      },
      { flags: "--office <name>", description: "an office, with all below it" },
      { flags: "--type <type>", description: "contents of a type" },
      { flags: "--content <id>", description: "one content; its first eight digits are enough" },
      { flags: "--device <id>", description: "one device" },
      ...serverOptions(),
    ],
    list: ({ options: { by, office, type, content, device } }) => ({
      ...{ route: SERVER_ROUTES.showDistribution, query: { by, office, type, content, device } },
    }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { by, office, type, content, device } = options;
      const query = {
        ...(by === undefined ? {} : { by }),
        ...(office === undefined ? {} : { office }),
        ...(type === undefined ? {} : { type }),
        ...(content === undefined ? {} : { content }),
        ...(device === undefined ? {} : { device }),
      };
      const route = SERVER_ROUTES.showDistribution;
      const entries = await everyPage(control, { route, name: "entries", query });
      const { sums } = await control(route, { query: { ...query, limit: 1 } });
      return { json: { entries, sums }, text: distributionText(entries, sums) };
    },
  });
}

function distributionText(entries: readonly DistributionView[], sums: DistributionSums): string {
  if (entries.length === 0) return "Nothing has been published.";
  const rows = entries.map((entry) => [nameOf(entry), ...cells(entry)]);
  // Offices hold each other: only the sums say what all of them are.
  return textTable([HEADING, ...rows, ["All", ...cells(sums)]]);
}

function nameOf({ office, depth, type, name, version, hostName, deviceId }: DistributionView) {
  if (hostName !== undefined) return `${hostName} (${deviceId?.slice(0, 8)}, ${office})`;
  if (name !== undefined) return `${name} ${version}`;
  return type ?? `${"  ".repeat(depth ?? 0)}${office}`;
}

function cells(counts: DistributionSums): readonly string[] {
  const { wanted, complete, fetching, waiting, failed } = counts;
  const { cacheInBytes, lanInBytes, wanInBytes, hostedInBytes, originInBytes } = counts;
  return [
    ...[wanted, complete, fetching, waiting, failed].map(String),
    ...[cacheInBytes, lanInBytes, wanInBytes, hostedInBytes, originInBytes].map(sizeText),
    sizeText(counts.servedBytes),
  ];
}

const HEADING = [
  "Where",
  "Wanted",
  "Complete",
  "Fetching",
  "Waiting",
  "Failed",
  "Own cache",
  "LAN",
  "Line",
  "Hosted",
  "Origins",
  "Served",
];
