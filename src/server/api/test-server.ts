import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { serverOpenApi } from "../../api/server-openapi.ts";
import { SERVER_PAGES } from "../../api/server-pages.ts";
import { SERVER_ROUTES } from "../../api/server-routes.ts";
import type { ContentId, DeviceId } from "../../base/ids.ts";
import type { Answer, Command, CoordinatorInput, Question } from "../../coordinator/contract.ts";
import { Coordinator } from "../../coordinator/coordinator.ts";
import { ENROL, progress, register } from "../../coordinator/test-world.ts";
import { type ControlServer, serveControl } from "../../runtime/http/control-server.ts";
import type { Caller } from "../../runtime/http/route.ts";
import { serveTls, type TlsIdentity, type TlsServer } from "../../runtime/http/tls-server.ts";
import { createAuthority, issueWebCertificate } from "../../runtime/identity/authority.ts";
import { fingerprintOf } from "../../runtime/identity/fingerprint.ts";
import { createSigningRequest } from "../../runtime/identity/keys.ts";
import type { Publisher } from "../../runtime/publisher-key.ts";
import type { Message, Progress } from "../../wire/messages.ts";
import { Committer } from "../committer.ts";
import { ServerDatabase } from "../database.ts";
import { judgeManifest } from "../manifest-judge.ts";
import { FileStorage } from "../storage/file-storage.ts";
import { Uploads } from "../storage/uploads.ts";
import { createServerHandlers } from "./handlers.ts";
import { Live } from "./live.ts";
import { createPageHandlers } from "./page-handlers.ts";
import { callerName } from "./tokens.ts";

export const CONTENT = `c1${"0".repeat(62)}` as ContentId;
export const DEVICE = "d1".repeat(16) as DeviceId;

/** A device that is there. */
export type Joined = { readonly association: number; readonly deviceId: DeviceId };

/** The server's parts and its API without its network, with one device and one content. */
export class TestServer {
  readonly database: ServerDatabase;
  readonly #coordinator: Coordinator;
  readonly #committer: Committer;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  readonly #began = performance.now();
  /** Mistakes of ours; a test that does not expect any must find none. */
  readonly faults: unknown[] = [];
  /** Takes what is said to devices. */
  onSent: (message: Message) => void = () => {};
  /** The authority's certificate in PEM, and its fingerprint. */
  authority = { pem: "", fingerprint: "" };
  live: Live | undefined;
  uploads: Uploads | undefined;
  /** Whose contents are taken. */
  readonly publishers: Publisher[] = [];
  /** By how much its clock is ahead of the real one. */
  aheadMs = 0;
  readonly #ending = new AbortController();
  #control: ControlServer | undefined;
  #tls: TlsServer | undefined;
  #requests = 0;
  #strangers = 0;

