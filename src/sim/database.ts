import type { ContentId } from "../base/ids.ts";
import { unreachable } from "../base/invariant.ts";
import type { ProfileReportRow, ProfileRow } from "../coordinator/profile-rows.ts";
import type {
  AccusationRow,
  Change,
  ContentRow,
  CoordinatorState,
  DeploymentRow,
  DeviceRow,
  GroupRow,
  LedgerRow,
  ProgressRow,
} from "../coordinator/state.ts";

/** The server's database in memory: what it has committed, and nothing else. */
export class SimDatabase {
  #epoch: number;
  #offices: Pick<CoordinatorState, "offices" | "officeKeys">;
  #origins: CoordinatorState["origins"];
  readonly #devices: Map<string, DeviceRow>;
  readonly #contents: Map<string, ContentRow>;
  readonly #deployments: Map<string, DeploymentRow>;
  readonly #progress: Map<string, ProgressRow>;
  readonly #ledger: Map<string, LedgerRow>;
  readonly #accusations: Map<string, AccusationRow>;
  readonly #groups: Map<string, GroupRow>;
  readonly #profiles: Map<string, ProfileRow>;
  readonly #profileReports: Map<string, ProfileReportRow>;
  readonly #manifests: Map<ContentId, Uint8Array>;

  constructor(state: CoordinatorState, manifests: ReadonlyMap<ContentId, Uint8Array> = new Map()) {
    this.#epoch = state.epoch;
    this.#offices = { offices: state.offices, officeKeys: new Map(state.officeKeys) };
    this.#origins = state.origins;
    this.#devices = new Map(state.devices.map((row) => [row.deviceId, row]));
    this.#contents = new Map(state.contents.map((row) => [row.contentId, row]));
    this.#deployments = new Map(state.deployments.map((row) => [row.deploymentId, row]));
    this.#progress = new Map(
      state.progress.map((row) => [keyOf(row.contentId, row.deviceId), row]),
    );
    this.#ledger = new Map(state.ledger.map((row) => [keyOf(row.contentId, row.office), row]));
    this.#accusations = new Map(
      state.accusations.map((row) => [keyOf(row.reporter, row.accused), row]),
    );
    this.#groups = new Map(state.groups.map((row) => [row.name, row]));
    this.#profiles = new Map(state.profiles.map((row) => [row.name, row]));
    this.#profileReports = new Map(state.profileReports.map((row) => [row.deviceId, row]));
    this.#manifests = new Map(manifests);
  }

  /** Begins the next epoch, which follows the wall clock as the real one does. */
  start(wallS: number): CoordinatorState {
    this.#epoch = Math.max(this.#epoch + 1, wallS);
    return this.#state();
  }

  /** The signed manifest of a published content. */
  manifest(contentId: ContentId): Uint8Array | undefined {
    return this.#manifests.get(contentId);
  }

  /** A copy, as a backup is. */
  copy(): SimDatabase {
    return new SimDatabase(this.#state(), this.#manifests);
  }

  /** Takes in a change. */
  apply(change: Change): void {
    switch (change.kind) {
      case "device-put":
        this.#devices.set(change.device.deviceId, change.device);
        break;
      case "content-add":
        this.#contents.set(change.content.contentId, change.content);
        this.#manifests.set(change.content.contentId, change.manifest);
        break;
      case "offices-replace":
        this.#offices = { offices: change.offices, officeKeys: new Map(change.officeKeys) };
        break;
      case "deployment-put":
        this.#deployments.set(change.deployment.deploymentId, change.deployment);
        break;
      case "group-put":
        this.#groups.set(change.group.name, change.group);
        break;
      case "group-remove":
        this.#groups.delete(change.name);
        break;
      case "profile-put":
        this.#profiles.set(change.profile.name, change.profile);
        break;
      case "profile-remove":
        this.#profiles.delete(change.name);
        break;
      case "profile-report-put":
        this.#profileReports.set(change.report.deviceId, change.report);
        break;
      case "topology-change-add":
      case "file-storage-set":
      case "audit-add":
      case "audit-trim":
        // Nobody in a simulated world reads them.
        break;
      case "progress-put": {
        const { contentId, deviceId } = change.progress;
        this.#progress.set(keyOf(contentId, deviceId), change.progress);
        break;
      }
      case "ledger-put":
        this.#ledger.set(keyOf(change.row.contentId, change.row.office), change.row);
        break;
      case "origins-replace":
        this.#origins = change.origins;
        break;
      case "accusation-put": {
        const { reporter, accused } = change.accusation;
        this.#accusations.set(keyOf(reporter, accused), change.accusation);
        break;
      }
      case "accusation-remove":
        this.#accusations.delete(keyOf(change.reporter, change.accused));
        break;
      default:
        unreachable(change);
    }
  }

  #state(): CoordinatorState {
    return {
      epoch: this.#epoch,
      ...this.#offices,
      origins: this.#origins,
      devices: [...this.#devices.values()],
      contents: [...this.#contents.values()],
      deployments: [...this.#deployments.values()],
      progress: [...this.#progress.values()],
      ledger: [...this.#ledger.values()],
      accusations: [...this.#accusations.values()],
      groups: [...this.#groups.values()],
      profiles: [...this.#profiles.values()],
      profileReports: [...this.#profileReports.values()],
    };
  }
}

function keyOf(one: string, other: string): string {
  return `${one} ${other}`;
}
