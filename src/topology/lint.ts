import type { Finding, OfficeSpec } from "./office.ts";
import { buildTopology, judgeServer } from "./topology.ts";

/** Everything that is wrong with a topology, or worth a look, without putting it in force. */
export function lintTopology(
  entries: readonly OfficeSpec[],
  serverHosts: readonly string[],
): readonly Finding[] {
  const built = buildTopology(entries);
  if (!built.ok) return built.error;
  const misplaced = judgeServer(built.value, serverHosts);
  return [...built.value.findings, ...(misplaced === undefined ? [] : [misplaced])];
}
