import type { Insertable, Kysely, Transaction } from "kysely";
import type {
  AccusationRow,
  Change,
  ContentFile,
  ContentRow,
  DeploymentRow,
  DeviceRow,
  LedgerRow,
  OfficesState,
  ProgressRow,
} from "../coordinator/state.ts";
import type { Origin } from "../wire/messages.ts";
import type { Tables } from "./schema.ts";

/** Makes changes in the order in which they happened, all of them or none. */
export async function applyChanges(
  database: Kysely<Tables>,
  changes: readonly Change[],
): Promise<void> {
  if (changes.length === 0) return;
  await database.transaction().execute(async (transaction) => {
    for (const change of changes) await applyChange(transaction, change);
  });
}

async function applyChange(transaction: Transaction<Tables>, change: Change): Promise<void> {
  switch (change.kind) {
    case "device-put":
      return await putDevice(transaction, change.device);
    case "content-add":
      return await addContent(transaction, change.content, change);
    case "offices-replace":
      return await replaceOffices(transaction, change.offices, change.officeKeys);
    case "deployment-add":
      return await addDeployment(transaction, change.deployment);
    case "deployment-finish":
      await transaction
        .updateTable("deployments")
        .set({ finished_at_ms: change.finishedAtMs })
        .where("deployment_id", "=", change.deploymentId)
        .execute();
      return;
    case "progress-put":
      return await putProgress(transaction, change.progress);
    case "ledger-put":
      return await putLedger(transaction, change.row);
    case "origins-replace":
      return await replaceOrigins(transaction, change.origins);
    case "accusation-put":
      return await putAccusation(transaction, change.accusation);
    case "accusation-remove":
      await transaction
        .deleteFrom("accusations")
        .where("reporter", "=", change.reporter)
        .where("accused", "=", change.accused)
        .execute();
      return;
  }
}

async function putDevice(transaction: Transaction<Tables>, device: DeviceRow): Promise<void> {
  const row: Insertable<Tables["devices"]> = {
    device_id: device.deviceId,
    host_name: device.hostName,
    machine_id: device.machineId,
    office: device.office,
    hosts_json: JSON.stringify(device.hosts),
    seen_host: device.seenHost,
    port_offset: device.portOffset,
    facts_json: JSON.stringify(device.facts),
    product_version: device.productVersion,
    enrolled_at_ms: device.enrolledAtMs,
    last_seen_at_ms: device.lastSeenAtMs,
    shunned_at_ms: device.shunnedAtMs ?? null,
    retired_at_ms: device.retiredAtMs ?? null,
  };
  await transaction
    .insertInto("devices")
    .values(row)
    .onConflict((conflict) => conflict.column("device_id").doUpdateSet(row))
    .execute();
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
      published_by: content.publishedBy,
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
  for (const [position, { name, parent, type, subnets }] of offices.entries()) {
    await transaction
      .insertInto("offices")
      .values({ name, position, parent: parent ?? null, type, key: officeKeys.get(name) ?? null })
      .execute();
    for (const [place, text] of subnets.entries()) {
      const row = { office: name, position: place, text };
      await transaction.insertInto("subnets").values(row).execute();
    }
  }
  await transaction
    .updateTable("organisation")
    .set({ offices_generated: generated ? 1 : 0 })
    .execute();
}

async function addDeployment(
  transaction: Transaction<Tables>,
  deployment: DeploymentRow,
): Promise<void> {
  await transaction
    .insertInto("deployments")
    .values({
      deployment_id: deployment.deploymentId,
      content_id: deployment.contentId,
      targets_json: JSON.stringify(deployment.targets),
      priority: deployment.priority,
      created_at_ms: deployment.createdAtMs,
      finished_at_ms: deployment.finishedAtMs ?? null,
    })
    .execute();
}

async function putProgress(transaction: Transaction<Tables>, progress: ProgressRow): Promise<void> {
  const row: Insertable<Tables["progress"]> = {
    content_id: progress.contentId,
    device_id: progress.deviceId,
    boot_id: progress.bootId,
    state: progress.state,
    pieces: progress.pieces,
    pieces_held: progress.piecesHeld,
    held_bytes: progress.heldBytes,
    base_json: JSON.stringify(progress.base),
    current_json: JSON.stringify(progress.current),
    far_json: JSON.stringify(progress.farInBytes),
    office: progress.office,
    rvp: progress.rvp ? 1 : 0,
    problem: progress.problem,
    updated_at_ms: progress.updatedAtMs,
  };
  await transaction
    .insertInto("progress")
    .values(row)
    .onConflict((conflict) => conflict.columns(["content_id", "device_id"]).doUpdateSet(row))
    .execute();
}

async function putLedger(transaction: Transaction<Tables>, ledger: LedgerRow): Promise<void> {
  const row: Insertable<Tables["ledger"]> = {
    content_id: ledger.contentId,
    office: ledger.office,
    wan_bytes: ledger.wanBytes,
    lan_bytes: ledger.lanBytes,
    origin_bytes: ledger.originBytes,
    devices: ledger.devices,
  };
  await transaction
    .insertInto("ledger")
    .values(row)
    .onConflict((conflict) => conflict.columns(["content_id", "office"]).doUpdateSet(row))
    .execute();
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

async function putAccusation(
  transaction: Transaction<Tables>,
  { reporter, accused, contentId, offence, atMs }: AccusationRow,
): Promise<void> {
  const row: Insertable<Tables["accusations"]> = {
    reporter,
    accused,
    content_id: contentId,
    offence,
    at_ms: atMs,
  };
  await transaction
    .insertInto("accusations")
    .values(row)
    .onConflict((conflict) => conflict.columns(["reporter", "accused"]).doUpdateSet(row))
    .execute();
}
