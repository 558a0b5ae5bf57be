import { DEVICE_PORTS, SERVER_PORTS } from "../effects/channels.ts";
import {
  choiceSetting,
  defaultDataFolder,
  integerSetting,
  pathsSetting,
  type SettingsSchema,
  textSetting,
} from "../runtime/settings.ts";

/** The settings of the server. What is absent is unset. */
export type ServerSettings = {
  /** Absolute path of the data folder. */
  readonly data: string;
  readonly organisation: string;
  /** Absolute paths of the `.publisher` files. */
  readonly publishers: readonly string[];
  readonly network: {
    /** The address to bind; absent: all addresses. */
    readonly address?: string;
    readonly portOffset: number;
    readonly singlePort?: number;
    /** `address:port` of a line emulator. */
    readonly line?: string;
  };
  readonly storage: {
    /** Absolute path of the file storage directory. */
    readonly folder: string;
  };
  readonly log: { readonly level: "trace" | "debug" | "info" | "warn" | "error" };
};

/** The largest offset at which every port of both tables is still one. */
const PORT_OFFSET_MAX =
  65_535 - Math.max(...Object.values(DEVICE_PORTS), ...Object.values(SERVER_PORTS));

/** What the server's settings may be. */
export const SERVER_SETTINGS: SettingsSchema<ServerSettings> = {
  program: "server",
  shape: {
    data: textSetting("path", {
      description: "The folder for the authority's key, the database and the control socket.",
      default: defaultDataFolder("server", process.env),
      defaultText:
        "`/var/lib/branchline/server` for root, else `$XDG_DATA_HOME/branchline/server` " +
        "(`~/.local/share/branchline/server`)",
      unit: "none",
      extremes:
        "Whoever reads it can issue certificates. It must lie on a local disk; the path of the " +
        "control socket in it may have at most 107 bytes, so keep it short.",
    }),
    organisation: textSetting("name", {
      description: "The organisation's name, as it stands in the server's certificate.",
      default: "Organisation",
      unit: "none",
      extremes: "It is fixed by `server init`: a later change has no effect.",
    }),
    publishers: pathsSetting({
      description: "The `.publisher` files of the publishers whose contents the server accepts.",
      extremes: "With none the server accepts no content.",
    }),
    network: {
      address: textSetting("address", {
        description: "The address that the server listens on and sends from.",
        defaultText: "unset: all addresses of the machine",
        unit: "none",
        extremes: "With a loopback address only agents on the same machine reach the server.",
      }),
      portOffset: integerSetting(
        { minimum: 0, maximum: PORT_OFFSET_MAX, default: 0 },
        {
          description: "Added to every port of the server.",
          unit: "ports",
          extremes: "Agents reach the server only where their `server.port_offset` is the same.",
        },
      ),
      singlePort: integerSetting(
        { minimum: 1, maximum: 65_535 },
        {
          description: "One port for every channel, instead of the table of ports.",
          unit: "UDP port",
          extremes: "Ports below 1024 need root. Agents need the same in `server.single_port`.",
        },
      ),
      line: textSetting("socket", {
        description:
          "The address of a line emulator (`branchline line`) that carries everything that leaves " +
          "the subnet. For demonstrations and tests.",
        defaultText: "unset: datagrams go straight to where they are meant for",
        unit: "none",
        extremes: "Where nothing listens there, the server reaches nobody outside its subnet.",
      }),
    },
    storage: {
      folder: textSetting("path", {
        description: "The file storage directory, which `publish` writes packages to.",
        default: "<data>/storage",
        unit: "none",
        extremes:
          "It takes the room of every package once; publishing fails when the disk is full.",
      }),
    },
    log: {
      level: choiceSetting(["trace", "debug", "info", "warn", "error"], "info", {
        description: "How much is logged, as JSON lines on standard error.",
        extremes:
          "`trace` logs every datagram and slows the server; `error` hides what went amiss.",
      }),
    },
  },
};
