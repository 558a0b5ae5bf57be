import type { Insertable, Kysely, Selectable, Transaction } from "kysely";
import type { DeviceId } from "../base/ids.ts";
import type { ProfileReportRow, ProfileRow, ProfileTargets } from "../coordinator/profile-rows.ts";
import type { CoordinatorState } from "../coordinator/state.ts";
import type { ProfileInForce, ProfileValues } from "../wire/profile.ts";
import type { Tables } from "./schema.ts";
import type { Keyed } from "./upsert.ts";

/** What a device reports of its values; as many rows as there are devices. */
export const PROFILE_REPORTS: Keyed<"profile_reports"> = {
  table: "profile_reports",
  key: ["device_id"],
};

/** Reads the profiles, and what devices said of them. */
export async function loadProfiles(
  database: Kysely<Tables>,
): Promise<Pick<CoordinatorState, "profiles" | "profileReports">> {
  const profiles = await database.selectFrom("profiles").selectAll().orderBy("rank").execute();
  const reports = await database.selectFrom("profile_reports").selectAll().execute();
  return { profiles: profiles.map(profileOf), profileReports: reports.map(reportOf) };
}

/** Writes a profile in place of the one of its name. */
export async function putProfile(
  transaction: Transaction<Tables>,
  profile: ProfileRow,
): Promise<void> {
  const { name, order, values, targets, createdAtMs, changedAtMs } = profile;
  const row: Insertable<Tables["profiles"]> = {
    name,
    rank: order,
    values_json: JSON.stringify(values),
    targets_json: JSON.stringify(targets),
    created_at_ms: createdAtMs,
    changed_at_ms: changedAtMs,
  };
  await transaction
    .insertInto("profiles")
    .values(row)
    .onConflict((conflict) => conflict.column("name").doUpdateSet(row))
    .execute();
}

/** What a device reports, as a row. */
export function profileReportRow({
  deviceId,
  values,
  problems,
  atMs,
}: ProfileReportRow): Insertable<Tables["profile_reports"]> {
  return {
    device_id: deviceId,
    values_json: JSON.stringify(values),
    problems_json: JSON.stringify(problems),
    at_ms: atMs,
  };
}

function profileOf(row: Selectable<Tables["profiles"]>): ProfileRow {
  return {
    name: row.name,
    order: row.rank,
    values: JSON.parse(row.values_json) as ProfileValues,
    targets: JSON.parse(row.targets_json) as ProfileTargets,
    createdAtMs: row.created_at_ms,
    changedAtMs: row.changed_at_ms,
  };
}

function reportOf(row: Selectable<Tables["profile_reports"]>): ProfileReportRow {
  return {
    deviceId: row.device_id as DeviceId,
    values: JSON.parse(row.values_json) as ProfileInForce,
    problems: JSON.parse(row.problems_json) as string[],
    atMs: row.at_ms,
  };
}
