// Connects many devices with a server, over the real protocol, keeps them connected, and has each
// report as if it fetched what it is told to have: load.ts AUTHORITY FIRST COUNT. A line on standard
// input asks, one on standard output answers: how many are connected, and when they heard.
import { createInterface } from "node:readline";
import { associationEffects } from "../../src/effects/associations.ts";
import type { HandshakeOutbox, Side } from "../../src/effects/handshake.ts";
import { fastestCrypto } from "../../src/runtime/crypto.ts";
import { Driver, ENDPOINT_TIME } from "../../src/runtime/driver.ts";
import { issueDeviceCertificate } from "../../src/runtime/identity/authority.ts";
import type { Identity } from "../../src/runtime/identity/identity.ts";
import { loadAuthority } from "../../src/runtime/identity/identity-file.ts";
import { createSigningRequest } from "../../src/runtime/identity/keys.ts";
import { TlsHandshakes } from "../../src/runtime/tls-handshake.ts";
import { UdpSockets } from "../../src/runtime/udp.ts";
import type { AssociationEvent, AssociationOutbox } from "../../src/transport/association-types.ts";
import { Endpoint, type EndpointInput } from "../../src/transport/endpoint.ts";
import { decodeMessage, encodeMessage, type Message } from "../../src/wire/messages.ts";
import { deviceAt, hostAt, OFFICE_DEVICES, SERVER_HOST, SERVER_PORT } from "./client-hosts.ts";
import { Download, REPORT_MS } from "./download.ts";

/**
 * How many devices connect at a time. Each has a processor of its own in the world; here they share
 * one, and thousands of attempts at once would all be too slow to succeed.
 */
const CONNECTING_MAX = 96;

/** How long a device waits before it tries again, as agents do: at first, and at most. */
const BACKOFF_MS = { min: 500, max: 15_000 } as const;

/** The numbers of messages, as they stand behind the head of their array: one byte up to 23. */
const DEPLOYMENTS_NUMBER = 9;
const POLICY_NUMBER = 23;

const [authorityFile = "", first = "0", count = "0"] = process.argv.slice(2);
const nowS = (): number => Math.floor(Date.now() / 1_000);
const authority = await loadAuthority(authorityFile);
// One key does for all of them: the certificates differ.
const { privateKeyPem, requestDer } = await createSigningRequest();
const policy = {
  expected: { roles: ["server"], id: authority.organisation },
  allowNone: false,
  expiredGraceS: 0,
  revokedSerials: new Set<string>(),
} as const;

/** When each device heard, in microseconds of the machine's counting clock. */
let heardUs: number[] = [];
let up = 0;
let lost = 0;
let complete = 0;

/** The devices of one office: they share an address. */
class Office {
  readonly #driver: Driver<EndpointInput, AssociationOutbox>;
  readonly #endpoint: Endpoint;
  readonly #identities = new Map<number, Identity>();
  readonly #devices = new Map<number, number>();
  readonly #waiting = new Map<number, (isUp: boolean) => void>();
  /** What each device fetches, also while it is not connected. */
  readonly #downloads = new Map<number, Download>();
  readonly #host: string;
  #reportMs = REPORT_MS;
  /** Whose handshake it is that begins while an association is made. */
  #connecting: Identity | undefined;

  static async open(number: number): Promise<Office> {
    const opened: { office?: Office } = {};
    const onInput = (input: EndpointInput): void => opened.office?.input(input);
    const host = hostAt(number);
    const sockets = await UdpSockets.open({
      address: host,
      ports: { "message-small": 0 },
      native: false,
      onInput,
    });
    const office = new Office(host, sockets, await fastestCrypto());
    opened.office = office;
    office.#driver.start();
    return office;
  }

  private constructor(
    host: string,
    sockets: UdpSockets,
    crypto: Awaited<ReturnType<typeof fastestCrypto>>,
  ) {
    this.#host = host;
    this.#endpoint = new Endpoint({ crypto, inboundPolicy: () => policy, singlePort: true });
    const running = new Map<number, TlsHandshakes>();
    const handshakes: HandshakeOutbox = {
      handshakeStart: (key: number, side: Side, anonymous: boolean) => {
        const identity = this.#identities.get(key) ?? this.#connecting;
        if (identity === undefined) return;
        const onInput = (input: EndpointInput): void => this.#driver.input(input);
        const one = new TlsHandshakes({ identity, wallS: nowS, onInput });
        running.set(key, one);
        one.handshakeStart(key, side, anonymous);
      },
      handshakeFeed: (key, bytes) => running.get(key)?.handshakeFeed(key, bytes),
      handshakeEnd: (key) => {
        running.get(key)?.close();
        running.delete(key);
      },
    };
    const outbox: AssociationOutbox = {
      ...associationEffects(sockets, handshakes),
      report: (event) => this.#onEvent(event),
    };
    this.#driver = new Driver(this.#endpoint, outbox, ENDPOINT_TIME);
  }

  input(input: EndpointInput): void {
    this.#driver.input(input);
  }

