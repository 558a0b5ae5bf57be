import type { Command } from "commander";
import { AGENT_ROUTES } from "../../api/agent-routes.ts";
import type { ExplanationView, PieceSourceView } from "../../api/agent-schemas.ts";
import type { DeviceExplanation } from "../../api/insight-schemas.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { type Control, openControl } from "../parts.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { agentSettings } from "../settings-flags.ts";
import { sizeText, textTable, timeText } from "../text-table.ts";

type ExplainOptions = ServerOptions & { readonly device?: string; readonly content?: string };

/** Adds `explain`. */
export function addExplainCommand(program: Command, host: CommandHost): void {
  addCommand<ExplainOptions>(program, host, {
    usage: "explain [content]",
    description:
      "Say from whom each piece of a content came to a device, and why from there; the first " +
      "eight digits of its id are enough. Without --device it is this one, whose agent is asked.",
    examples: [
      "branchline explain 1f2e3d4c",
      "branchline explain --device 0123456789abcdef0123456789abcdef --content 1f2e3d4c",
    ],
    options: [
      { flags: "--device <id>", description: "the device; the server asks it" },
      { flags: "--content <id>", description: "the content, where it is not named as an argument" },
      ...serverOptions().map((option) =>
        option.flags.startsWith("--data")
          ? { ...option, description: "the agent's data folder; with --device the server's" }
          : option,
      ),
    ],
    run: async ({ arguments: [named], options, io }) => {
      const contentId = named ?? options.content;
      if (contentId === undefined || (named !== undefined && options.content !== undefined)) {
        throw new OperatorError(
          "usage-arguments",
          "Which content? Name one, behind explain or --content.",
        );
      }
      const { device: deviceId } = options;
      if (deviceId !== undefined) {
        const view = await whole(await openServer(options, io), { deviceId, contentId });
        return { json: view, text: deviceText(view) };
      }
      const control = await openControl(agentSettings(options, io).data);
      const view = await control(AGENT_ROUTES.explain, { params: { contentId } });
      return { json: view, text: explanationText(view) };
    },
  });
}

/** Asks until the device has told all: a very mixed content does not fit into one answer. */
async function whole(
  control: Control,
  params: { readonly deviceId: string; readonly contentId: string },
): Promise<DeviceExplanation> {
  const first = await control(SERVER_ROUTES.explainContent, { params });
  const ranges = [...first.ranges];
  let next = first.nextPiece;
  while (next !== undefined) {
    const part = await control(SERVER_ROUTES.explainContent, { params, query: { from: next } });
    ranges.push(...part.ranges);
    const goesOn = part.nextPiece !== undefined && part.nextPiece > next;
    next = goesOn ? part.nextPiece : undefined;
  }
  const { nextPiece: _, ...rest } = first;
  return { ...rest, ranges };
}

function deviceText(view: DeviceExplanation): string {
  const title = `${view.name} ${view.version} on ${view.hostName}`;
  if (view.answer === "told") return `${title}\n${explanationText(view)}`;
  const { reported } = view;
  if (reported === undefined) return `${title}\n${view.why}\nIt has never reported of the content.`;
  const rows = [
    ["State", reported.state],
    ["Pieces", `${reported.piecesHeld} of ${reported.pieces}`],
    ["From its own cache", sizeText(reported.cacheInBytes)],
    ["From its office", sizeText(reported.lanInBytes)],
    ["Over the line", sizeText(reported.wanInBytes)],
    ["From origins", sizeText(reported.originInBytes)],
    ["Problem", reported.problem],
  ].filter(([, value]) => value !== "");
  const when = `What it reported at ${timeText(reported.reportedAtMs)}, in ${reported.office}:`;
  return [title, view.why, when, textTable(rows)].join("\n");
}

function explanationText({
  pieces,
  ranges,
  totals,
}: Pick<ExplanationView, "pieces" | "ranges" | "totals">): string {
  const held = ranges.reduce((count, { first, last }) => count + last - first + 1, 0);
  const title = `${held} of ${pieces} pieces are here.`;
  if (ranges.length === 0) return title;
  const totalRows = totals.map((total) => [
    sourceText(total.source),
    protocolText(total.source),
    String(total.pieces),
    sizeText(total.bytes),
  ]);
  const rangeRows = ranges.map(({ first, last, source, reason }) => [
    first === last ? String(first) : `${first}-${last}`,
    sourceText(source),
    protocolText(source),
    reason,
  ]);
  return [
    title,
    textTable([["From", "Over", "Pieces", "Bytes"], ...totalRows]),
    textTable([["Pieces", "From", "Over", "Why"], ...rangeRows]),
  ].join("\n\n");
}

function protocolText({ protocol }: PieceSourceView): string {
  switch (protocol) {
    case "none":
      return "";
    case "foreground":
    case "background":
      return `${protocol.charAt(0).toUpperCase()}${protocol.slice(1)}`;
    case "file":
      return protocol;
    default:
      return protocol.toUpperCase();
  }
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
