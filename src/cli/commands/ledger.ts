import type { Command } from "commander";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { LedgerEntry } from "../../api/server-schemas.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { everyPage } from "../pages.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { lineText, sizeText, textTable } from "../text-table.ts";

type LedgerOptions = ServerOptions & { readonly content?: string; readonly office?: string };

/** Adds `ledger`. */
export function addLedgerCommand(program: Command, host: CommandHost): void {
  addCommand<LedgerOptions>(program, host, {
    usage: "ledger",
    description:
      "Show what has come into every office of every content, over its line, over its LAN and from " +
      "origins, against what may: one copy an office, one a device where devices do not share.",
    examples: [
      "branchline ledger",
      'branchline ledger --content 1f2e3d4c --office "Branch Office"',
    ],
    options: [
      { flags: "--content <id>", description: "one content; its first eight digits are enough" },
      { flags: "--office <name>", description: "one office" },
      ...serverOptions(),
    ],
    list: ({ options: { content, office } }) => ({
      ...{ route: SERVER_ROUTES.showLedger, query: { content, office } },
    }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { content, office } = options;
      const wanted = await everyPage(control, {
        route: SERVER_ROUTES.showLedger,
        name: "entries",
        query: {
          ...(content === undefined ? {} : { content }),
          ...(office === undefined ? {} : { office }),
        },
      });
      if (office !== undefined && wanted.length === 0) {
        const { offices } = await control(SERVER_ROUTES.showTopology);
        if (!offices.some(({ name }) => name === office)) {
          const sentence = `There is no office "${office}": see branchline topology show.`;
          throw new OperatorError("office-unknown", sentence);
        }
      }
      const totals = totalsOf(wanted);
      return { json: { entries: wanted, totals }, text: ledgerText(wanted) };
    },
  });
}

/** The sums of a ledger. */
export type LedgerTotals = {
  readonly wanBytes: number;
  readonly lanBytes: number;
  readonly originBytes: number;
  readonly savedBytes: number;
  readonly alarms: number;
};

/** Adds a ledger up. */
export function totalsOf(entries: readonly LedgerEntry[]): LedgerTotals {
  const sum = (of: (entry: LedgerEntry) => number): number =>
    entries.reduce((total, entry) => total + of(entry), 0);
  return {
    wanBytes: sum(({ wanBytes }) => wanBytes),
    lanBytes: sum(({ lanBytes }) => lanBytes),
    originBytes: sum(({ originBytes }) => originBytes),
    savedBytes: sum(({ savedBytes }) => savedBytes),
    alarms: entries.filter(({ alarm }) => alarm).length,
  };
}

/** Writes a ledger for a person. */
export function ledgerText(entries: readonly LedgerEntry[]): string {
  if (entries.length === 0) return "Nothing has been distributed.";
  const rows = entries.map((one) => [
    `${one.name} ${one.version}`,
    sizeText(one.sizeBytes),
    one.office,
    one.parent ?? "",
    sizeText(one.wanBytes),
    one.copies.toFixed(2),
    sizeText(one.boundBytes),
    sizeText(one.originBytes),
    sizeText(one.lanBytes),
    sizeText(one.savedBytes),
    one.alarm ? "ALARM" : "",
    lineText(one.lineBusySinceMs),
  ]);
  const totals = totalsOf(entries);
  const total = ["Total", "", "", "", sizeText(totals.wanBytes), "", ""];
  total.push(sizeText(totals.originBytes), sizeText(totals.lanBytes), sizeText(totals.savedBytes));
  total.push(totals.alarms === 0 ? "" : `${totals.alarms} of ${entries.length}`, "");
  return textTable([HEADING, ...rows, total]);
}

const HEADING = [
  "Content",
  "Size",
  "Office",
  "Parent",
  "WAN",
  "Copies",
  "Bound",
  "Origins",
  "LAN",
  "Saved",
  "Alarm",
  "Line",
];
