import type { Insertable, Transaction } from "kysely";
import type {
  AccusationRow,
  AuditRow,
  Change,
  ContentFile,
  ContentRow,
  DeploymentRow,
  DeviceRow,
  FileStorageRow,
  GroupRow,
  LedgerRow,
  OfficesState,
  ProgressRow,
  TopologyChangeRow,
} from "../coordinator/state.ts";
import { detailsOf } from "../topology/office-details.ts";
import type { Origin } from "../wire/messages.ts";
import { countersJson } from "./counters.ts";
import { PROFILE_REPORTS, profileReportRow, putProfile } from "./profile-storage.ts";
import type { Tables } from "./schema.ts";
import { type Keyed, Upserts } from "./upsert.ts";

/** Makes changes in the order in which they happened. */
export async function applyChanges(
  transaction: Transaction<Tables>,
  changes: readonly Change[],
): Promise<void> {
  const upserts = new Upserts(transaction);
  for (const change of changes) await applyChange({ transaction, upserts }, change);
  await upserts.flush();
}

async function applyChange(
  { transaction, upserts }: { transaction: Transaction<Tables>; upserts: Upserts },
  change: Change,
): Promise<void> {
  // Rows that replace each other may wait for company, but nothing overtakes them.
  if (!PUTS.has(change.kind)) await upserts.flush();
  switch (change.kind) {
    case "device-put":
      return await upserts.put(DEVICES, deviceRow(change.device));
    case "progress-put":
      return await upserts.put(PROGRESS, progressRow(change.progress));
    case "ledger-put":
      return await upserts.put(LEDGER, ledgerRow(change.row));
    case "accusation-put":
      return await upserts.put(ACCUSATIONS, accusationRow(change.accusation));
    case "profile-report-put":
      return await upserts.put(PROFILE_REPORTS, profileReportRow(change.report));
    case "profile-put":
      return await putProfile(transaction, change.profile);
    case "profile-remove":
      await transaction.deleteFrom("profiles").where("name", "=", change.name).execute();
      return;
    case "content-add":
      return await addContent(transaction, change.content, change);
    case "offices-replace":
      return await replaceOffices(transaction, change.offices, change.officeKeys);
    case "deployment-put":
      return await putDeployment(transaction, change.deployment);
    case "group-put":
      return await putGroup(transaction, change.group);
    case "group-remove":
      await transaction.deleteFrom("device_groups").where("name", "=", change.name).execute();
      return;
    case "topology-change-add":
      return await addTopologyChange(transaction, change.row);
    case "audit-add":
      return await addAudit(transaction, change.row);
    case "audit-trim":
      await transaction.deleteFrom("audit").where("at_ms", "<", change.beforeMs).execute();
      return;
    case "origins-replace":
      return await replaceOrigins(transaction, change.origins);
    case "file-storage-set":
      return await setFileStorage(transaction, change.storage);
    case "accusation-remove":
      await transaction
        .deleteFrom("accusations")
        .where("reporter", "=", change.reporter)
        .where("accused", "=", change.accused)
        .execute();
      return;
  }
}

/** The changes that are a row of a table, which replaces the one with its key. */
const PUTS: ReadonlySet<Change["kind"]> = new Set([
  "device-put",
  "progress-put",
  "ledger-put",
  "accusation-put",
  "profile-report-put",
]);

const DEVICES: Keyed<"devices"> = { table: "devices", key: ["device_id"] };
const PROGRESS: Keyed<"progress"> = { table: "progress", key: ["content_id", "device_id"] };
const OFFICES: Keyed<"offices"> = { table: "offices", key: ["name"] };
const SUBNETS: Keyed<"subnets"> = { table: "subnets", key: ["office", "position"] };
const LEDGER: Keyed<"ledger"> = { table: "ledger", key: ["content_id", "office"] };
const ACCUSATIONS: Keyed<"accusations"> = { table: "accusations", key: ["reporter", "accused"] };

function deviceRow(device: DeviceRow): Insertable<Tables["devices"]> {
  return {
    device_id: device.deviceId,
    host_name: device.hostName,
    machine_id: device.machineId,
    office: device.office,
    hosts_json: JSON.stringify(device.hosts),
    seen_host: device.seenHost,
    port_offset: device.portOffset,
    ports_json: device.ports === undefined ? null : JSON.stringify(device.ports),
    facts_json: JSON.stringify(device.facts),
    attributes_json: JSON.stringify(device.attributes),
    product_version: device.productVersion,
    enrolled_at_ms: device.enrolledAtMs,
    last_seen_at_ms: device.lastSeenAtMs,
    shunned_at_ms: device.shunnedAtMs ?? null,
    retired_at_ms: device.retiredAtMs ?? null,
  };
}

async function addContent(
  transaction: Transaction<Tables>,
  content: ContentRow,
  { files, manifest }: { readonly files: readonly ContentFile[]; readonly manifest: Uint8Array },
): Promise<void> {
  await transaction
    .insertInto("contents")
    .values({
      content_id: content.contentId,
      name: content.name,
      version: content.version,
      type: content.type,
      size_bytes: content.sizeBytes,
      pieces: content.pieces,
      files: content.files,
      files_json: JSON.stringify(files),
      publisher: content.publisher,
      publisher_name: content.publisherName,
      sha256: content.sha256,
      published_at_ms: content.publishedAtMs,
      published_by: content.publishedBy ?? "",
      manifest,
    })
    .execute();
}

