import { describe, expect, test } from "vitest";
import {
  netshCommands,
  parseCounters,
  planProblem,
  powerShellCommands,
  type WindowsServicePlan,
} from "./windows-service.ts";

const PLAN: WindowsServicePlan = {
  mode: "hosted",
  hostedServers: ["cache.example", "10.0.0.9"],
  maxAgeDays: 14,
  diskPercent: 20,
};

describe("the commands for Windows' own service", () => {
  test("WN1: are those of the BranchCache module", () => {
    expect(powerShellCommands(PLAN)).toEqual([
      "Enable-BCHostedClient -ServerNames 'cache.example','10.0.0.9' -UseVersion Windows8 -Force",
      "Set-BCDataCacheEntryMaxAge -TimeDays 14 -Force",
      "Get-BCDataCache | Set-BCCache -Percentage 20 -Force",
      "Enable-NetFirewallRule -DisplayGroup 'BranchCache - Content Retrieval (Uses HTTP)'",
      "Enable-NetFirewallRule -DisplayGroup 'BranchCache - Hosted Cache Client (Uses HTTPS)'",
    ]);
    expect(powerShellCommands({ mode: "distributed", hostedServers: [] })).toEqual([
      "Enable-BCDistributed -Force",
      "Enable-NetFirewallRule -DisplayGroup 'BranchCache - Content Retrieval (Uses HTTP)'",
      "Enable-NetFirewallRule -DisplayGroup 'BranchCache - Peer Discovery (Uses WSD)'",
    ]);
    expect(powerShellCommands({ mode: "local", hostedServers: [] })).toEqual([
      "Enable-BCLocal -Force",
    ]);
    expect(powerShellCommands({ mode: "disabled", hostedServers: [] })).toEqual([
      "Disable-BC -Force",
    ]);
  });

  test("WN1: are those of netsh where there is no such module", () => {
    expect(netshCommands(PLAN)).toEqual([
      "netsh branchcache set service mode=HOSTEDCLIENT location=cache.example",
      "netsh branchcache set cachesize size=20 percent=TRUE",
    ]);
    expect(netshCommands({ mode: "disabled", hostedServers: [] })).toEqual([
      "netsh branchcache set service mode=DISABLED",
    ]);
  });

  test("WN2: a plan without a hosted cache, or with a name that is none, is refused", () => {
    expect(planProblem(PLAN)).toBeUndefined();
    expect(planProblem({ ...PLAN, hostedServers: [] })).toEqual({ kind: "no-hosted-server" });
    for (const host of ["a'; Remove-Item C:\\", "a b", "", "-a", "a&b", "$(x)", "a\nb"]) {
      expect(planProblem({ ...PLAN, hostedServers: [host] })).toEqual({ kind: "bad-host", host });
    }
  });
});

describe("what Windows has counted", () => {
  const path = "\\\\\\\\pc\\\\branchcache\\\\retrieval: bytes from cache";

  test("WN3: is read by the counters' names", () => {
    const one = `{"Path":"${path}","CookedValue":12}`;

    expect(parseCounters(`\ufeff[${one}]`)).toEqual(new Map([["retrieval: bytes from cache", 12]]));
    expect(parseCounters(one)).toEqual(new Map([["retrieval: bytes from cache", 12]]));
  });

  test("WN3: is refused where it is anything else", () => {
    for (const text of [
      "",
      "x",
      "[1]",
      "null",
      '{"Path":1}',
      `{"Path":"${path}","CookedValue":-1}`,
    ]) {
      expect(parseCounters(text)).toBeUndefined();
    }
  });
});
