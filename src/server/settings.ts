import { DEVICE_PORTS, SERVER_PORTS } from "../effects/channels.ts";
import {
  booleanSetting,
  choiceSetting,
  defaultDataFolder,
  integerSetting,
  pathsSetting,
  type SettingsSchema,
  secretSetting,
  textSetting,
  textsSetting,
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
  readonly database: {
    /** A PostgreSQL database; absent: the SQLite file in the data folder. May hold a password. */
    readonly url?: string;
  };
  readonly api: {
    readonly listen: boolean;
    /** Absent: the address of `network`, and all addresses without one. */
    readonly address?: string;
    readonly port: number;
    readonly names: readonly string[];
    /** Absolute paths of PEM files; both or none. */
    readonly certificate?: string;
    readonly key?: string;
    readonly openMetrics: boolean;
  };
  readonly webhooks: {
    readonly allow: readonly string[];
    /** Absolute paths of PEM files. */
    readonly authorities: readonly string[];
  };
  readonly storage: {
    /** The TCP port on which packages of the file storage are served; absent host: as the API. */
    readonly port: number;
    readonly serve: boolean;
    /** Where buckets and databases for packages may be. */
    readonly allow: readonly string[];
    /** How long an upload is kept to which nothing comes. */
    readonly uploadHours: number;
  };
  readonly retention: {
    readonly auditDays: number;
    readonly progressDays: number;
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
    database: {
      url: secretSetting("postgres", {
        description:
          "The PostgreSQL database to keep everything in, instead of a file in the data folder. " +
          "A password may also come from `PGPASSWORD` or `~/.pgpass`. See [database.md](database.md).",
        defaultText: "unset: the SQLite file `state/server.db` in the data folder",
        unit: "none",
        extremes:
          "Everything waits for this database: put it near. Whoever can read it knows the whole " +
          "organisation, but cannot issue certificates.",
      }),
    },
    api: {
      listen: booleanSetting(true, {
        description: "Whether the API is served over TLS, for whoever has a token.",
        extremes: "With `false` the server obeys nobody but those who may use its control socket.",
      }),
      address: textSetting("address", {
        description: "The address on which the API is served over TLS.",
        defaultText: "unset: that of `network.address`, and all addresses where it is unset too",
        unit: "none",
        extremes: "With a loopback address only programs on the same machine reach the API.",
      }),
      port: integerSetting(
        { minimum: 1, maximum: 65_535 - PORT_OFFSET_MAX, default: 8_443 },
        {
          description: "The port of the API; `network.port_offset` is added to it.",
          unit: "TCP port",
          extremes: "Ports below 1024 need root.",
        },
      ),
      names: textsSetting("host", {
        default: [],
        description:
          "Names and addresses by which people and programs call the server, for the certificate " +
          "that it makes itself. Its own host name and addresses are in it anyway.",
        extremes: "Under a name that is missing, browsers and `branchline` refuse the certificate.",
      }),
      certificate: textSetting("path", {
        description: "A certificate of the organisation's own, with those above it, as a PEM file.",
        defaultText: "unset: one of the server's own authority, renewed by itself",
        unit: "none",
        extremes: "It needs `api.key`. A file that is replaced is taken up within a minute.",
      }),
      key: textSetting("path", {
        description: "The private key of `api.certificate`, as a PEM file without a passphrase.",
        defaultText: "unset",
        unit: "none",
        extremes: "Whoever reads it can pretend to be the API.",
      }),
      openMetrics: booleanSetting(false, {
        description: "Whether `/metrics` is shown to those without a token.",
        extremes: "With `true` everyone who reaches the port learns how many devices there are.",
      }),
    },
    webhooks: {
      allow: textsSetting("destination", {
        default: ["public"],
        description:
          "Where webhooks may lead: `public` and `private` addresses, networks, host names. A host " +
          "name may lead to public and private addresses. Loopback, link-local and other special " +
          "addresses are reached by naming their network alone.",
        extremes:
          "With `private` whoever has a token can have the server send requests to any machine of " +
          "the organisation; better name the network or the host of those who listen.",
      }),
      authorities: pathsSetting({
        description:
          "Certificates of authorities, as PEM files, that those whom webhooks call may have.",
        extremes: "With none, those that Node brings count.",
      }),
    },
    storage: {
      serve: booleanSetting(true, {
        description: "Whether packages of the file storage are served to devices, by HTTPS.",
        extremes: "With `false` devices get packages from each other and from origins alone.",
      }),
      port: integerSetting(
        { minimum: 1, maximum: 65_535 - PORT_OFFSET_MAX, default: 8_444 },
        {
          description:
            "The port on which packages are served, at the address of `network.address`; " +
            "`network.port_offset` is added to it.",
          unit: "TCP port",
          extremes: "Ports below 1024 need root.",
        },
      ),
      allow: textsSetting("destination", {
        default: ["public", "private"],
        description:
          "Where a bucket or a database for packages may be: `public` and `private` addresses, " +
          "networks, host names, as in `webhooks.allow`.",
        extremes:
          "Whoever has a token can have the server send requests there; better name the network or " +
          "the host of your file storage. Loopback addresses are reached by naming 127.0.0.0/8.",
      }),
      uploadHours: integerSetting(
        { minimum: 1, maximum: 8_760, default: 24 },
        {
          description: "How long an upload is kept that was interrupted.",
          unit: "hours",
          extremes:
            "With a short time what came over a weak line is sent again; with a long one what nobody " +
            "goes on with takes room.",
        },
      ),
    },
    retention: {
      auditDays: integerSetting(
        { minimum: 1, maximum: 36_500, default: 730 },
        {
          description:
            "For how long it is kept what operators did. What is removed is counted in a row that stays.",
          unit: "days",
          extremes:
            "With a short time nobody can say any more who did what; a long one takes room.",
        },
      ),
      progressDays: integerSetting(
        { minimum: 0, maximum: 36_500, default: 30 },
        {
          description:
            "After how long what devices reported of a content is packed, once all its deployments " +
            "are over. Nothing is lost by it: it takes a seventh of the room.",
          unit: "days",
          extremes:
            "Packed at once, rows of devices that are still on the move are packed again each day; " +
            "never packed, each content takes 320 bytes for each device.",
        },
      ),
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
