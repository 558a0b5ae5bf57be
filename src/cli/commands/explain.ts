import type { Command } from "commander";
import { AGENT_ROUTES } from "../../api/agent-routes.ts";
import type { ExplanationView, PieceSourceView } from "../../api/agent-schemas.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { openControl } from "../parts.ts";
import { agentSettings, type SettingsOptions, settingsOptions } from "../settings-flags.ts";
import { sizeText, textTable } from "../text-table.ts";

/** Adds `explain`. */
export function addExplainCommand(program: Command, host: CommandHost): void {
  addCommand<SettingsOptions>(program, host, {
    usage: "explain <content>",
    description:
      "Say from whom each piece of a content came to this device, and why from there; the first " +
      "eight digits of its id are enough.",
    examples: ["branchline explain 1f2e3d4c", "branchline explain 1f2e3d4c --json"],
    options: settingsOptions("agent"),
    run: async ({ arguments: [contentId = ""], options, io }) => {
      const control = await openControl(agentSettings(options, io).data);
      const view = await control(AGENT_ROUTES.explain, { params: { contentId } });
      return { json: view, text: explanationText(view) };
    },
  });
}

function explanationText({ pieces, ranges, totals }: ExplanationView): string {
  const held = ranges.reduce((count, { first, last }) => count + last - first + 1, 0);
  const title = `${held} of ${pieces} pieces are here.`;
  if (ranges.length === 0) return title;
  const totalRows = totals.map((total) => [
    sourceText(total.source),
    String(total.pieces),
    sizeText(total.bytes),
  ]);
  const rangeRows = ranges.map(({ first, last, source, reason }) => [
    first === last ? String(first) : `${first}-${last}`,
    sourceText(source),
    reason,
  ]);
  return [
    title,
    textTable([["From", "Pieces", "Bytes"], ...totalRows]),
    textTable([["Pieces", "From", "Why"], ...rangeRows]),
  ].join("\n\n");
}

function sourceText({ kind, deviceId, host, office, location }: PieceSourceView): string {
  const device = [deviceId?.slice(0, 8), host, office].filter((part) => part).join(", ");
  switch (kind) {
    case "own-cache":
      return "this device's cache";
    case "office-device":
      return `the office (${device})`;
    case "far-device":
      return `another office (${device})`;
    case "origin":
      return `the origin ${location ?? ""}`.trimEnd();
    case "unknown":
      return "not known any more";
  }
}
