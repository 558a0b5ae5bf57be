import { toHex } from "../base/hex.ts";
import { type ContentId, type DeviceId, parseDeviceId } from "../base/ids.ts";
import { type Due, earlier } from "../base/machine.ts";
import { encodeUtf8 } from "../base/utf8.ts";
import { decodeSignedManifest } from "../content/manifest-codec.ts";
import type {
  Answer,
  Command,
  CoordinatorInput,
  CoordinatorOutbox,
  ManifestOutcome,
} from "../coordinator/contract.ts";
import { Coordinator } from "../coordinator/coordinator.ts";
import type { CoordinatorState } from "../coordinator/state.ts";
import type { Crypto } from "../effects/crypto.ts";
import type { CertificateFacts } from "../effects/handshake.ts";
import type { AssociationEvent, AssociationOutbox } from "../transport/association-types.ts";
import type { Associations, MakeAssociations } from "../transport/associations.ts";
import { closeCodeOf } from "../transport/close-codes.ts";
import { Endpoint } from "../transport/endpoint.ts";
import { decodeMessage, encodeMessage } from "../wire/messages.ts";
import { SimDatabase } from "./database.ts";
import { toyCrypto } from "./toy-crypto.ts";
import type { Resident, World, WorldInput, WorldOutbox } from "./world.ts";

/** The server in a simulated world: the coordinator and the transport that the real one has. */
export class SimServer implements Resident {
  readonly host: string;
  readonly certificate: CertificateFacts;
  /** What survives a crash. */
  database: SimDatabase;
  #coordinator: Coordinator;
  #endpoint: Associations;
  readonly #make: MakeAssociations;
  readonly #devices = new Map<number, DeviceId>();
  readonly #answers: Answer[] = [];
  readonly #world: World;
  readonly #crypto: Crypto;
  #outbox: WorldOutbox | undefined;
  /** Answers of what ran before the last start are not for what runs now. */
  #boots = 0;

  constructor(
    world: World,
    options: {
      readonly host: string;
      readonly certificate: CertificateFacts;
      readonly state: CoordinatorState;
      /** By default over datagrams. */
      readonly makeAssociations?: MakeAssociations;
      readonly crypto?: Crypto;
    },
  ) {
    this.#crypto = options.crypto ?? toyCrypto(world.prng);
    this.#world = world;
    this.host = options.host;
    this.certificate = options.certificate;
    this.#make = options.makeAssociations ?? ((own) => new Endpoint(own));
    this.database = new SimDatabase(options.state);
    this.#endpoint = this.#makeEndpoint();
    this.#coordinator = this.#makeCoordinator(options.state);
    this.#outbox = world.add(this);
  }

  get coordinator(): Coordinator {
    return this.#coordinator;
  }

  /** Comes back after it was taken out of the world, with all that it knew. */
  start(): void {
    this.#outbox = this.#world.add(this);
  }

  /** Ends, as by a crash: what is in the database is all that is left. */
  stop(): void {
    this.#boots += 1;
    this.#devices.clear();
    this.#world.remove(this.host);
  }

  /** Begins anew, with what is in the database. */
  restart(): void {
    this.#boots += 1;
    this.#devices.clear();
    this.#endpoint = this.#makeEndpoint();
    this.#coordinator = this.#makeCoordinator(this.database.start(this.#world.wallS));
    this.#outbox = this.#world.add(this);
  }

  /** What its wall clock shows is another time from now on. */
  setClock(wallMs: number): void {
    const { nowUs } = this.#world;
    this.#coordinator.step(nowUs, { kind: "wall-clock", wallMs }, this.#brain(nowUs));
    this.#world.touch(this.host);
  }

  step(nowUs: number, input: WorldInput, outbox: WorldOutbox): void {
    this.#outbox = outbox;
    this.#endpoint.step(nowUs, input, this.#transport(nowUs));
    if (input.kind !== "timer-fired") return;
    this.#coordinator.step(nowUs, { kind: "timer" }, this.#brain(nowUs));
  }

