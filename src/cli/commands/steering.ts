import type { Command } from "commander";
import type { SteeringInput, SteeringResult } from "../../api/deployment-schemas.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import { OperatorError } from "../../runtime/operator-error.ts";
import {
  addCommand,
  type CommandHost,
  type CommandResult,
  type OptionSpec,
  wholeNumber,
} from "../command.ts";
import type { Io } from "../io.ts";
import { openServer, type ServerOptions, serverOptions } from "../server-access.ts";
import { PRIORITY_WORDS } from "./deploy.ts";

type SteeringOptions = ServerOptions & {
  readonly content?: string;
  readonly office?: string;
  readonly device?: string;
  readonly revision?: number;
};

type Order = SteeringInput["order"];

const SCOPE_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--content <id>",
    description: "in place of one deployment: all that bring this content",
  },
  { flags: "--office <name>", description: "for an office and those below it alone" },
  { flags: "--device <id>", description: "for one device alone" },
  {
    flags: "--revision <number>",
    description: "only if nobody has changed it since deployment show said this revision",
    parse: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  },
];

/** Adds `deployment pause`, `resume`, `cancel`, `retry` and `priority`. */
export function addSteeringCommands(deployment: Command, host: CommandHost): void {
  const plain = [
    {
      kind: "pause",
      description:
        "Have devices fetch nothing more of it, at once; pieces that have begun to come may end. " +
        "What they have they go on giving to those for whom it is not paused.",
      examples: [
        "branchline deployment pause 3ff3a60086bd9d99",
        'branchline deployment pause 3ff3a60086bd9d99 --office "Branch Office"',
        "branchline deployment pause --content 1f2e3d4c",
      ],
    },
    {
      kind: "resume",
      description: "Have it go on where it was paused.",
      examples: ["branchline deployment resume 3ff3a60086bd9d99"],
    },
    {
      kind: "cancel",
      description:
        "End it for good: what is unfinished is let go of. Who has all of it keeps it, but need not.",
      examples: ["branchline deployment cancel 3ff3a60086bd9d99 --office Lab"],
    },
    {
      kind: "retry",
      description: "Have what has failed tried again at once.",
      examples: ["branchline deployment retry 3ff3a60086bd9d99"],
    },
  ] as const;
  for (const { kind, ...texts } of plain) {
    addCommand<SteeringOptions>(deployment, host, {
      usage: `${kind} [id]`,
      ...texts,
      options: [...SCOPE_OPTIONS, ...serverOptions()],
      run: async ({ arguments: [id], options, io }) => await steer({ id, options, io }, { kind }),
    });
  }
  addPriorityCommand(deployment, host);
}

function addPriorityCommand(deployment: Command, host: CommandHost): void {
  addCommand<SteeringOptions & { readonly first?: true; readonly last?: true }>(deployment, host, {
    usage: "priority <word> [id]",
    description: `Make it more or less urgent: ${PRIORITY_WORDS.join(", ")}.`,
    examples: [
      "branchline deployment priority high 3ff3a60086bd9d99",
      "branchline deployment priority medium 3ff3a60086bd9d99 --first",
    ],
    options: [
      { flags: "--first", description: "before all others of that priority" },
      { flags: "--last", description: "behind all others of that priority" },
      ...SCOPE_OPTIONS,
      ...serverOptions(),
    ],
    run: async ({ arguments: [word, id], options, io }) => {
      const priority = PRIORITY_WORDS.find((one) => one === word);
      if (priority === undefined) throw badPriority(word);
      const place = placeOf(options);
      const order = { kind: "priority", priority, ...(place && { place }) } as const;
      return await steer({ id, options, io }, order);
    },
  });
}

function badPriority(word: string | undefined): OperatorError {
  const known = PRIORITY_WORDS.join(", ");
  return new OperatorError("usage-arguments", `"${word}" is no priority: use one of ${known}.`);
}

function placeOf(options: {
  readonly first?: true;
  readonly last?: true;
}): "first" | "last" | undefined {
  if (options.first === true && options.last === true) {
    throw new OperatorError("usage-arguments", "Name --first or --last, not both.");
  }
  if (options.first === true) return "first";
  return options.last === true ? "last" : undefined;
}

async function steer(
  call: {
    readonly id: string | undefined;
    readonly options: SteeringOptions;
    readonly io: Io;
  },
  order: Order,
): Promise<CommandResult> {
  const { id, options, io } = call;
  const { content, office, device, revision } = options;
  if ((id === undefined) === (content === undefined)) {
    const sentence = "Which one? Name the id of a deployment, or --content.";
    throw new OperatorError("usage-arguments", sentence);
  }
  const control = await openServer(options, io);
  const result = await control(SERVER_ROUTES.steerDeployments, {
    body: {
      ...(id === undefined ? {} : { deploymentId: id }),
      ...(content === undefined ? {} : { contentId: content }),
      ...(office === undefined ? {} : { office }),
      ...(device === undefined ? {} : { deviceId: device }),
      order,
    },
    ...(revision === undefined ? {} : { ifMatch: `"${revision}"` }),
  });
  return { json: result, text: resultText(order, result) };
}

const DONE: Readonly<Record<Order["kind"], string>> = {
  pause: "Paused",
  resume: "Goes on",
  cancel: "Cancelled",
  retry: "Tried again",
  priority: "Reprioritised",
};

function resultText({ kind }: Order, result: SteeringResult): string {
  const { deployments, changed, devices, reached } = result;
  if (changed === 0) return "Nothing has changed: it was so already.";
  const what = `${deployments.length} deployment${deployments.length === 1 ? "" : "s"}`;
  const away = devices - reached;
  const others = away === 0 ? "" : `; ${away} more learn it when they are back`;
  return `${DONE[kind]}: ${what}. ${reached} devices are told now${others}.`;
}
