import type { Command } from "commander";
import { AGENT_ROUTES } from "../../api/agent-routes.ts";
import type { AgentCacheEntry } from "../../api/agent-schemas.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { type Control, openControl } from "../parts.ts";
import { agentSettings, type SettingsOptions, settingsOptions } from "../settings-flags.ts";
import { sizeText, textTable, timeText } from "../text-table.ts";

type PurgeOptions = SettingsOptions & { readonly all?: true; readonly force?: true };

/** Adds `agent cache list`, `pin`, `unpin` and `purge`. */
export function addCacheCommands(agent: Command, host: CommandHost): void {
  const cache = agent.command("cache").description("The contents that this device keeps.");
  addCommand<SettingsOptions>(cache, host, {
    usage: "list",
    description: "List the contents in the cache, and why each is kept.",
    examples: ["branchline agent cache list", "branchline agent cache list --json"],
    options: settingsOptions("agent"),
    run: async ({ options, io }) => {
      const control = await openControl(agentSettings(options, io).data);
      const view = await control(AGENT_ROUTES.showCache);
      const room = `Room for ${sizeText(view.usableBytes)} more.`;
      return { json: view, text: `${entriesText(view.contents)}\n\n${room}` };
    },
  });
  addPinCommand(cache, host, true);
  addPinCommand(cache, host, false);
  addCommand<PurgeOptions>(cache, host, {
    usage: "purge [content]",
    description:
      "Let go of a content (the first eight digits of its id are enough), or with --all of every " +
      "one that nothing keeps. What has been handed over stays.",
    examples: ["branchline agent cache purge 1f2e3d4c", "branchline agent cache purge --all"],
    options: [
      { flags: "--all", description: "every content that nothing keeps" },
      { flags: "--force", description: "also what is pinned, in use, or relied on by others" },
      ...settingsOptions("agent"),
    ],
    run: async ({ arguments: [content], options, io }) => {
      const wish = wishOf(content, options);
      const control = await openControl(agentSettings(options, io).data);
      const { purged, kept } = await control(AGENT_ROUTES.purgeCache, { body: wish });
      const lines = [...purged.map((one) => `Let go of ${titleOf(one)}.`), ...kept.map(keptText)];
      const text = lines.length === 0 ? "There was nothing to let go of." : lines.join("\n");
      return { json: { purged, kept }, text };
    },
  });
}

function addPinCommand(cache: Command, host: CommandHost, pinned: boolean): void {
  const word = pinned ? "pin" : "unpin";
  addCommand<SettingsOptions>(cache, host, {
    usage: `${word} <content>`,
    description: pinned
      ? "Keep a content whatever room lacks and however old it gets."
      : "Let a content go again when room lacks or it is too old.",
    examples: [`branchline agent cache ${word} 1f2e3d4c`],
    options: settingsOptions("agent"),
    run: async ({ arguments: [contentId = ""], options, io }) => {
      const control: Control = await openControl(agentSettings(options, io).data);
      const input = { params: { contentId }, body: { pinned } };
      const entry = await control(AGENT_ROUTES.pinContent, input);
      const text = `${titleOf(entry)} is ${pinned ? "pinned" : "not pinned any more"}.`;
      return { json: entry, text };
    },
  });
}

function wishOf(content: string | undefined, options: PurgeOptions) {
  const force = options.force === true;
  if (options.all === true && content === undefined) return { force };
  if (options.all !== true && content !== undefined) return { contentId: content, force };
  throw new OperatorError(
    "usage-arguments",
    "Name one content to let go of, or --all: branchline agent cache list shows what is there.",
  );
}

function entriesText(entries: readonly AgentCacheEntry[]): string {
  if (entries.length === 0) return "The cache is empty.";
  const nowMs = Date.now();
  const rows = entries.map((entry) => [
    entry.contentId.slice(0, 12),
    entry.name,
    entry.version,
    entry.heldBytes === entry.sizeBytes
      ? sizeText(entry.heldBytes)
      : `${sizeText(entry.heldBytes)} of ${sizeText(entry.sizeBytes)}`,
    ageText(nowMs - entry.usedAtMs),
    timeText(entry.usedAtMs),
    entry.delivered ? "yes" : "no",
    entry.keptBecause === undefined ? "-" : KEPT_TEXTS[entry.keptBecause],
  ]);
  const heading = [
    ...["Content", "Name", "Version", "Held", "Unused for", "Last used"],
    ...["Handed over", "Kept because"],
  ];
  return textTable([heading, ...rows]);
}

const KEPT_TEXTS = {
  pinned: "it is pinned",
  protected: "others rely on it",
  "in-use": "it is in use",
} as const;

function keptText(entry: AgentCacheEntry): string {
  return `Kept ${titleOf(entry)}, because ${KEPT_TEXTS[entry.keptBecause ?? "in-use"]}.`;
}

function titleOf({ name, version, contentId }: AgentCacheEntry): string {
  return `${name} ${version} (${contentId.slice(0, 12)})`;
}

/** Writes a length of time in the largest unit of which there is at least one. */
function ageText(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / (24 * 60))} days`;
}
