/** How a device takes part in BranchCache. */
export type BranchCacheMode = "distributed" | "hosted" | "local" | "disabled";

/** What Windows' own service is to do. What is absent stays as it is there. */
export type WindowsServicePlan = {
  readonly mode: BranchCacheMode;
  /** Host names or addresses; at least one where the mode is `hosted`. */
  readonly hostedServers: readonly string[];
  readonly maxAgeDays?: number;
  readonly diskPercent?: number;
};

/** Why a plan cannot be carried out. */
export type PlanProblem =
  | { readonly kind: "no-hosted-server" }
  /** It is no name that a command could be built with. */
  | { readonly kind: "bad-host"; readonly host: string };

/** What is wrong with a plan; `undefined` where nothing is. */
export function planProblem(plan: WindowsServicePlan): PlanProblem | undefined {
  const bad = plan.hostedServers.find((host) => !HOST.test(host));
  if (bad !== undefined) return { kind: "bad-host", host: bad };
  const lacks = plan.mode === "hosted" && plan.hostedServers.length === 0;
  return lacks ? { kind: "no-hosted-server" } : undefined;
}

/**
 * The commands of PowerShell's BranchCache module that bring Windows' service to a plan (Windows 8
 * and later), in order. The plan has no problem.
 */
export function powerShellCommands(plan: WindowsServicePlan): readonly string[] {
  const servers = plan.hostedServers.map((host) => `'${host}'`).join(",");
  const mode = {
    distributed: "Enable-BCDistributed -Force",
    hosted: `Enable-BCHostedClient -ServerNames ${servers} -UseVersion Windows8 -Force`,
    local: "Enable-BCLocal -Force",
    disabled: "Disable-BC -Force",
  }[plan.mode];
  const { maxAgeDays, diskPercent } = plan;
  return [
    mode,
    ...(maxAgeDays === undefined
      ? []
      : [`Set-BCDataCacheEntryMaxAge -TimeDays ${maxAgeDays} -Force`]),
    ...(diskPercent === undefined
      ? []
      : [`Get-BCDataCache | Set-BCCache -Percentage ${diskPercent} -Force`]),
    ...firewallGroups(plan.mode).map((group) => `Enable-NetFirewallRule -DisplayGroup '${group}'`),
  ];
}

/**
 * The same for systems without that module (Windows 7): `netsh` knows one hosted cache, no
 * greatest age, and sets up the firewall with the mode.
 */
export function netshCommands(plan: WindowsServicePlan): readonly string[] {
  const [server = ""] = plan.hostedServers;
  const mode = {
    distributed: "mode=DISTRIBUTED",
    hosted: `mode=HOSTEDCLIENT location=${server}`,
    local: "mode=LOCAL",
    disabled: "mode=DISABLED",
  }[plan.mode];
  const { diskPercent } = plan;
  const size =
    diskPercent === undefined
      ? []
      : [`netsh branchcache set cachesize size=${diskPercent} percent=TRUE`];
  return [`netsh branchcache set service ${mode}`, ...size];
}

/** The groups of rules in Windows' firewall that a mode needs. */
export function firewallGroups(mode: BranchCacheMode): readonly string[] {
  const retrieval = "BranchCache - Content Retrieval (Uses HTTP)";
  const discovery = "BranchCache - Peer Discovery (Uses WSD)";
  if (mode === "distributed") return [retrieval, discovery];
  // A hosted cache comes back for what it was offered.
  return mode === "hosted" ? [retrieval, "BranchCache - Hosted Cache Client (Uses HTTPS)"] : [];
}

/** What has Windows say how the service stands, and what it has counted, as JSON. */
export const STATUS_COMMANDS: readonly string[] = [
  "Get-BCStatus | ConvertTo-Json -Depth 4 -Compress",
  "(Get-Counter '\\BranchCache(*)\\*').CounterSamples | " +
    "Select-Object Path, CookedValue | ConvertTo-Json -Compress",
];

/** What a device of Windows has counted, by the names of its counters. */
export type WindowsCounters = ReadonlyMap<string, number>;

/**
 * Reads what the second of {@link STATUS_COMMANDS} wrote.
 *
 * @param text - `[{"Path":"\\\\host\\branchcache\\retrieval: bytes from cache","CookedValue":1}, …]`;
 * one counter alone comes without brackets.
 * @returns `undefined` where it is none of that.
 */
export function parseCounters(text: string): WindowsCounters | undefined {
  const samples = parseJson(text.replace(/^\ufeff/, ""));
  if (samples === undefined) return undefined;
  const counters = new Map<string, number>();
  for (const sample of (Array.isArray(samples) ? samples : [samples]).slice(0, COUNTERS_MAX)) {
    if (typeof sample !== "object" || sample === null) return undefined;
    const { Path, CookedValue } = sample as { Path?: unknown; CookedValue?: unknown };
    if (typeof Path !== "string" || typeof CookedValue !== "number") return undefined;
    if (!Number.isFinite(CookedValue) || CookedValue < 0) return undefined;
    counters.set(Path.slice(Path.lastIndexOf("\\") + 1).toLowerCase(), CookedValue);
  }
  return counters;
}

/** Of a name or an address nothing else can be meant, in either shell. */
const HOST = /^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$/;

/** More than the object has. */
const COUNTERS_MAX = 512;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
