import type { Kysely, Selectable } from "kysely";
import type { ContentId, DeviceId } from "../base/ids.ts";
import type {
  AccusationRow,
  ContentRow,
  CoordinatorState,
  DeploymentRow,
  DeviceRow,
  Directive,
  FileStorageKind,
  FileStorageRow,
  LedgerRow,
  OfficesState,
  Priority,
  ProgressRow,
  Targets,
} from "../coordinator/state.ts";
import type { OfficeDetails } from "../topology/office-details.ts";
import type {
  Attribute,
  ContentState,
  Facts,
  Offence,
  OfficeBytes,
  OriginKind,
} from "../wire/messages.ts";
import type { PortMap } from "../wire/profile.ts";
import { parseCounters } from "./counters.ts";
import { loadProfiles } from "./profile-storage.ts";
import { unpacked } from "./progress-packs.ts";
import type { Tables } from "./schema.ts";

/** Reads everything that the coordinator begins with. The rows are what `applyChanges` wrote. */
export async function loadState(
  database: Kysely<Tables>,
  epoch: number,
): Promise<CoordinatorState> {
  const devices = await database
    .selectFrom("devices")
    .selectAll()
    .orderBy("enrolled_at_ms")
    .execute();
  const contents = await database
    .selectFrom("contents")
    .select([
      "content_id",
      "name",
      "version",
      "type",
      "size_bytes",
      "pieces",
      "files",
      "publisher",
      "publisher_name",
      "sha256",
      "published_at_ms",
      "published_by",
    ])
    .orderBy("published_at_ms")
    .execute();
  const deployments = await database
    .selectFrom("deployments")
    .selectAll()
    .orderBy("created_at_ms")
    .execute();
  const progress = await loadProgress(database);
  const keys = await database.selectFrom("offices").select(["name", "key"]).execute();
  const origins = await database.selectFrom("origins").selectAll().orderBy("position").execute();
  const ledger = await database.selectFrom("ledger").selectAll().execute();
  const accusations = await database
    .selectFrom("accusations")
    .selectAll()
    .orderBy("at_ms")
    .execute();
  const groups = await database
    .selectFrom("device_groups")
    .selectAll()
    .orderBy("position")
    .execute();
  const storage = await database.selectFrom("file_storage").selectAll().executeTakeFirst();
  return {
    epoch,
    devices: devices.map(deviceOf),
    contents: contents.map(contentOf),
    offices: await loadOffices(database),
    deployments: deployments.map(deploymentOf),
    progress,
    officeKeys: new Map(
      keys.flatMap(({ name, key }) => (key === null ? [] : [[name, Uint8Array.from(key)]])),
    ),
    origins: origins.map(({ kind, location }) => ({ kind: kind as OriginKind, location })),
    ledger: ledger.map(ledgerOf),
    accusations: accusations.map(accusationOf),
    groups: groups.map(({ name, devices_json }) => ({
      name,
      devices: JSON.parse(devices_json) as string[],
    })),
    ...(await loadProfiles(database)),
    ...(storage === undefined ? {} : { fileStorage: storageOf(storage) }),
  };
}

/** All rows, the packed ones too; of a device that has reported since, what it reported. */
async function loadProgress(database: Kysely<Tables>): Promise<readonly ProgressRow[]> {
  const rows = (await database.selectFrom("progress").selectAll().execute()).map(progressOf);
  const loose = new Set(rows.map(({ contentId, deviceId }) => `${contentId} ${deviceId}`));
  for await (const row of unpacked(database)) {
    if (!loose.has(`${row.content_id} ${row.device_id}`)) rows.push(progressOf(row));
  }
  return rows;
}

async function loadOffices(database: Kysely<Tables>): Promise<OfficesState> {
  const organisation = await database
    .selectFrom("organisation")
    .select("offices_generated")
    .executeTakeFirst();
  const offices = await database.selectFrom("offices").selectAll().orderBy("position").execute();
  const subnets = await database.selectFrom("subnets").selectAll().orderBy("position").execute();
  const texts = new Map<string, string[]>(offices.map(({ name }) => [name, []]));
  for (const { office, text } of subnets) texts.get(office)?.push(text);
  return {
    generated: organisation?.offices_generated !== 0,
    offices: offices.map(({ name, parent, type, time_zone, details_json }) => ({
      name,
      ...(parent === null ? {} : { parent }),
      type,
      subnets: texts.get(name) ?? [],
      ...(time_zone === null ? {} : { timeZone: time_zone }),
      ...(JSON.parse(details_json) as OfficeDetails),
    })),
  };
}

