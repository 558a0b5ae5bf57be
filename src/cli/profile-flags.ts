import { InvalidArgumentError } from "commander";
import {
  MOVABLE_CHANNELS,
  type PortMapView,
  type ProfileKeyWord,
  type ProfileValuesView,
} from "../api/profile-schemas.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { type OptionSpec, wholeNumber } from "./command.ts";

/** The flags by which the values of a profile are given. */
export type ValueOptions = {
  readonly mode?: (typeof MODES)[number];
  readonly maxAgeDays?: number;
  readonly diskPercent?: number;
  readonly minFreeMib?: number;
  readonly hostedCache?: readonly string[];
  readonly singlePort?: number;
  readonly portOffset?: number;
  readonly port?: readonly string[];
  readonly preferred?: "yes" | "no";
};

/** A value that can be left to others again. */
export type Unsettable = ProfileKeyWord;

/** Values that can be unset, by the word for it. */
export const UNSETTABLE: Readonly<Record<string, Unsettable>> = {
  mode: "mode",
  "max-age-days": "maxAgeDays",
  "disk-percent": "diskPercent",
  "min-free-mib": "minFreeMib",
  "hosted-caches": "hostedCaches",
  ports: "ports",
  preferred: "preferred",
};

const MODES = ["distributed", "hosted", "local", "disabled"] as const;

/** The options of {@link ValueOptions}. */
export function valueOptions(): readonly OptionSpec[] {
  return [
    {
      flags: "--mode <word>",
      description:
        "whom devices take packages from: each other, a hosted cache, their own cache and file " +
        "storage, or file storage alone",
      choices: MODES,
    },
    {
      flags: "--max-age-days <days>",
      description: "how long a content may lie unused in the cache; 0: for ever",
      parse: wholeNumber(0, 36_500),
    },
    {
      flags: "--disk-percent <percent>",
      description: "how much of its disk the cache may take",
      parse: wholeNumber(1, 100),
    },
    {
      flags: "--min-free-mib <mib>",
      description: "what the cache leaves free on its disk",
      parse: wholeNumber(0, 1_073_741_824),
    },
    {
      flags: "--hosted-cache <server>",
      description: "a hosted cache server, HOST or HOST:PORT; repeatable; needed by --mode hosted",
      repeated: true,
    },
    {
      flags: "--single-port <port>",
      description: "one UDP port for everything but discovery, from the agent's next start on",
      parse: wholeNumber(1, 65_535),
    },
    {
      flags: "--port-offset <number>",
      description: "added to every port of the table, from the agent's next start on",
      parse: wholeNumber(0, 65_535),
    },
    {
      flags: "--port <channel=port>",
      description: `a port of its own for a channel; repeatable: ${MOVABLE_CHANNELS.join(", ")}`,
      repeated: true,
    },
    {
      flags: "--preferred <word>",
      description: "whether devices are preferred for fetching on behalf of their office",
      choices: ["yes", "no"],
    },
  ];
}

/** What the flags set. @throws OperatorError `usage-arguments` where a port is not one. */
export function valuesFrom(options: ValueOptions): ProfileValuesView {
  const { mode, maxAgeDays, diskPercent, minFreeMib, hostedCache, preferred } = options;
  const ports = portsFrom(options);
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(maxAgeDays === undefined ? {} : { maxAgeDays }),
    ...(diskPercent === undefined ? {} : { diskPercent }),
    ...(minFreeMib === undefined ? {} : { minFreeMib }),
    ...(hostedCache === undefined ? {} : { hostedCaches: [...hostedCache] }),
    ...(ports === undefined ? {} : { ports }),
    ...(preferred === undefined ? {} : { preferred: preferred === "yes" }),
  };
}

/** Values with some set and some unset. */
export function withChanges(
  before: ProfileValuesView,
  { set, unset }: { readonly set: ProfileValuesView; readonly unset: readonly Unsettable[] },
): ProfileValuesView {
  const kept = Object.entries(before).filter(([key]) => !unset.some((one) => one === key));
  return { ...(Object.fromEntries(kept) as ProfileValuesView), ...set };
}

function portsFrom({ singlePort, portOffset, port }: ValueOptions): PortMapView | undefined {
  if (singlePort === undefined && portOffset === undefined && port === undefined) return undefined;
  return {
    ...(singlePort === undefined ? {} : { single: singlePort }),
    ...(portOffset === undefined ? {} : { offset: portOffset }),
    ...(port === undefined ? {} : { channels: port.map(channelPort) }),
  };
}

function channelPort(text: string): NonNullable<PortMapView["channels"]>[number] {
  const [, name, digits = ""] = /^([a-z-]+)=(\d+)$/.exec(text.trim()) ?? [];
  const channel = MOVABLE_CHANNELS.find((one) => one === name);
  if (channel === undefined) {
    const sentence = `--port ${text} is not CHANNEL=PORT; channels are ${MOVABLE_CHANNELS.join(", ")}.`;
    throw new OperatorError("usage-arguments", sentence);
  }
  try {
    return { channel, port: wholeNumber(1, 65_535)(digits) };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new OperatorError("usage-arguments", `--port ${text}: ${error.message}`);
  }
}
