import type { Logger } from "pino";
import { type DeviceId, parseDeviceId } from "../base/ids.ts";
import type { CoordinatorInput } from "../coordinator/contract.ts";
import { associationEffects } from "../effects/associations.ts";
import type { PortTable } from "../effects/channels.ts";
import type { Crypto } from "../effects/crypto.ts";
import { fastestCrypto } from "../runtime/crypto.ts";
import { Driver, ENDPOINT_TIME } from "../runtime/driver.ts";
import type { Identity } from "../runtime/identity/identity.ts";
import { parseSocketAddress } from "../runtime/settings.ts";
import { TlsHandshakes } from "../runtime/tls-handshake.ts";
import { UdpSockets } from "../runtime/udp.ts";
import type { AssociationEvent, AssociationOutbox } from "../transport/association-types.ts";
import { closeCodeOf } from "../transport/close-codes.ts";
import { Endpoint, type EndpointInput } from "../transport/endpoint.ts";
import { decodeMessage } from "../wire/messages.ts";
import type { ServerSettings } from "./settings.ts";

/** How long somebody without a certificate may stay, in milliseconds. */
const STRANGER_MS = 30_000;

/** Who is at the other end of an association that is up. */
type Party =
  | { readonly kind: "device"; readonly deviceId: DeviceId }
  | { readonly kind: "stranger"; readonly host: string; readonly timer: NodeJS.Timeout };

/** What the server's transport needs. */
export type TransportOptions = {
  readonly identity: Identity;
  readonly ports: PortTable;
  readonly log: Logger;
  /** Told what devices and strangers do and say. */
  readonly onInput: (input: CoordinatorInput) => void;
};

/** The server's associations, on real sockets: who is there, and what they say. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #endpoint: Endpoint;
  readonly #driver: Driver<EndpointInput, AssociationOutbox>;
  readonly #handshakes: TlsHandshakes;
  readonly #sockets: UdpSockets;
  readonly #parties = new Map<number, Party>();

  /** Opens the sockets. @throws OperatorError where a port or the address cannot be had. */
  static async open(settings: ServerSettings, options: TransportOptions): Promise<Transport> {
    const { address, line } = settings.network;
    const lineAddress = line === undefined ? undefined : parseSocketAddress(line);
    const opened: { transport?: Transport } = {};
    const sockets = await UdpSockets.open({
      ...(address === undefined ? {} : { address }),
      ...(lineAddress === undefined ? {} : { line: lineAddress }),
      ports: options.ports,
      onInput: (input) => opened.transport?.input(input),
    });
    const handshakes = new TlsHandshakes({
      identity: options.identity,
      wallS: () => Math.floor(Date.now() / 1_000),
      onInput: (input) => opened.transport?.input(input),
    });
    const single = settings.network.singlePort !== undefined;
    const crypto = await fastestCrypto();
    opened.transport = new Transport(options, { sockets, handshakes, single, crypto });
    return opened.transport;
  }

  private constructor(
    options: TransportOptions,
    parts: {
      readonly sockets: UdpSockets;
      readonly handshakes: TlsHandshakes;
      readonly single: boolean;
      readonly crypto: Crypto;
    },
  ) {
    this.#options = options;
    this.#sockets = parts.sockets;
    this.#handshakes = parts.handshakes;
    this.#endpoint = new Endpoint({
      crypto: parts.crypto,
      inboundPolicy: () => ({
        expected: { roles: ["device"] },
        // Who has no certificate may ask for one, and nothing else.
        allowNone: true,
        expiredGraceS: 0,
        revokedSerials: new Set(),
      }),
      singlePort: parts.single,
    });
    this.#driver = new Driver<EndpointInput, AssociationOutbox>(
      this.#endpoint,
      this.#outbox(),
      ENDPOINT_TIME,
    );
    this.#driver.start();
  }

  /** What the world says about sockets and handshakes. */
  input(input: EndpointInput): void {
    this.#driver.input(input);
  }

  /** Has handshakes show another certificate from now on. */
  useIdentity(identity: Identity): void {
    this.#handshakes.useIdentity(identity);
  }

  /** Sends a message; nothing happens where the association is gone. */
  send(association: number, message: Uint8Array): void {
    this.#driver.act((nowUs, outbox) => {
      this.#endpoint.sendMessage(nowUs, association, message, outbox);
    });
  }

  /** Closes an association, and says why. */
  end(association: number, code: number, reason: string): void {
    this.#driver.act((nowUs, outbox) => {
      this.#endpoint.close(nowUs, association, { code: closeCodeOf(code), reason }, outbox);
    });
  }

  /** Takes leave of everybody and closes the sockets. */
  async close(): Promise<void> {
    this.#driver.act((nowUs, outbox) => this.#endpoint.closeAll(nowUs, "the server ends", outbox));
    this.#driver.stop();
    for (const party of this.#parties.values()) {
      if (party.kind === "stranger") clearTimeout(party.timer);
    }
    this.#handshakes.close();
    await this.#sockets.close();
  }

  #outbox(): AssociationOutbox {
    return {
      ...associationEffects(this.#sockets, this.#handshakes),
      report: (event) => this.#onEvent(event),
    };
  }

  #onEvent(event: AssociationEvent): void {
    const { association } = event;
    switch (event.kind) {
      case "association-up":
        this.#onUp(event);
        break;
      case "association-down":
        this.#onDown(event);
        break;
      case "association-moved":
        if (this.#parties.get(association)?.kind !== "device") break;
        this.#options.onInput({ kind: "device-moved", association, host: event.host });
        break;
      case "message-received":
        this.#onMessage(association, event.bytes);
        break;
      case "block-received":
        // Nobody was asked for a block.
        break;
    }
  }

  #onUp(event: Extract<AssociationEvent, { kind: "association-up" }>): void {
    const { association, host, peer } = event;
    const deviceId = peer.role === "device" ? parseDeviceId(peer.id) : undefined;
    if (deviceId !== undefined) {
      this.#parties.set(association, { kind: "device", deviceId });
      this.#options.log.info({ deviceId, host }, "device-connected");
      this.#options.onInput({ kind: "device-up", association, deviceId, host });
      return;
    }
    const timer = setTimeout(() => {
      this.end(association, 0, "the time to enrol is over");
    }, STRANGER_MS);
    this.#parties.set(association, { kind: "stranger", host, timer });
  }

  #onDown(event: Extract<AssociationEvent, { kind: "association-down" }>): void {
    const { association, host, code, reason, byPeer } = event;
    const party = this.#parties.get(association);
    this.#parties.delete(association);
    if (party?.kind === "stranger") clearTimeout(party.timer);
    const who = party?.kind === "device" ? { deviceId: party.deviceId } : {};
    this.#options.log.info({ ...who, host, code, reason, byPeer }, "association-ended");
    if (party !== undefined) this.#options.onInput({ kind: "device-down", association });
  }

  #onMessage(association: number, bytes: Uint8Array): void {
    const party = this.#parties.get(association);
    const message = decodeMessage(bytes);
    if (message === undefined || party === undefined) {
      this.#options.log.warn({ association }, "message-unreadable");
    } else if (party.kind === "device") {
      const { deviceId } = party;
      this.#options.onInput({ kind: "message", association, deviceId, message });
    } else {
      const { host } = party;
      this.#options.onInput({ kind: "stranger-message", association, host, message });
    }
  }
}
