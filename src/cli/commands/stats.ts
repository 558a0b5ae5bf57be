import type { Command } from "commander";
import type { StatisticsSums, StatisticsView } from "../../api/insight-schemas.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { everyPage } from "../pages.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { sizeText, textTable } from "../text-table.ts";

const BY = ["content", "application", "device"] as const;

type StatsOptions = ServerOptions & {
  readonly by?: (typeof BY)[number];
  readonly content?: string;
  readonly office?: string;
  readonly device?: string;
};

/** Adds `stats`. */
export function addStatsCommand(program: Command, host: CommandHost): void {
  addCommand<StatsOptions>(program, host, {
    usage: "stats",
    description:
      "Show for every application and version from where its bytes came: own caches, peers, hosted " +
      "caches, origins; what was served to others; and what it would have cost had every device " +
      "fetched a copy over the line by itself.",
    examples: [
      "branchline stats",
      'branchline stats --content editor --office "Branch Office" --by device',
    ],
    options: [
      { flags: "--by <word>", description: "by what to break down", choices: BY },
      { flags: "--content <name>", description: "an application by its name, or one content's id" },
      { flags: "--office <name>", description: "an office, with all below it" },
      { flags: "--device <id>", description: "one device" },
      ...serverOptions(),
    ],
    list: ({ options }) => ({ route: SERVER_ROUTES.showStatistics, query: queryOf(options) }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const query = queryOf(options);
      const route = SERVER_ROUTES.showStatistics;
      const entries = await everyPage(control, { route, name: "entries", query });
      const { sums } = await control(route, { query: { ...query, limit: 1 } });
      return { json: { entries, sums }, text: statsText(entries, sums) };
    },
  });
}

function queryOf({ by, content, office, device }: StatsOptions) {
  return {
    ...(by === undefined ? {} : { by }),
    ...(content === undefined ? {} : { [isId(content) ? "content" : "name"]: content }),
    ...(office === undefined ? {} : { office }),
    ...(device === undefined ? {} : { device }),
  };
}

function isId(text: string): boolean {
  return /^[0-9a-f]{8,64}$/i.test(text);
}

function statsText(entries: readonly StatisticsView[], sums: StatisticsSums): string {
  if (entries.length === 0) return "There is nothing of that.";
  const rows = entries.map((entry) => [nameOf(entry), ...cells(entry)]);
  return textTable([HEADING, ...rows, ["All", ...cells(sums)]]);
}

function nameOf({ hostName, deviceId, office, name, version, versions }: StatisticsView): string {
  if (hostName !== undefined) return `${hostName} (${deviceId?.slice(0, 8)}, ${office})`;
  return `${name} ${version ?? `(${versions} ${versions === 1 ? "version" : "versions"})`}`;
}

function cells(figures: StatisticsSums): readonly string[] {
  const { holders, cacheInBytes, lanInBytes, wanInBytes, hostedInBytes, originInBytes } = figures;
  const { servedBytes, unicastBytes, lineBytes, savedBytes, savedPercent } = figures;
  const bytes = [cacheInBytes, lanInBytes, wanInBytes, hostedInBytes, originInBytes, servedBytes];
  return [
    String(holders),
    ...[...bytes, unicastBytes, lineBytes].map(sizeText),
    `${sizeText(savedBytes)} (${savedPercent.toFixed(1)} %)`,
  ];
}

const HEADING = [
  "Content",
  "Holders",
  "Own cache",
  "LAN",
  "Line",
  "Hosted",
  "Origins",
  "Served",
  "Unicast",
  "Crossed",
  "Saved",
];