  /** Connects a device; says whether it came to that. */
  async connect(index: number): Promise<boolean> {
    const issued = await issueDeviceCertificate(authority, requestDer, deviceAt(index), nowS());
    if (!issued.ok) return false;
    const { certificateDer } = issued.value;
    const identity = { privateKeyPem, certificateDer, authorityDer: authority.certificateDer };
    const target = {
      host: SERVER_HOST,
      ports: { kind: "single", port: SERVER_PORT },
      policy,
    } as const;
    return await new Promise((resolve) => {
      this.#driver.act((nowUs, outbox) => {
        this.#connecting = identity;
        const association = this.#endpoint.connect(nowUs, target, outbox);
        this.#connecting = undefined;
        this.#identities.set(association, identity);
        this.#devices.set(association, index);
        this.#waiting.set(association, resolve);
      });
    });
  }

  #onEvent(event: AssociationEvent): void {
    const { association } = event;
    const index = this.#devices.get(association);
    if (index === undefined) return;
    if (event.kind === "message-received" && event.bytes[1] === POLICY_NUMBER) {
      this.#onPolicy(event.bytes);
    } else if (event.kind === "message-received" && event.bytes[1] === DEPLOYMENTS_NUMBER) {
      this.#onDeployments(association, index, event.bytes);
    } else if (event.kind === "association-up") {
      up += 1;
      this.#identities.delete(association);
      setImmediate(() => this.#register(association, index));
    } else if (event.kind === "association-down") {
      this.#devices.delete(association);
      this.#identities.delete(association);
      if (event.wasUp) {
        lost += 1;
        void keepConnecting(this, index);
      }
      this.#settle(association, false);
    }
  }

  #onDeployments(association: number, index: number, bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (message?.kind !== "deployments") return;
    heardUs.push(Number(process.hrtime.bigint() / 1_000n));
    const told = message.deployments.find(({ contentId }) => contentId > this.#newest(index));
    if (told === undefined || told.paused === true) return;
    this.#downloads.set(index, new Download(told.contentId, index, performance.now()));
    this.#report(association, index);
  }

  /** All devices of an office are told to report equally often. */
  #onPolicy(bytes: Uint8Array): void {
    const policy = decodeMessage(bytes);
    if (policy?.kind === "policy") this.#reportMs = policy.reportMs ?? REPORT_MS;
  }

  /** What a device fetches: of several contents the one with the last id. */
  #newest(index: number): string {
    return this.#downloads.get(index)?.contentId ?? "";
  }

  /** Says how far a device is, now and for as long as it is not complete. */
  #report(association: number, index: number): void {
    const download = this.#downloads.get(index);
    if (download === undefined || this.#devices.get(association) !== index) return;
    const { progress, isNews } = download.at(performance.now());
    if (progress.state === "complete" && isNews) complete += 1;
    this.#say(association, progress);
    if (progress.state !== "complete") {
      setTimeout(() => this.#report(association, index), this.#reportMs);
    }
  }

  #register(association: number, index: number): void {
    this.#say(association, {
      ...{
        kind: "register",
        productVersion: "0.1.0",
        hostName: `pc-${index}`,
        hosts: [this.#host],
      },
      ...{ portOffset: 0, bootId: 1, machineId: `machine-${index}`, witnesses: [] },
      facts: FACTS,
      attributes: [{ name: "os", value: "linux" }],
    });
    this.#report(association, index);
    this.#settle(association, true);
  }

  #say(association: number, message: Message): void {
    const bytes = encodeMessage(message);
    this.#driver.act((nowUs, outbox) => {
      this.#endpoint.sendMessage(nowUs, association, bytes, outbox);
    });
  }

  #settle(association: number, isUp: boolean): void {
    this.#waiting.get(association)?.(isUp);
    this.#waiting.delete(association);
  }
}

const FACTS = {
  freeBytes: 2 ** 38,
  usableBytes: 2 ** 37,
  preferred: false,
  desktop: true,
  serverOs: false,
  uptimeS: 3_600,
};

/** Connects a device, as often as it takes. */
async function keepConnecting(office: Office, index: number): Promise<void> {
  for (let backoffMs: number = BACKOFF_MS.min; !(await inTurn(() => office.connect(index))); ) {
    const waitMs = backoffMs;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    backoffMs = Math.min(BACKOFF_MS.max, (2 + Math.random() / 2) * backoffMs);
  }
}

let connecting = 0;
const turns: (() => void)[] = [];

/** Does something when fewer than the most devices are connecting. */
async function inTurn(work: () => Promise<boolean>): Promise<boolean> {
  if (connecting >= CONNECTING_MAX) await new Promise<void>((resolve) => turns.push(resolve));
  else connecting += 1;
  try {
    return await work();
  } finally {
    // Whoever comes next has the place of the one that goes.
    const next = turns.shift();
    if (next === undefined) connecting -= 1;
    else next();
  }
}

const offices = new Map<number, Office>();
for (let index = Number(first); index < Number(first) + Number(count); index += 1) {
  const number = Math.floor(index / OFFICE_DEVICES);
  const office = offices.get(number) ?? (await Office.open(number));
  offices.set(number, office);
  void keepConnecting(office, index);
}

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit());
lines.on("line", (line) => {
  if (line === "forget") heardUs = [];
  process.stdout.write(
    `${JSON.stringify({ up, lost, complete, heardUs: line === "heard" ? heardUs : [], count: heardUs.length })}\n`,
  );
});
