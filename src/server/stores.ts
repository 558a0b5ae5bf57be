import type { Logger } from "pino";
import type { Coordinator } from "../coordinator/coordinator.ts";
import type { Change } from "../coordinator/state.ts";
import type { Identity } from "../runtime/identity/identity.ts";
import type { Publisher } from "../runtime/publisher-key.ts";
import type { PackageFigures } from "./api/metrics.ts";
import type { ServerDatabase } from "./database.ts";
import { serverFiles } from "./files.ts";
import { judgeManifest } from "./manifest-judge.ts";
import { OriginFiller } from "./origin-filler.ts";
import type { ServerSettings } from "./settings.ts";
import { FileStorage } from "./storage/file-storage.ts";
import { Gateway } from "./storage/gateway.ts";
import { Uploads } from "./storage/uploads.ts";

/** What it stands on. */
export type StoresParts = {
  readonly coordinator: Coordinator;
  readonly database: ServerDatabase;
  readonly publishers: readonly Publisher[];
  readonly identity: Identity;
  readonly log: Logger;
};

const HOUR_MS = 3_600_000;

/** Everything that has to do with packages: where they are kept, how they come and go. */
export class Stores {
  readonly fileStorage: FileStorage;
  readonly uploads: Uploads;
  readonly #filler: OriginFiller;
  readonly #gateway: Gateway | undefined;
  readonly #log: Logger;

  /** @throws OperatorError as `Gateway.open` does. */
  static async open(settings: ServerSettings, parts: StoresParts): Promise<Stores> {
    const { coordinator, database, publishers, identity, log } = parts;
    const files = serverFiles(settings.data);
    const fileStorage = new FileStorage({
      configured: () => coordinator.fileStorage.row,
      secretFile: files.storageSecret,
      surroundings: { allow: settings.storage.allow, packagesFile: files.packages },
    });
    const uploads = await Uploads.open({
      rows: database.uploadRows(),
      fileStorage,
      isPublished: (contentId) => coordinator.findContents(contentId).length > 0,
      judge: (contentId, manifest) => judgeManifest(publishers, contentId, manifest),
      wallMs: () => Date.now(),
      keepMs: settings.storage.uploadHours * HOUR_MS,
    });
    const { address: host } = settings.network;
    const gateway = settings.storage.serve
      ? await Gateway.open({
          ...{ fileStorage, identity, port: gatewayPort(settings) ?? 0 },
          ...(host === undefined ? {} : { host }),
          onTrouble: (error) => log.warn({ err: error }, "package-not-served"),
        })
      : undefined;
    const filler = new OriginFiller(fileStorage, coordinator, log);
    filler.fill();
    return new Stores({ fileStorage, uploads, filler, gateway, log });
  }

  private constructor(parts: {
    readonly fileStorage: FileStorage;
    readonly uploads: Uploads;
    readonly filler: OriginFiller;
    readonly gateway: Gateway | undefined;
    readonly log: Logger;
  }) {
    this.fileStorage = parts.fileStorage;
    this.uploads = parts.uploads;
    this.#filler = parts.filler;
    this.#gateway = parts.gateway;
    this.#log = parts.log;
  }

  /** How many packages come, and how many bytes of them go. */
  get figures(): PackageFigures {
    return {
      uploads: () => this.uploads.count,
      sentBytes: () => this.#gateway?.sentBytes ?? 0,
    };
  }

  /** Takes in what has become durable. */
  onChanges(changes: readonly Change[]): void {
    this.#filler.onChanges(changes);
  }

  /** Removes what nobody goes on with. To be called now and then. */
  cleanUp(): void {
    this.uploads.expire().catch((error: unknown) => {
      this.#log.warn({ err: error }, "uploads-not-removed");
    });
  }

  /** Shows devices another certificate. */
  useIdentity(identity: Identity): void {
    this.#gateway?.useIdentity(identity);
  }

  async close(): Promise<void> {
    await this.#gateway?.close();
    // A copy of gigabytes is not waited for: it is begun anew.
    await this.fileStorage.close();
  }
}

/** On which port devices find packages; `undefined` where none are served. */
export function gatewayPort({ storage, network }: ServerSettings): number | undefined {
  return storage.serve ? storage.port + network.portOffset : undefined;
}
