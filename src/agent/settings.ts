import { DEVICE_PORTS, SERVER_PORTS } from "../effects/channels.ts";
import {
  booleanSetting,
  choiceSetting,
  defaultDataFolder,
  integerSetting,
  type SettingsSchema,
  textSetting,
} from "../runtime/settings.ts";

/** How much a program logs. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** The settings of an agent. What is absent is unset. */
export type AgentSettings = {
  /** Absolute path of the data folder. */
  readonly data: string;
  /** Names the machine, instead of what the operating system calls it. */
  readonly machineId?: string;
  readonly server: {
    /** Instead of the host that the device enrolled with. */
    readonly host?: string;
    readonly portOffset: number;
    readonly singlePort?: number;
  };
  readonly network: {
    /** The address to bind; absent: all addresses. */
    readonly address?: string;
    /** Where discovery asks, instead of the broadcast address of each network. */
    readonly broadcast?: string;
    readonly portOffset: number;
    readonly singlePort?: number;
    /** `address:port` of a line emulator. */
    readonly line?: string;
  };
  readonly cache: {
    /** How long a content may lie unused; 0: for ever. */
    readonly maxAgeDays: number;
    /** How much of its disk the cache may take. */
    readonly diskPercent: number;
    /** The same in MiB, where that is less. */
    readonly maxMib?: number;
    /** What the cache leaves free on the disk. */
    readonly minFreeMib: number;
  };
  readonly delivery: {
    /** Absolute path of the folder that finished contents are handed over in. */
    readonly folder: string;
  };
  readonly facts: { readonly preferred: boolean };
  readonly log: { readonly level: LogLevel };
};

/** The log levels, from the most talkative. */
export const LOG_LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error"];

/** The largest offset at which every port of both tables is still one. */
export const PORT_OFFSET_MAX: number =
  65_535 - Math.max(...Object.values(DEVICE_PORTS), ...Object.values(SERVER_PORTS));

