import type { Logger } from "pino";
import { SERVER_ROUTES } from "../api/server-routes.ts";
import type { CoordinatorInput, CoordinatorOutbox } from "../coordinator/contract.ts";
import { Coordinator } from "../coordinator/coordinator.ts";
import type { Change } from "../coordinator/state.ts";
import { offsetPorts, type PortTable, SERVER_PORTS, singlePort } from "../effects/channels.ts";
import { aborted } from "../runtime/aborted.ts";
import { serveControl } from "../runtime/control-server.ts";
import { nodeCrypto } from "../runtime/crypto.ts";
import { Driver, monotonicUs } from "../runtime/driver.ts";
import { loadPublisher, type Publisher } from "../runtime/publisher-key.ts";
import { encodeMessage } from "../wire/messages.ts";
import { Answers } from "./answers.ts";
import { createServerHandlers } from "./api.ts";
import { Certificates } from "./certificates.ts";
import { Committer, type Deliveries } from "./committer.ts";
import { ServerDatabase } from "./database.ts";
import { serverFiles } from "./files.ts";
import { judgeManifest } from "./manifest-judge.ts";
import { OriginFiller } from "./origin-filler.ts";
import type { ServerSettings } from "./settings.ts";
import { Transport } from "./transport.ts";

/** What a program is run with. */
export type RunOptions = {
  /** Aborted when the program is to end. */
  readonly signal: AbortSignal;
  readonly log: Logger;
};

/** How often the coordinator is told the wall clock, in milliseconds. */
const WALL_CLOCK_MS = 30_000;

/**
 * Runs the server until the signal aborts: coordinator and transport on real sockets, the database
 * and a real clock.
 *
 * @throws OperatorError where it cannot start; nothing stays open then.
 */
export async function runServer(settings: ServerSettings, options: RunOptions): Promise<void> {
  const { log, signal } = options;
  const files = serverFiles(settings.data);
  const certificates = await Certificates.open(files);
  const publishers = await Promise.all(settings.publishers.map(loadPublisher));
  await using stack = new AsyncDisposableStack();
  const database = await ServerDatabase.open(files.database);
  stack.defer(() => database.close());
  const state = await database.start(Date.now());
  const coordinator = new Coordinator({
    state,
    randomBytes: nodeCrypto.randomBytes,
    serverHosts: settings.network.address === undefined ? [] : [settings.network.address],
    wallMs: Date.now(),
    nowUs: monotonicUs(),
  });
  const failure = new AbortController();
  const fail = (error: unknown): void => {
    log.error({ err: error }, "server-failed");
    failure.abort(error);
  };
  const answers = new Answers();
  const tell = (input: CoordinatorInput): void => brain.input(input);
  const transport = await Transport.open(settings, {
    identity: certificates.identity,
    ports: portsOf(settings),
    log,
    onInput: (input) => {
      if (input.kind !== "message" || input.message.kind !== "renew") return tell(input);
      const { association, deviceId, message } = input;
      if (coordinator.isRetired(deviceId)) return tell(input);
      void certificates.renew(deviceId, message.request).then((answer) => {
        log.info({ deviceId, outcome: answer.kind }, "renewal-decided");
        transport.send(association, encodeMessage(answer));
      }, fail);
    },
  });
  stack.defer(() => transport.close());
  const parts = { database, certificates, publishers, transport, answers, log, tell, fail };
  const filler = new OriginFiller(settings.storage.folder, coordinator, log);
  const apply = async (changes: readonly Change[]): Promise<void> => {
    await database.apply(changes);
    filler.onChanges(changes);
  };
  const committer = new Committer(apply, deliveries(parts), fail);
  stack.defer(() => committer.idle());
  const brain = new Driver<CoordinatorInput, CoordinatorOutbox>(
    coordinator,
    committer.outbox,
    { timer: { kind: "timer" } },
    () => committer.commit(),
  );
  stack.defer(() => brain.stop());
  const clock = setInterval(() => onMinute(parts), WALL_CLOCK_MS);
  stack.defer(() => clearInterval(clock));
  const control = await serveControl({
    socketPath: files.controlSocket,
    routes: SERVER_ROUTES,
    handlers: createServerHandlers({
      coordinator,
      database,
      organisation: certificates.organisation,
      fingerprint: certificates.fingerprint,
      epoch: state.epoch,
      wallMs: () => Date.now(),
      command: (command) =>
        answers.ask((requestNumber) => tell({ kind: "command", requestNumber, command })),
    }),
    onFault: (error) => log.error({ err: error }, "control-fault"),
  });
  stack.defer(() => control.close());
  brain.start();
  filler.fill();
  log.info({ organisation: certificates.organisation }, "server-started");
  await aborted(AbortSignal.any([signal, failure.signal]));
  log.info({}, "server-stopped");
  if (failure.signal.aborted) throw failure.signal.reason;
}

type Parts = {
  readonly database: ServerDatabase;
  readonly certificates: Certificates;
  readonly publishers: readonly Publisher[];
  readonly transport: Transport;
  readonly answers: Answers;
  readonly log: Logger;
  readonly tell: (input: CoordinatorInput) => void;
  readonly fail: (error: unknown) => void;
};

/** Where what the coordinator wants goes, once what it stands on is durable. */
function deliveries(parts: Parts): Deliveries {
  const { database, certificates, publishers, transport, answers, log, tell, fail } = parts;
  return {
    send: (association, message) => transport.send(association, encodeMessage(message)),
    close: (association, code, reason) => transport.end(association, code, reason),
    requestEnrolment: (association, request) => {
      void certificates.enrol(database.securityKeys, request).then((outcome) => {
        log.info({ host: request.host, outcome: outcome.kind }, "enrolment-decided");
        tell({ kind: "enrolment-decided", association, outcome });
      }, fail);
    },
    judgeManifest: (association, contentId, manifest) => {
      const outcome = judgeManifest(publishers, contentId, manifest);
      tell({ kind: "manifest-judged", association, contentId, outcome });
    },
    readManifest: (association, contentId) => {
      void database.manifest(contentId).then((manifest) => {
        const read = manifest === undefined ? {} : { manifest };
        tell({ kind: "manifest-read", association, contentId, ...read });
      }, fail);
    },
    answer: (requestNumber, answer) => answers.onAnswer(requestNumber, answer),
    note: ({ level, event, fields }) => log[level](fields, event),
  };
}

/** Says what time it is, and keeps the server's own certificate fresh. */
function onMinute({ certificates, transport, tell, fail }: Parts): void {
  tell({ kind: "wall-clock", wallMs: Date.now() });
  void certificates.refresh().then((renewed) => {
    if (renewed) transport.useIdentity(certificates.identity);
  }, fail);
}

function portsOf({ network }: ServerSettings): PortTable {
  return network.singlePort === undefined
    ? offsetPorts(SERVER_PORTS, network.portOffset)
    : singlePort(SERVER_PORTS, network.singlePort);
}
