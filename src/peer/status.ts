import { MS } from "../base/units.ts";
import type { ProfileInForce } from "../wire/profile.ts";
import type { PeerStatus } from "./contract.ts";
import type { Core } from "./core.ts";

/** Where an agent stands, for `branchline agent status`. */
export function peerStatus(
  core: Core,
  said: {
    readonly serverConnected: boolean;
    readonly profile: ProfileInForce;
    readonly profileProblems: readonly string[];
  },
): PeerStatus {
  const { view, contents, links, endpoint } = core;
  return {
    office: view.office,
    ...said,
    rvp: view.office !== "" && core.holdsOffice,
    lineBusyMs: Math.floor(core.lineBusy.forUs / MS),
    contents: [...contents.values()].map((entry) => ({
      contentId: entry.contentId,
      name: entry.known?.manifest.name ?? "",
      version: entry.known?.manifest.version ?? "",
      state: entry.state,
      pieces: entry.known?.manifest.pieces.length ?? 0,
      piecesHeld: entry.known?.held.count ?? 0,
      sizeBytes: entry.known?.manifest.sizeBytes ?? 0,
      heldBytes: entry.heldBytes,
      wanInBytes: entry.tally.wanInBytes,
      lanInBytes: entry.tally.lanInBytes,
      wanOutBytes: entry.tally.wanOutBytes,
      lanOutBytes: entry.tally.lanOutBytes,
      originInBytes: entry.tally.originInBytes,
      delivered: entry.delivered,
      hold: entry.wanted ? entry.hold : "none",
      runAction: entry.wanted && entry.runAction,
      problem: entry.problem,
    })),
    peers: [...links.values()].map(({ deviceId, host, association }) => ({
      deviceId,
      office: view.member(deviceId)?.office ?? "",
      host,
      connected: true,
      rttUs: Math.round(endpoint.rttUs(association)),
    })),
  };
}
