import { type Command, InvalidArgumentError } from "commander";
import { MILESTONES, type MilestoneKind } from "../../api/event-schemas.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { DeliveryView } from "../../api/webhook-schemas.ts";
import { addCommand, type CommandHost } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { everyPage } from "../pages.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { textTable, timeText } from "../text-table.ts";

const EXAMPLE_ID = "01234567-89ab-cdef-0123-456789abcdef";

/** Adds `webhook add`, `list`, `remove`, `test` and `deliveries`. */
export function addWebhookCommands(program: Command, host: CommandHost): void {
  const webhook = program.command("webhook").description("Who is told of what happens, by HTTP.");
  addAddCommand(webhook, host);
  addCommand<ServerOptions>(webhook, host, {
    usage: "list",
    description: "List the webhooks.",
    examples: ["branchline webhook list"],
    options: serverOptions(),
    list: () => ({ route: SERVER_ROUTES.listWebhooks }),
    run: async ({ options, io }) => {
      const control = await openServer(options, io);
      const { webhooks } = await control(SERVER_ROUTES.listWebhooks);
      const rows = webhooks.map((one) => [one.webhookId, one.url, one.kinds.join(" ")]);
      const text =
        rows.length === 0 ? "No webhooks." : textTable([["Webhook", "URL", "Told of"], ...rows]);
      return { json: { webhooks }, text };
    },
  });
  addCommand<ServerOptions>(webhook, host, {
    usage: "remove <id>",
    description: "Tell a webhook nothing more; what is still to be delivered is given up.",
    examples: [`branchline webhook remove ${EXAMPLE_ID}`],
    options: serverOptions(),
    run: async ({ arguments: [webhookId = ""], options, io }) => {
      const control = await openServer(options, io);
      const removed = await control(SERVER_ROUTES.removeWebhook, { params: { webhookId } });
      return { json: removed, text: `${removed.url} is told nothing more.` };
    },
  });
  addCommand<ServerOptions>(webhook, host, {
    usage: "test <id>",
    description: "Call a webhook once, and say how it went.",
    examples: [`branchline webhook test ${EXAMPLE_ID}`],
    options: serverOptions(),
    run: async ({ arguments: [webhookId = ""], options, io }) => {
      const control = await openServer(options, io);
      const tried = await control(SERVER_ROUTES.testWebhook, { params: { webhookId } });
      const ok = tried.state === "delivered";
      const text = `${ok ? "It took it" : "It did not take it"}: ${tried.outcome}`;
      return { json: tried, text, exitCode: ok ? EXIT.ok : EXIT.failed };
    },
  });
  addDeliveriesCommand(webhook, host);
}

function addAddCommand(webhook: Command, host: CommandHost): void {
  addCommand<ServerOptions & { readonly kinds?: readonly MilestoneKind[] }>(webhook, host, {
    usage: "add <url>",
    description:
      "Tell a URL what happens, and print the secret with which that is signed, once. Where URLs may " +
      "lead, the server's setting webhooks.allow says.",
    examples: [
      "branchline webhook add https://hooks.example/branchline --kinds deployment.finished,ledger.alarm",
    ],
    options: [
      {
        flags: "--kinds <list>",
        description: `of what, with commas between them (default: all): ${MILESTONES.join(", ")}`,
        parse: kindsOf,
      },
      ...serverOptions(),
    ],
    run: async ({ arguments: [url = ""], options, io }) => {
      const control = await openServer(options, io);
      const kinds = options.kinds === undefined ? {} : { kinds: [...options.kinds] };
      const made = await control(SERVER_ROUTES.addWebhook, { body: { url, ...kinds } });
      const text =
        `Webhook: ${made.webhookId}\nSecret:  ${made.secret}\n\nThe secret is shown this once. Try it:\n` +
        `  branchline webhook test ${made.webhookId}\n`;
      return { json: made, text };
    },
  });
}

function addDeliveriesCommand(webhook: Command, host: CommandHost): void {
  addCommand<ServerOptions & { readonly state?: DeliveryView["state"] }>(webhook, host, {
    usage: "deliveries <id>",
    description: "List what a webhook was told and is to be told, the newest first.",
    examples: [`branchline webhook deliveries ${EXAMPLE_ID} --state failed`],
    options: [
      {
        flags: "--state <word>",
        description: "those that are pending, delivered or failed",
        choices: ["pending", "delivered", "failed"],
      },
      ...serverOptions(),
    ],
    list: ({ arguments: [webhookId = ""], options: { state } }) => ({
      ...{ route: SERVER_ROUTES.listDeliveries, params: { webhookId }, query: { state } },
    }),
    run: async ({ arguments: [webhookId = ""], options, io }) => {
      const control = await openServer(options, io);
      const deliveries = await everyPage(control, {
        route: SERVER_ROUTES.listDeliveries,
        name: "deliveries",
        params: { webhookId },
        query: options.state === undefined ? {} : { state: options.state },
      });
      const rows = deliveries.map((one) => [
        timeText(one.createdAtMs),
        one.kind,
        one.state,
        String(one.attempts),
        one.nextAtMs === undefined ? "" : timeText(one.nextAtMs),
        one.outcome,
      ]);
      const heading = ["At", "Kind", "State", "Attempts", "Next", "Outcome"];
      const text = rows.length === 0 ? "No deliveries." : textTable([heading, ...rows]);
      return { json: { deliveries }, text };
    },
  });
}

function kindsOf(text: string): readonly MilestoneKind[] {
  return text.split(",").map((word) => {
    const kind = MILESTONES.find((one) => one === word.trim());
    if (kind !== undefined) return kind;
    throw new InvalidArgumentError(`There is no "${word}": there are ${MILESTONES.join(", ")}.`);
  });
}
