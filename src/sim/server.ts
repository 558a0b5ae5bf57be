import { toHex } from "../base/hex.ts";
import { type ContentId, type DeviceId, parseDeviceId } from "../base/ids.ts";
import { type Due, earlier } from "../base/machine.ts";
import { decodeSignedManifest } from "../content/manifest-codec.ts";
import type {
  Answer,
  Command,
  CoordinatorOutbox,
  ManifestOutcome,
} from "../coordinator/contract.ts";
import { Coordinator } from "../coordinator/coordinator.ts";
import type { CoordinatorState } from "../coordinator/state.ts";
import type { CertificateFacts } from "../effects/handshake.ts";
import type { AssociationEvent, AssociationOutbox } from "../transport/association-types.ts";
import type { Associations, MakeAssociations } from "../transport/associations.ts";
import { closeCodeOf } from "../transport/close-codes.ts";
import { Endpoint } from "../transport/endpoint.ts";
import { decodeMessage, encodeMessage } from "../wire/messages.ts";
import { toyCrypto } from "./toy-crypto.ts";
import type { Resident, World, WorldInput, WorldOutbox } from "./world.ts";

/** The server in a simulated world: the coordinator and the transport that the real one has. */
export class SimServer implements Resident {
  readonly host: string;
  readonly certificate: CertificateFacts;
  readonly coordinator: Coordinator;
  readonly #endpoint: Associations;
  readonly #devices = new Map<number, DeviceId>();
  readonly #answers: Answer[] = [];
  readonly #manifests = new Map<ContentId, Uint8Array>();
  readonly #world: World;
  #outbox: WorldOutbox | undefined;

  constructor(
    world: World,
    options: {
      readonly host: string;
      readonly certificate: CertificateFacts;
      readonly state: CoordinatorState;
      /** By default over datagrams. */
      readonly makeAssociations?: MakeAssociations;
    },
  ) {
    const crypto = toyCrypto(world.prng);
    this.#world = world;
    this.host = options.host;
    this.certificate = options.certificate;
    const make = options.makeAssociations ?? ((own) => new Endpoint(own));
    this.#endpoint = make({
      crypto,
      inboundPolicy: () => ({
        expected: { roles: ["device"] },
        allowNone: true,
        expiredGraceS: 0,
        revokedSerials: new Set(),
      }),
      singlePort: false,
    });
    this.coordinator = new Coordinator({
      state: options.state,
      randomBytes: crypto.randomBytes,
      serverHosts: [options.host],
      wallMs: world.wallS * 1_000,
      nowUs: world.nowUs,
    });
    this.#outbox = world.add(this);
  }

  /** Comes back after it was taken out of the world, with all that it knew. */
  start(): void {
    this.#outbox = this.#world.add(this);
  }

  step(nowUs: number, input: WorldInput, outbox: WorldOutbox): void {
    this.#outbox = outbox;
    this.#endpoint.step(nowUs, input, this.#transport(nowUs));
    if (input.kind !== "timer-fired") return;
    this.coordinator.step(nowUs, { kind: "timer" }, this.#brain(nowUs));
  }

  due(): Due {
    return earlier(this.#endpoint.due(), this.coordinator.due());
  }

  /** Has the coordinator carry out what an operator asks for. */
  command(command: Command): Answer | undefined {
    const { nowUs } = this.#world;
    const input = { kind: "command", requestNumber: this.#answers.length, command } as const;
    this.coordinator.step(nowUs, input, this.#brain(nowUs));
    this.#world.touch(this.host);
    return this.#answers.at(-1);
  }

  #transport(nowUs: number): AssociationOutbox {
    const report = (event: AssociationEvent): void => this.#onEvent(nowUs, event);
    return { ...(this.#outbox ?? SILENT), report };
  }

  #brain(nowUs: number): CoordinatorOutbox {
    return {
      // The state is in memory and nothing here restarts the server.
      persist: () => {},
      send: (association, message) => {
        const bytes = encodeMessage(message);
        this.#endpoint.sendMessage(nowUs, association, bytes, this.#transport(nowUs));
      },
      close: (association, code, reason) => {
        const end = { code: closeCodeOf(code), reason };
        this.#endpoint.close(nowUs, association, end, this.#transport(nowUs));
      },
      requestEnrolment: () => {},
      readManifest: (association, contentId) => {
        const manifest = this.#manifests.get(contentId);
        this.#world.plan(0, () => {
          const read = manifest === undefined ? {} : { manifest };
          const input = { kind: "manifest-read", association, contentId, ...read } as const;
          this.coordinator.step(this.#world.nowUs, input, this.#brain(this.#world.nowUs));
          this.#world.touch(this.host);
        });
      },
      judgeManifest: (association, contentId, manifest) => {
        const outcome = judge(contentId, manifest);
        this.#manifests.set(contentId, manifest);
        this.#world.plan(0, () => {
          const now = this.#world.nowUs;
          const input = { kind: "manifest-judged", association, contentId, outcome } as const;
          this.coordinator.step(now, input, this.#brain(now));
          this.#world.touch(this.host);
        });
      },
      answer: (_requestNumber, answer) => {
        this.#answers.push(answer);
      },
      note: () => {},
    };
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
        this.coordinator.step(nowUs, { kind: "device-up", association, deviceId, host }, brain);
        break;
      }
      case "association-down":
        if (!this.#devices.delete(association)) return;
        this.coordinator.step(nowUs, { kind: "device-down", association }, brain);
        break;
      case "message-received": {
        const message = decodeMessage(event.bytes);
        const deviceId = this.#devices.get(association);
        if (message === undefined || deviceId === undefined) return;
        this.coordinator.step(nowUs, { kind: "message", association, deviceId, message }, brain);
        break;
      }
      case "association-moved": {
        const { host } = event;
        this.coordinator.step(nowUs, { kind: "device-moved", association, host }, brain);
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
