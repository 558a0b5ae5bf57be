import {
  booleanSetting,
  defaultDataFolder,
  integerSetting,
  type Setting,
  type SettingsSchema,
  textSetting,
} from "../runtime/settings.ts";

/** How much a cache of segments may hold. */
export type CacheSettings = {
  readonly maxAgeDays: number;
  readonly diskPercent: number;
  readonly maxMib?: number;
};

/** The settings of a content server. */
export type ContentServerSettings = {
  readonly data: string;
  readonly content: { readonly folder?: string; readonly leastBytes: number };
  readonly network: { readonly address?: string; readonly port: number };
  readonly tls: TlsSettings;
};

/** The settings of a hosted cache. */
export type HostedCacheSettings = {
  readonly data: string;
  readonly network: {
    readonly address?: string;
    readonly port: number;
    readonly tlsPort: number;
  };
  readonly tls: TlsSettings;
  readonly cache: CacheSettings;
};

/** The settings of a peer, and of a download. */
export type PeerSettings = {
  readonly data: string;
  readonly network: { readonly address?: string; readonly port: number };
  readonly discovery: { readonly enabled: boolean; readonly port: number };
  readonly hosted: { readonly host?: string; readonly port: number };
  readonly cache: CacheSettings;
};

/** Where a program has its certificate from; both or none. */
export type TlsSettings = { readonly certificate?: string; readonly key?: string };

/** What a content server's settings may be. */
export const CONTENT_SERVER_SETTINGS: SettingsSchema<ContentServerSettings> = {
  program: "content-server",
  shape: {
    data: data("content-server", "the server's secret key and the hashes of its files"),
    content: {
      folder: textSetting("path", {
        description: "The folder whose files are served, under /content/.",
        defaultText: "unset: --dir says it",
        unit: "none",
        extremes: "Everything below it can be read by everybody who reaches the port.",
      }),
      leastBytes: integerSetting(
        { minimum: 0, maximum: 1_073_741_824, default: 65_536 },
        {
          description: "Files below this size are always sent plainly.",
          unit: "bytes",
          extremes:
            "With 0 asking the subnet takes longer than many files would; with more than the " +
            "largest file nobody is told any hashes.",
        },
      ),
    },
    network: {
      address: address(),
      port: port(8_445, "The port on which files are served."),
    },
    tls: tls("Without one, files are served over plain HTTP."),
  },
};

/** What a hosted cache's settings may be. */
export const HOSTED_CACHE_SETTINGS: SettingsSchema<HostedCacheSettings> = {
  program: "hosted-cache",
  shape: {
    data: data("hosted-cache", "the cached segments"),
    network: {
      address: address(),
      port: port(80, "The port on which segments are served and offers of version 2.0 are taken."),
      tlsPort: port(443, "The port on which offers of version 1.0 are taken, over TLS."),
    },
    tls: tls("Without one, offers of version 1.0 (Windows 7) are not taken."),
    cache: cache(),
  },
};

/** What a peer's settings may be. */
export const PEER_SETTINGS: SettingsSchema<PeerSettings> = {
  program: "branchcache",
  shape: {
    data: data("branchcache", "the cached segments"),
    network: {
      address: address(),
      port: port(80, "The port on which segments are served to others."),
    },
    discovery: {
      enabled: booleanSetting(true, {
        description: "Whether the subnet is asked who has segments, and such questions answered.",
        extremes: "With false segments come from the hosted cache and the server alone.",
      }),
      port: port(3_702, "The UDP port of WS-Discovery."),
    },
    hosted: {
      host: textSetting("host", {
        description: "A hosted cache that is asked before the subnet, and offered what is new.",
        defaultText: "unset: there is none",
        unit: "none",
        extremes: "One that does not answer costs every download up to six seconds.",
      }),
      port: port(80, "The port of that hosted cache."),
    },
    cache: cache(),
  },
};

function data(program: string, what: string): Setting<string> {
  return textSetting("path", {
    description: `The folder for ${what}.`,
    default: defaultDataFolder(program, process.env),
    defaultText:
      `\`/var/lib/branchline/${program}\` for root, else \`$XDG_DATA_HOME/branchline/${program}\` ` +
      `(\`~/.local/share/branchline/${program}\`)`,
    unit: "none",
    extremes: "It must lie on a local disk. Two programs cannot share one.",
  });
}

function address(): Setting<string> {
  return textSetting("address", {
    description: "The address that the program listens on.",
    defaultText: "unset: all addresses of the machine",
    unit: "none",
    extremes: "An address that the machine loses leaves the program cut off.",
  });
}

function port(usual: number, description: string): Setting<number> {
  return integerSetting(
    { minimum: 1, maximum: 65_535, default: usual },
    {
      description,
      unit: "port",
      extremes:
        "Ports below 1024 need root or CAP_NET_BIND_SERVICE. Windows clients find another port " +
        "than the usual one only where their own settings name it.",
    },
  );
}

function tls(without: string): { certificate: Setting<string>; key: Setting<string> } {
  return {
    certificate: textSetting("path", {
      description: `The file with the certificate for TLS, in PEM. ${without}`,
      defaultText: "unset",
      unit: "none",
      extremes: "Clients must trust it: a certificate of one's own needs to be installed on each.",
    }),
    key: textSetting("path", {
      description: "The file with its private key, in PEM.",
      defaultText: "unset",
      unit: "none",
      extremes: "It must be the certificate's own.",
    }),
  };
}

function cache() {
  return {
    maxAgeDays: integerSetting(
      { minimum: 0, maximum: 36_500, default: 28 },
      {
        description:
          "How old a segment may become, counted from the first cache that had it; 0: any age.",
        unit: "days",
        extremes: "With 1 segments are fetched again on another day; with 0 only room limits them.",
      },
    ),
    diskPercent: integerSetting(
      { minimum: 1, maximum: 100, default: 5 },
      {
        description: "How much of its disk the cache may take.",
        unit: "percent of the disk's size",
        extremes: "With 100 the disk can fill up.",
      },
    ),
    maxMib: integerSetting(
      { minimum: 1, maximum: 1_073_741_824 },
      {
        description: "The same in MiB; the smaller of the two counts.",
        unit: "MiB",
        extremes: "Below the size of one file, its beginning is gone before its end is there.",
      },
    ),
  };
}