  private constructor(database: ServerDatabase, coordinator: Coordinator) {
    this.database = database;
    this.#coordinator = coordinator;
    const ignore = (): void => {};
    this.#committer = new Committer(
      async (changes) => {
        await database.apply(changes);
        this.live?.onChanges(changes);
      },
      {
        send: (_, message) => this.onSent(message),
        close: ignore,
        requestEnrolment: ignore,
        judgeManifest: ignore,
        readManifest: ignore,
        note: ignore,
        answer: (requestNumber, answer) => this.#answers.get(requestNumber)?.(answer),
      },
      (error) => {
        throw error;
      },
    );
  }

  static async start(folder: string): Promise<TestServer> {
    const place = { kind: "sqlite", path: join(folder, "server.db") } as const;
    const database = await ServerDatabase.open(place).catch(() =>
      ServerDatabase.create(place, "Acme"),
    );
    const state = await database.start(Date.now());
    const setup = { serverHosts: [], wallMs: Date.now(), nowUs: 0 };
    const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
    const seeded = state.devices.length > 0 ? state : { ...state, devices: [device()] };
    if (seeded !== state) await database.apply([{ kind: "device-put", device: device() }]);
    const coordinator = new Coordinator({ state: seeded, randomBytes, ...setup });
    const server = new TestServer(database, coordinator);
    server.input({ kind: "device-up", association: 1, deviceId: DEVICE, host: "10.1.0.5" });
    if (state.contents.length === 0) await server.publish(CONTENT);
    const live = await Live.open({
      coordinator,
      database,
      epoch: state.epoch,
      packages: { uploads: () => server.uploads?.count ?? 0, sentBytes: () => 0 },
      webhooks: { allow: ["127.0.0.0/8"], authorities: [] },
      onFault: (error) => server.faults.push(error),
    });
    server.live = live;
    const fileStorage = new FileStorage({
      configured: () => coordinator.fileStorage.row,
      secretFile: join(folder, "storage-secret.json"),
      surroundings: { allow: ["127.0.0.0/8"], packagesFile: join(folder, "packages.db") },
    });
    const uploads = await Uploads.open({
      rows: database.uploadRows(),
      fileStorage,
      isPublished: (contentId) => coordinator.findContents(contentId).length > 0,
      judge: (contentId, manifest) => judgeManifest(server.publishers, contentId, manifest),
      wallMs: () => Date.now() + server.aheadMs,
      keepMs: 1_000_000,
    });
    server.uploads = uploads;
    const common = {
      routes: SERVER_ROUTES,
      handlers: createServerHandlers({
        coordinator,
        command: (command, caller) => server.#command(command, caller),
        ask: (question) => server.#ask(question),
        database,
        fileStorage,
        uploads,
        webhooks: live.webhooks,
        organisation: "Acme",
        fingerprint: "f1",
        epoch: state.epoch,
        wallMs: () => 1,
      }),
      pages: SERVER_PAGES,
      pageHandlers: createPageHandlers({ database, live, ending: server.#ending.signal }),
      memory: database.onceMemory,
      checkAnswers: true,
      onFault: (error: unknown) => server.faults.push(error),
      onAnswered: live.metrics.onAnswered.bind(live.metrics),
    };
    server.#control = await serveControl({ ...common, socketPath: join(folder, "control.sock") });
    server.#tls = await serveTls({
      ...common,
      host: "127.0.0.1",
      port: 0,
      tls: await server.#identity(),
      authorise: (header) => database.tokens.judge(header, Date.now()),
      document: serverOpenApi(),
    });
    return server;
  }

  input(input: CoordinatorInput): void {
    const nowUs = (performance.now() - this.#began) * 1_000;
    this.#coordinator.step(nowUs, input, this.#committer.outbox);
    this.#committer.commit();
  }

  /** Enrols one more device, which is not there afterwards. */
  enrol(hostName: string, host = "10.1.0.9"): void {
    this.#strangers += 1;
    const association = 1_000 + this.#strangers;
    const message = { ...ENROL, hostName, machineId: hostName };
    this.input({ kind: "stranger-message", association, host, message });
    const none = Uint8Array.of();
    this.input({
      kind: "enrolment-decided",
      association,
      outcome: { kind: "enrolled", certificate: none, authority: none, organisation: "Acme" },
    });
    this.input({ kind: "device-down", association });
  }

  /** Enrols one more device, which is there from then on. */
  join(hostName: string, host: string): Joined {
    this.enrol(hostName, host);
    const [device] = [...this.#coordinator.deviceRows()].slice(-1);
    if (device === undefined) throw new Error("somebody was enrolled");
    const association = 2_000 + this.#strangers;
    const { deviceId } = device;
    this.input({ kind: "device-up", association, deviceId, host });
    const message = register({ hosts: [host], hostName, machineId: hostName });
    this.input({ kind: "message", association, deviceId, message });
    return { association, deviceId };
  }

  /** A device says how far it is. */
  say({ association, deviceId }: Joined, said: Partial<Progress>): void {
    const message = progress(CONTENT, { sizeBytes: 1_000, ...said });
    this.input({ kind: "message", association, deviceId, message });
  }

  /** The device registers and says how far it is. */
  report(said: Partial<Progress>): void {
    const from = { kind: "message", association: 1, deviceId: DEVICE } as const;
    this.input({ ...from, message: register({ hosts: ["10.1.0.5"] }) });
    this.input({ ...from, message: progress(CONTENT, { sizeBytes: 1_000, ...said }) });
  }

  /** Makes durable what is due later. */
  async idle(): Promise<void> {
    const nowUs = (performance.now() - this.#began) * 1_000 + 60_000_000;
    this.#coordinator.step(nowUs, { kind: "timer" }, this.#committer.outbox);
    this.#committer.commit();
    await this.#committer.idle();
  }

  async publish(contentId: ContentId): Promise<void> {
    const data = Uint8Array.of(1);
    const part = { kind: "publish-part", contentId, offsetBytes: 0, totalBytes: 1, data } as const;
    this.input({ kind: "message", association: 1, deviceId: DEVICE, message: part });
    const facts = {
      contentId,
      name: "tool",
      version: "1.0",
      type: "application",
      sizeBytes: 1_000,
      pieces: 1,
      files: 1,
      publisher: "aa".repeat(32),
      publisherName: "us",
      sha256: "bb".repeat(32),
    };
    const files = [{ path: "tool", sizeBytes: 1_000, mode: 0o755, sha256: "ab".repeat(32) }];
    const outcome = { kind: "accepted", facts, files } as const;
    this.input({ kind: "manifest-judged", association: 1, contentId, outcome });
    await this.#committer.idle();
  }

  /** Where the API is served over TLS. */
  get url(): URL {
    return new URL(`https://127.0.0.1:${this.#tls?.port}`);
  }

  /** From now on it is not ready. */
  end(): void {
    this.#ending.abort();
  }

  async stop(): Promise<void> {
    await this.#control?.close();
    await this.#tls?.close();
    await this.live?.close();
    await this.#committer.idle();
    await this.database.close();
  }

  async #identity(): Promise<TlsIdentity> {
    const nowS = Math.floor(Date.now() / 1_000);
    const authority = await createAuthority("Acme", nowS);
    const { certificateDer } = authority;
    this.authority = {
      pem: new X509Certificate(certificateDer).toString(),
      fingerprint: fingerprintOf(certificateDer),
    };
    const { privateKeyPem, requestDer } = await createSigningRequest();
    const issued = await issueWebCertificate(
      authority,
      requestDer,
      ["127.0.0.1", "localhost"],
      nowS,
    );
    if (!issued.ok) throw new Error(issued.error.reason);
    const own = new X509Certificate(issued.value.certificateDer).toString();
    return { cert: own + this.authority.pem, key: privateKeyPem };
  }

  #ask(question: Question): Promise<Answer> {
    this.#requests += 1;
    const requestNumber = this.#requests;
    const answered = new Promise<Answer>((resolve) => this.#answers.set(requestNumber, resolve));
    this.input({ kind: "question", requestNumber, ...question });
    return answered;
  }

  #command(command: Command, caller: Caller): Promise<Answer> {
    this.#requests += 1;
    const requestNumber = this.#requests;
    const answered = new Promise<Answer>((resolve) => this.#answers.set(requestNumber, resolve));
    const by = callerName(caller, this.database.tokens.list());
    this.input({ kind: "command", requestNumber, command, by });
    return answered;
  }
}

function device() {
  return {
    deviceId: DEVICE,
    hostName: "pc-1",
    machineId: "m1",
    office: "(none)",
    hosts: ["10.1.0.5"],
    seenHost: "10.1.0.5",
    portOffset: 0,
    facts: {
      freeBytes: 0,
      usableBytes: 0,
      preferred: false,
      desktop: true,
      serverOs: false,
      uptimeS: 0,
    },
    attributes: [],
    productVersion: "0.1.0",
    enrolledAtMs: 1,
    lastSeenAtMs: 1,
  };
}