/** What an agent's settings may be. */
export const AGENT_SETTINGS: SettingsSchema<AgentSettings> = {
  program: "agent",
  shape: {
    data: textSetting("path", {
      description:
        "The folder for the device's identity, its cache of contents and its control socket.",
      default: defaultDataFolder("agent", process.env),
      defaultText:
        "`/var/lib/branchline/agent` for root, else `$XDG_DATA_HOME/branchline/agent` " +
        "(`~/.local/share/branchline/agent`)",
      unit: "none",
      extremes:
        "It must lie on a local disk with room for every content the device is to have. The path " +
        "of the control socket in it may have at most 107 bytes, so keep it short.",
    }),
    machineId: textSetting("name", {
      description:
        "Names this machine: a device whose machine changes has been cloned, and enrols again.",
      defaultText: "unset: the machine id of the operating system",
      unit: "none",
      extremes:
        "With the same value on two machines that share a copied data folder, both claim to be " +
        "the same device. Changing it makes the device enrol again.",
    }),
    server: {
      host: textSetting("host", {
        description: "The server to speak to.",
        defaultText: "unset: the one the device enrolled with",
        unit: "none",
        extremes:
          "The server's certificate is checked whatever its address is: a wrong one can only keep " +
          "the device from connecting.",
      }),
      portOffset: integerSetting(
        { minimum: 0, maximum: PORT_OFFSET_MAX, default: 0 },
        {
          description:
            "What the server adds to every one of its ports (its `network.port_offset`).",
          unit: "ports",
          extremes: "With any other value than the server's own the device does not reach it.",
        },
      ),
      singlePort: integerSetting(
        { minimum: 1, maximum: 65_535 },
        {
          description: "The server's one port, where it has one (its `network.single_port`).",
          unit: "UDP port",
          extremes: "With any other value than the server's own the device does not reach it.",
        },
      ),
    },
    network: {
      address: textSetting("address", {
        description: "The address that the agent listens on and sends from.",
        defaultText: "unset: all addresses of the device",
        unit: "none",
        extremes:
          "An address that the device loses (a laptop that moves) leaves the agent cut off; " +
          "leave it unset unless several agents share one machine.",
      }),
      broadcast: textSetting("address", {
        description:
          "The IPv4 address under which all devices of the subnet are asked who is there.",
        defaultText: "unset: the broadcast address of each network that the agent listens on",
        unit: "none",
        extremes:
          "The loopback network has no broadcast address of its own: agents on 127.x.y.z addresses " +
          "find each other with 127.255.255.255 alone. An address that is none of the device's " +
          "networks keeps the agent from starting.",
      }),
      portOffset: integerSetting(
        { minimum: 0, maximum: PORT_OFFSET_MAX, default: 0 },
        {
          description:
            "Added to every port of the device, so that several agents share an address. A profile's " +
            "ports count before it.",
          unit: "ports",
          extremes: "With any other value than 0 firewall rules for the standard ports do not fit.",
        },
      ),
      singlePort: integerSetting(
        { minimum: 1, maximum: 65_535 },
        {
          description:
            "One port for every channel, instead of the table of ports. Discovery keeps its own: " +
            "it never leaves the subnet. A profile's ports count before it.",
          unit: "UDP port",
          extremes: "Ports below 1024 need root. Routers can no longer tell the channels apart.",
        },
      ),
      line: textSetting("socket", {
        description:
          "The address of a line emulator (`branchline line`) that carries everything that leaves " +
          "the subnet. For demonstrations and tests.",
        defaultText: "unset: datagrams go straight to where they are meant for",
        unit: "none",
        extremes: "Where nothing listens there, the agent reaches nobody outside its subnet.",
      }),
    },
    cache: {
      maxAgeDays: integerSetting(
        { minimum: 0, maximum: 36_500, default: 90 },
        {
          description:
            "How long a content may lie in the cache unused before it is let go of; 0: for ever. " +
            "What has been handed over stays. A profile's value counts before it.",
          unit: "days",
          extremes:
            "With 1 the office fetches a package again that is deployed again on another day; with " +
            "0 only the other limits empty the cache.",
        },
      ),
      diskPercent: integerSetting(
        { minimum: 1, maximum: 100, default: 25 },
        {
          description:
            "How much of its disk the cache may take, counted in whole packages. A profile's value " +
            "counts before it.",
          unit: "percent of the disk's size",
          extremes:
            "A package that is larger than this is refused. With 100 only cache.min_free_mib keeps " +
            "the disk from being filled.",
        },
      ),
      maxMib: integerSetting(
        { minimum: 1, maximum: 1_073_741_824 },
        {
          description: "The same in MiB; the smaller of the two counts.",
          unit: "MiB",
          extremes: "A package that is larger than this is refused.",
        },
      ),
      minFreeMib: integerSetting(
        { minimum: 0, maximum: 1_073_741_824, default: 512 },
        {
          description:
            "What the cache leaves free on its disk, whoever fills it. A profile's value counts " +
            "before it.",
          unit: "MiB",
          extremes:
            "With 0 the cache may take the last byte, and other programs fail; with more than the " +
            "disk has, no package is accepted.",
        },
      ),
    },
    delivery: {
      folder: textSetting("path", {
        description: "The folder in which verified contents are handed over.",
        default: "<data>/delivered",
        unit: "none",
        extremes:
          "On another file system than the data folder every content is copied, and takes its " +
          "room twice.",
      }),
    },
    facts: {
      preferred: booleanSetting(false, {
        description:
          "Whether the device is preferred for fetching on behalf of its office. A profile's value " +
          "counts before it.",
        extremes:
          "Of several preferred devices the other criteria choose; a preferred one that is often " +
          "away makes the office change over often.",
      }),
    },
    log: {
      level: choiceSetting(LOG_LEVELS, "info", {
        description: "How much is logged, as JSON lines on standard error.",
        extremes: "`trace` logs every datagram and slows transfers; `error` hides what went amiss.",
      }),
    },
  },
};