function deviceOf(row: Selectable<Tables["devices"]>): DeviceRow {
  return {
    deviceId: row.device_id as DeviceId,
    hostName: row.host_name,
    machineId: row.machine_id,
    office: row.office,
    hosts: JSON.parse(row.hosts_json) as string[],
    seenHost: row.seen_host,
    portOffset: row.port_offset,
    ...(row.ports_json === null ? {} : { ports: JSON.parse(row.ports_json) as PortMap }),
    facts: JSON.parse(row.facts_json) as Facts,
    attributes: JSON.parse(row.attributes_json) as Attribute[],
    productVersion: row.product_version,
    enrolledAtMs: row.enrolled_at_ms,
    lastSeenAtMs: row.last_seen_at_ms,
    ...(row.shunned_at_ms === null ? {} : { shunnedAtMs: row.shunned_at_ms }),
    ...(row.retired_at_ms === null ? {} : { retiredAtMs: row.retired_at_ms }),
  };
}

function contentOf(
  row: Omit<Selectable<Tables["contents"]>, "files_json" | "manifest">,
): ContentRow {
  return {
    contentId: row.content_id as ContentId,
    name: row.name,
    version: row.version,
    type: row.type,
    sizeBytes: row.size_bytes,
    pieces: row.pieces,
    files: row.files,
    publisher: row.publisher,
    publisherName: row.publisher_name,
    sha256: row.sha256,
    publishedAtMs: row.published_at_ms,
    ...(row.published_by === "" ? {} : { publishedBy: row.published_by as DeviceId }),
  };
}

function deploymentOf(row: Selectable<Tables["deployments"]>): DeploymentRow {
  return {
    deploymentId: row.deployment_id,
    contentId: row.content_id as ContentId,
    targets: JSON.parse(row.targets_json) as Targets,
    priority: row.priority as Priority,
    place: row.place,
    ...(row.not_before_ms === null ? {} : { notBeforeMs: row.not_before_ms }),
    ...(row.not_after_ms === null ? {} : { notAfterMs: row.not_after_ms }),
    windows: JSON.parse(row.windows_json) as string[],
    runAction: row.run_action === 1,
    directives: JSON.parse(row.directives_json) as Directive[],
    revision: row.revision,
    createdAtMs: row.created_at_ms,
    ...(row.finished_at_ms === null ? {} : { finishedAtMs: row.finished_at_ms }),
    ...(row.cancelled_at_ms === null ? {} : { cancelledAtMs: row.cancelled_at_ms }),
  };
}

function progressOf(row: Selectable<Tables["progress"]>): ProgressRow {
  return {
    contentId: row.content_id as ContentId,
    deviceId: row.device_id as DeviceId,
    bootId: row.boot_id,
    state: row.state as ContentState,
    pieces: row.pieces,
    piecesHeld: row.pieces_held,
    heldBytes: row.held_bytes,
    base: parseCounters(row.base_json),
    current: parseCounters(row.current_json),
    farInBytes: JSON.parse(row.far_json) as OfficeBytes[],
    office: row.office,
    rvp: row.rvp === 1,
    problem: row.problem,
    updatedAtMs: row.updated_at_ms,
  };
}

function ledgerOf(row: Selectable<Tables["ledger"]>): LedgerRow {
  return {
    contentId: row.content_id as ContentId,
    office: row.office,
    wanBytes: row.wan_bytes,
    lanBytes: row.lan_bytes,
    originBytes: row.origin_bytes,
    devices: row.devices,
  };
}

function storageOf(row: Selectable<Tables["file_storage"]>): FileStorageRow {
  return {
    storageId: row.storage_id,
    kind: row.kind as FileStorageKind,
    location: row.location,
    details: JSON.parse(row.details_json) as Record<string, string>,
    configuredAtMs: row.configured_at_ms,
  };
}

function accusationOf(row: Selectable<Tables["accusations"]>): AccusationRow {
  return {
    reporter: row.reporter as DeviceId,
    accused: row.accused as DeviceId,
    contentId: row.content_id as ContentId,
    offence: row.offence as Offence,
    atMs: row.at_ms,
  };
}
