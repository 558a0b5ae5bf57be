import { associationEffects } from "../effects/associations.ts";
import type { Address } from "../effects/network.ts";
import { fastestCrypto } from "../runtime/crypto.ts";
import { Driver, ENDPOINT_TIME } from "../runtime/driver.ts";
import { TlsHandshakes } from "../runtime/tls-handshake.ts";
import { UdpSockets } from "../runtime/udp.ts";
import type {
  AssociationEvent,
  AssociationOutbox,
  PathStatus,
  Protocol,
} from "../transport/association-types.ts";
import { Endpoint, type EndpointInput } from "../transport/endpoint.ts";
import type { PeerPolicy } from "../transport/judge-peer.ts";
import { testIdentity } from "./test-identity.ts";

/** How one end of a line test is made. */
export type StationOptions = {
  readonly protocol: Protocol;
  /** What both ends must have been told. */
  readonly word: string;
  /** Where it listens; a station that only calls others has none, and lets nobody in. */
  readonly listen?: Address;
  /** The address of a station that only calls others; by default what the system's routes say. */
  readonly bind?: string;
  readonly onEvent: (event: AssociationEvent) => void;
  /** Called after every step: there may be room again. */
  readonly onStep?: () => void;
};

/** What a step is run with. */
type Turn = { readonly nowUs: number; readonly outbox: AssociationOutbox };

const DEVICES: PeerPolicy = {
  expected: { roles: ["device"] },
  allowNone: false,
  expiredGraceS: 0,
  revokedSerials: new Set(),
};

const NOBODY: PeerPolicy = { ...DEVICES, expected: { roles: [] } };

/** One end of a line test: the transport of the agents, on one port and without anything above it. */
export class Station {
  readonly #endpoint: Endpoint;
  readonly #driver: Driver<EndpointInput, AssociationOutbox>;
  readonly #handshakes: TlsHandshakes;
  readonly #sockets: UdpSockets;
  /** The step that runs. */
  #turn: Turn | undefined;

  /** @throws OperatorError where the port or the address cannot be had. */
  static async open(options: StationOptions): Promise<Station> {
    const { protocol, listen } = options;
    const address = listen?.host ?? options.bind;
    const port = listen?.port ?? 0;
    const opened: { driver?: Driver<EndpointInput, AssociationOutbox> } = {};
    const onInput = (input: EndpointInput) => opened.driver?.input(input);
    const identity = await testIdentity(options.word, Math.floor(Date.now() / 1_000));
    const handshakes = new TlsHandshakes({
      identity,
      wallS: () => Math.floor(Date.now() / 1_000),
      onInput,
    });
    const sockets = await UdpSockets.open({
      ...(address === undefined ? {} : { address }),
      // The sockets of agents differ by protocol, so it is said whose this one is.
      ports: { "message-small": port, [`content-${protocol}`]: port },
      onInput,
    });
    const endpoint = new Endpoint({
      crypto: await fastestCrypto(),
      inboundPolicy: () => (listen === undefined ? NOBODY : DEVICES),
      singlePort: true,
    });
    const station = new Station(options, { endpoint, handshakes, sockets });
    opened.driver = station.#driver;
    return station;
  }

  private constructor(
    options: StationOptions,
    parts: {
      readonly endpoint: Endpoint;
      readonly handshakes: TlsHandshakes;
      readonly sockets: UdpSockets;
    },
  ) {
    const { endpoint, handshakes, sockets } = parts;
    this.#endpoint = endpoint;
    this.#handshakes = handshakes;
    this.#sockets = sockets;
    const outbox: AssociationOutbox = {
      ...associationEffects(sockets, handshakes),
      report: (event) => {
        if (event.kind === "association-up") {
          endpoint.useProtocol(event.association, options.protocol);
        }
        options.onEvent(event);
      },
    };
    const machine = { step: this.#step, due: () => endpoint.due() };
    this.#driver = new Driver(machine, outbox, ENDPOINT_TIME, options.onStep);
    this.#driver.start();
  }

  /** Begins an association with a station that listens; gives its number. */
  connect({ host, port }: Address): number {
    const target = { host, ports: { kind: "single", port } as const, policy: DEVICES };
    let association = 0;
    this.#driver.act((nowUs, outbox) => {
      association = this.#endpoint.connect(nowUs, target, outbox);
    });
    return association;
  }

  /** Sends a message. */
  sendMessage(association: number, message: Uint8Array): void {
    this.#act((nowUs, outbox) => {
      this.#endpoint.sendMessage(nowUs, association, message, outbox);
    });
  }

  /** Sends a part of what the other end has asked for, or waits for. */
  sendBlock(
    association: number,
    block: { readonly requestId: number; readonly offsetBytes: number; readonly data: Uint8Array },
  ): void {
    this.#act((nowUs, outbox) => {
      this.#endpoint.sendBlock(nowUs, association, block, outbox);
    });
  }

  /** Bytes that wait to be sent. */
  queuedBytes(association: number): number {
    return this.#endpoint.queuedBytes(association);
  }

  /** What is known of the path. */
  pathStatus(association: number): PathStatus | undefined {
    return this.#endpoint.pathStatus(association);
  }

  /** What an event leads to leaves together with what has to be said anyway, as in an agent. */
  readonly #step = (nowUs: number, input: EndpointInput, outbox: AssociationOutbox): void => {
    this.#turn = { nowUs, outbox };
    const step = (): void => this.#endpoint.step(nowUs, input, outbox);
    this.#endpoint.inOneGo(nowUs, outbox, step);
    this.#turn = undefined;
  };

  #act(call: (nowUs: number, outbox: AssociationOutbox) => void): void {
    if (this.#turn === undefined) this.#driver.act(call);
    else call(this.#turn.nowUs, this.#turn.outbox);
  }

  /** Says good-bye to all, and ends. */
  async close(): Promise<void> {
    this.#driver.act((nowUs, outbox) => this.#endpoint.closeAll(nowUs, "the test ends", outbox));
    this.#driver.stop();
    this.#handshakes.close();
    await this.#sockets.close();
  }
}