  due(): Due {
    return earlier(this.#endpoint.due(), this.coordinator.due());
  }

  /** Has the coordinator carry out what an operator asks for. */
  command(command: Command): Answer | undefined {
    const { nowUs } = this.#world;
    const input = { kind: "command", requestNumber: this.#answers.length, command } as const;
    this.#coordinator.step(nowUs, input, this.#brain(nowUs));
    this.#world.touch(this.host);
    return this.#answers.at(-1);
  }

  #makeEndpoint(): Associations {
    return this.#make({
      crypto: this.#crypto,
      inboundPolicy: () => ({
        expected: { roles: ["device"] },
        allowNone: true,
        expiredGraceS: 0,
        revokedSerials: new Set(),
      }),
      singlePort: false,
    });
  }

  #makeCoordinator(state: CoordinatorState): Coordinator {
    return new Coordinator({
      state,
      randomBytes: this.#crypto.randomBytes,
      serverHosts: [this.host],
      wallMs: this.#world.wallS * 1_000,
      nowUs: this.#world.nowUs,
    });
  }

  #transport(nowUs: number): AssociationOutbox {
    const report = (event: AssociationEvent): void => this.#onEvent(nowUs, event);
    return { ...(this.#outbox ?? SILENT), report };
  }

  #brain(nowUs: number): CoordinatorOutbox {
    return {
      persist: (change) => this.database.apply(change),
      send: (association, message) => {
        const bytes = encodeMessage(message);
        this.#endpoint.sendMessage(nowUs, association, bytes, this.#transport(nowUs));
      },
      close: (association, code, reason) => {
        const end = { code: closeCodeOf(code), reason };
        this.#endpoint.close(nowUs, association, end, this.#transport(nowUs));
      },
      requestEnrolment: (association, { deviceId }) => {
        // The certificate is what its holder makes of the id: nothing here can forge one.
        const certificate = encodeUtf8(deviceId);
        const authority = encodeUtf8("authority");
        const { id: organisation } = this.certificate;
        const outcome = { kind: "enrolled", certificate, authority, organisation } as const;
        this.#tellLater({ kind: "enrolment-decided", association, outcome });
      },
      readManifest: (association, contentId) => {
        const manifest = this.database.manifest(contentId);
        const read = manifest === undefined ? {} : { manifest };
        this.#tellLater({ kind: "manifest-read", association, contentId, ...read });
      },
      judgeManifest: (association, contentId, manifest) => {
        const outcome = judge(contentId, manifest);
        this.#tellLater({ kind: "manifest-judged", association, contentId, outcome });
      },
      answer: (_requestNumber, answer) => {
        this.#answers.push(answer);
      },
      note: () => {},
    };
  }

  #tellLater(input: CoordinatorInput): void {
    const boot = this.#boots;
    this.#world.plan(0, () => {
      if (this.#boots !== boot) return;
      const { nowUs } = this.#world;
      this.#coordinator.step(nowUs, input, this.#brain(nowUs));
      this.#world.touch(this.host);
    });
  }

  #onEvent(nowUs: number, event: AssociationEvent): void {
    const { association } = event;
    const brain = this.#brain(nowUs);
    switch (event.kind) {
      case "association-up": {
        const deviceId = parseDeviceId(event.peer.id);
        if (deviceId === undefined) return;
        this.#devices.set(association, deviceId);
        const { host } = event;
        this.#coordinator.step(nowUs, { kind: "device-up", association, deviceId, host }, brain);
        break;
      }
      case "association-down":
        if (!this.#devices.delete(association)) return;
        this.#coordinator.step(nowUs, { kind: "device-down", association }, brain);
        break;
      case "message-received": {
        const message = decodeMessage(event.bytes);
        const deviceId = this.#devices.get(association);
        if (message === undefined || deviceId === undefined) return;
        this.#coordinator.step(nowUs, { kind: "message", association, deviceId, message }, brain);
        break;
      }
      case "association-moved": {
        const { host } = event;
        this.#coordinator.step(nowUs, { kind: "device-moved", association, host }, brain);
        break;
      }
      case "block-received":
        break;
    }
  }
}

const SILENT: WorldOutbox = {
  send: () => true,
  handshakeStart: () => {},
  handshakeFeed: () => {},
  handshakeEnd: () => {},
};

/** Takes every manifest that can be read; signatures are not what is tried here. */
function judge(contentId: ContentId, signed: Uint8Array): ManifestOutcome {
  const decoded = decodeSignedManifest(signed);
  if (!decoded.ok) return { kind: "refused", code: "manifest-refused", reason: "unreadable" };
  const { manifest } = decoded.value;
  const { name, version, type, sizeBytes } = manifest;
  return {
    kind: "accepted",
    files: [],
    facts: {
      contentId,
      name,
      version,
      type,
      sizeBytes,
      pieces: manifest.pieces.length,
      files: manifest.files.length,
      publisher: toHex(manifest.publisher),
      publisherName: "simulated",
      sha256: toHex(manifest.sha256),
    },
  };
}
