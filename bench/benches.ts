import { ADAPTIVE } from "./adaptive.ts";
import { AGENT_KILL } from "./agent-kill.ts";
import { ALONE } from "./alone.ts";
import { API } from "./api.ts";
import { BAD_PEER } from "./bad-peer.ts";
import { BRANCHCACHE_FUZZ } from "./branchcache-fuzz.ts";
import { BRANCHCACHE_HASH } from "./branchcache-hash.ts";
import { BRANCHCACHE_HOSTED } from "./branchcache-hosted.ts";
import { DISK_FULL } from "./disk-full.ts";
import { LAN } from "./lan.ts";
import { LINK } from "./link.ts";
import { LINK_CUT } from "./link-cut.ts";
import { OFFICE } from "./office.ts";
import { OFFICE_TYPES } from "./office-types.ts";
import { ORIGIN } from "./origin.ts";
import { PLANTED_BUGS_BENCH } from "./planted-bugs.ts";
import { ROAM } from "./roam.ts";
import { RVP_LOSS } from "./rvp-loss.ts";
import { SERVER } from "./server.ts";
import { SERVER_LOSS } from "./server-loss.ts";
import { SIM_10K } from "./sim-10k.ts";
import { SIM_100K } from "./sim-100k.ts";
import { SIM_OFFICE } from "./sim-office.ts";
import type { Bench } from "./stage.ts";
import { TOLD } from "./told.ts";
import { TOPOLOGY } from "./topology.ts";
import { TREE } from "./tree.ts";

/** All benches by name. */
export const BENCHES: ReadonlyMap<string, Bench> = new Map([
  ["link", LINK],
  ["lan", LAN],
  ["adaptive", ADAPTIVE],
  ["tree", TREE],
  ["office", OFFICE],
  ["rvp-loss", RVP_LOSS],
  ["server-loss", SERVER_LOSS],
  ["agent-kill", AGENT_KILL],
  ["link-cut", LINK_CUT],
  ["roam", ROAM],
  ["alone", ALONE],
  ["origin", ORIGIN],
  ["bad-peer", BAD_PEER],
  ["disk-full", DISK_FULL],
  ["office-types", OFFICE_TYPES],
  ["sim-100k", SIM_100K],
  ["sim-10k", SIM_10K],
  ["sim-office", SIM_OFFICE],
  ["topology", TOPOLOGY],
  ["planted-bugs", PLANTED_BUGS_BENCH],
  ["server", SERVER],
  ["told", TOLD],
  ["api", API],
  ["branchcache-fuzz", BRANCHCACHE_FUZZ],
  ["branchcache-hash", BRANCHCACHE_HASH],
  ["branchcache-hosted", BRANCHCACHE_HOSTED],
]);