async function replaceOffices(
  transaction: Transaction<Tables>,
  { generated, offices }: OfficesState,
  officeKeys: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  await transaction.deleteFrom("offices").execute();
  const upserts = new Upserts(transaction);
  for (const [position, office] of offices.entries()) {
    const { name, parent, type, timeZone } = office;
    await upserts.put(OFFICES, {
      ...{ name, position, parent: parent ?? null, type },
      time_zone: timeZone ?? null,
      details_json: JSON.stringify(detailsOf(office)),
      key: officeKeys.get(name) ?? null,
    });
  }
  for (const { name, subnets } of offices) {
    for (const [position, text] of subnets.entries()) {
      await upserts.put(SUBNETS, { office: name, position, text });
    }
  }
  await upserts.flush();
  await transaction
    .updateTable("organisation")
    .set({ offices_generated: generated ? 1 : 0 })
    .execute();
}

async function putDeployment(
  transaction: Transaction<Tables>,
  deployment: DeploymentRow,
): Promise<void> {
  const row: Insertable<Tables["deployments"]> = {
    deployment_id: deployment.deploymentId,
    content_id: deployment.contentId,
    targets_json: JSON.stringify(deployment.targets),
    priority: deployment.priority,
    place: deployment.place,
    not_before_ms: deployment.notBeforeMs ?? null,
    not_after_ms: deployment.notAfterMs ?? null,
    windows_json: JSON.stringify(deployment.windows),
    run_action: deployment.runAction ? 1 : 0,
    directives_json: JSON.stringify(deployment.directives),
    revision: deployment.revision,
    created_at_ms: deployment.createdAtMs,
    finished_at_ms: deployment.finishedAtMs ?? null,
    cancelled_at_ms: deployment.cancelledAtMs ?? null,
  };
  await transaction
    .insertInto("deployments")
    .values(row)
    .onConflict((conflict) => conflict.column("deployment_id").doUpdateSet(row))
    .execute();
}

async function putGroup(transaction: Transaction<Tables>, group: GroupRow): Promise<void> {
  const last = await transaction
    .selectFrom("device_groups")
    .select((columns) => columns.fn.max("position").as("position"))
    .executeTakeFirst();
  const devices_json = JSON.stringify(group.devices);
  await transaction
    .insertInto("device_groups")
    .values({ name: group.name, position: Number(last?.position ?? 0) + 1, devices_json })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ devices_json }))
    .execute();
}

async function addAudit(transaction: Transaction<Tables>, row: AuditRow): Promise<void> {
  const { epoch, number, atMs, who, action, subject, before, after } = row;
  await transaction
    .insertInto("audit")
    .values({
      ...{ epoch, number, at_ms: atMs, who, action, subject },
      ...{ before_json: before, after_json: after },
    })
    .execute();
}

function progressRow(progress: ProgressRow): Insertable<Tables["progress"]> {
  return {
    content_id: progress.contentId,
    device_id: progress.deviceId,
    boot_id: progress.bootId,
    state: progress.state,
    pieces: progress.pieces,
    pieces_held: progress.piecesHeld,
    held_bytes: progress.heldBytes,
    base_json: countersJson(progress.base),
    current_json: countersJson(progress.current),
    far_json: JSON.stringify(progress.farInBytes),
    office: progress.office,
    rvp: progress.rvp ? 1 : 0,
    problem: progress.problem,
    updated_at_ms: progress.updatedAtMs,
  };
}

function ledgerRow(ledger: LedgerRow): Insertable<Tables["ledger"]> {
  return {
    content_id: ledger.contentId,
    office: ledger.office,
    wan_bytes: ledger.wanBytes,
    lan_bytes: ledger.lanBytes,
    origin_bytes: ledger.originBytes,
    devices: ledger.devices,
  };
}

async function replaceOrigins(
  transaction: Transaction<Tables>,
  origins: readonly Origin[],
): Promise<void> {
  await transaction.deleteFrom("origins").execute();
  for (const [position, { kind, location }] of origins.entries()) {
    await transaction.insertInto("origins").values({ position, kind, location }).execute();
  }
}

async function setFileStorage(
  transaction: Transaction<Tables>,
  storage: FileStorageRow | undefined,
): Promise<void> {
  await transaction.deleteFrom("file_storage").execute();
  if (storage === undefined) return;
  const { storageId, kind, location, details, configuredAtMs } = storage;
  await transaction
    .insertInto("file_storage")
    .values({
      ...{ storage_id: storageId, kind, location },
      ...{ details_json: JSON.stringify(details), configured_at_ms: configuredAtMs },
    })
    .execute();
}

function accusationRow({
  reporter,
  accused,
  contentId,
  offence,
  atMs,
}: AccusationRow): Insertable<Tables["accusations"]> {
  return { reporter, accused, content_id: contentId, offence, at_ms: atMs };
}

/** Most changes of the topology that are kept; each holds the whole of what was before. */
const TOPOLOGY_CHANGES_MAX = 50;

async function addTopologyChange(
  transaction: Transaction<Tables>,
  { atMs, who, action, summary, before }: TopologyChangeRow,
): Promise<void> {
  const last = await transaction
    .selectFrom("topology_changes")
    .select(({ fn }) => fn.max("number").as("number"))
    .executeTakeFirst();
  const number = (last?.number ?? 0) + 1;
  await transaction
    .insertInto("topology_changes")
    .values({
      ...{ number, at_ms: atMs, who, action },
      summary_json: JSON.stringify(summary),
      before_json: JSON.stringify(before),
    })
    .execute();
  await transaction
    .deleteFrom("topology_changes")
    .where("number", "<=", number - TOPOLOGY_CHANGES_MAX)
    .execute();
}
