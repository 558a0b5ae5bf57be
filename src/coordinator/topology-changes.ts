import type { DeviceId } from "../base/ids.ts";
import { compareTopologies, type TopologyDifference } from "../topology/difference.ts";
import type { Finding, OfficeSpec } from "../topology/office.ts";
import type { By, Parts } from "./commands.ts";
import { type Answer, type Command, type CoordinatorOutbox, refused } from "./contract.ts";
import type { Offices } from "./offices.ts";
import type { TopologySummary } from "./state.ts";
import type { ZoneOffset } from "./windows.ts";

/** A device that another topology places in another office. */
export type Move = {
  readonly deviceId: DeviceId;
  readonly hostName: string;
  readonly from: string;
  readonly to: string;
};

/** What a change of the topology comes to, and what the linter says of it. */
export type TopologyChange = {
  readonly findings: readonly Finding[];
  readonly difference: TopologyDifference;
  readonly moves: readonly Move[];
};

/**
 * Puts another topology in force, or only says what that would come to. All of it is one change, of
 * which what was before is kept.
 */
export function replaceOffices(
  parts: Parts,
  command: Extract<Command, { kind: "replace-offices" }>,
  by: By,
  outbox: CoordinatorOutbox,
): Answer {
  const { roster, zoneOffsetMs } = parts;
  const unknown = badZones(command.offices, zoneOffsetMs, by.wallMs);
  const tried = roster.offices.tried(command.offices);
  if (!tried.ok || unknown.length > 0) {
    const findings = [...(tried.ok ? [] : tried.error), ...unknown];
    const errors = findings.filter(({ severity }) => severity === "error");
    const reason = errors.map(({ sentence }) => sentence).join(" ");
    return refused("bad-topology", reason, findings);
  }
  const { offices, findings } = tried.value;
  const difference = compareTopologies(roster.offices.specs(), offices.specs());
  const change = { findings, difference, moves: roster.moves(offices) };
  if (command.dryRun !== true) carryOut(parts, { command, change, offices, by }, outbox);
  return { kind: "offices-replaced", ...change };
}

function carryOut(
  { roster, rollout, policies, profiles, profileWords, audit }: Parts,
  given: {
    readonly command: Extract<Command, { kind: "replace-offices" }>;
    readonly change: TopologyChange;
    readonly offices: Offices;
    readonly by: By;
  },
  outbox: CoordinatorOutbox,
): void {
  const { command, change, offices, by } = given;
  const { who, wallMs: atMs } = by;
  const state = roster.offices.state();
  const summary = summaryOf(change);
  const sameKind = state.generated === (command.offices.length === 0);
  if (!sameKind || summary.added + summary.removed + summary.changed > 0) {
    const action = command.action ?? "import";
    const row = { atMs, who, action, summary, before: state };
    outbox.persist({ kind: "topology-change-add", row });
  }
  const before = { offices: state.offices.length };
  roster.offices.adopt(offices);
  const after = { offices: roster.offices.specs().length, ...summary };
  audit.write({ atMs, who, action: "offices-replace", subject: "", before, after }, outbox);
  roster.move(change.moves, by.nowUs);
  roster.offices.save(outbox);
  roster.save(outbox);
  policies.membersChanged(by.nowUs);
  profiles.surroundingsChanged();
  profileWords.changed();
  rollout.targetsChanged(by.nowUs);
  rollout.tellAll(by, outbox);
}

function summaryOf({ difference, moves }: TopologyChange): TopologySummary {
  const { added, removed, changed } = difference;
  return {
    added: added.length,
    removed: removed.length,
    changed: changed.length,
    moved: moves.length,
  };
}

/** Time zones that nobody knows. */
function badZones(
  offices: readonly OfficeSpec[],
  zoneOffsetMs: ZoneOffset,
  wallMs: number,
): readonly Finding[] {
  return offices.flatMap(({ name: office, timeZone = "", ...rest }, index) => {
    const zone = timeZone.trim();
    if (zone === "" || zoneOffsetMs(zone, wallMs) !== undefined) return [];
    const row = rest.row ?? index + 1;
    const problem = `"${zone}" is no time zone: use a name such as Europe/Berlin`;
    const sentence = `Row ${row}, office "${office}": ${problem}.`;
    return [{ severity: "error", code: "bad-time-zone", office, row, sentence }];
  });
}
