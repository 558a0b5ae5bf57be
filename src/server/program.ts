import { networkInterfaces } from "node:os";
import type { Logger } from "pino";
import type { Command, CoordinatorInput, CoordinatorOutbox } from "../coordinator/contract.ts";
import { Coordinator } from "../coordinator/coordinator.ts";
import type { Change, CoordinatorState } from "../coordinator/state.ts";
import { offsetPorts, type PortTable, SERVER_PORTS, singlePort } from "../effects/channels.ts";
import { aborted } from "../runtime/aborted.ts";
import { nodeCrypto } from "../runtime/crypto.ts";
import { Driver, monotonicUs } from "../runtime/driver.ts";

import { tuneEngine } from "../runtime/engine.ts";
import { loadPublisher, type Publisher } from "../runtime/publisher-key.ts";
import { zoneOffsetMs } from "../runtime/time-zones.ts";
import { encodeMessage } from "../wire/messages.ts";
import { Answers } from "./answers.ts";
import type { ServerApi } from "./api/handlers.ts";
import { Live } from "./api/live.ts";
import { serveApi } from "./api/serve.ts";
import { callerName } from "./api/tokens.ts";
import { Certificates } from "./certificates.ts";
import { Committer, type Deliveries } from "./committer.ts";
import { ServerDatabase } from "./database.ts";
import { databasePlace } from "./database-place.ts";
import { serverFiles } from "./files.ts";
import { judgeManifest } from "./manifest-judge.ts";
import { RETENTION, retainDaily } from "./retention.ts";
import type { ServerSettings } from "./settings.ts";
import { gatewayPort, Stores } from "./stores.ts";
import { Transport } from "./transport.ts";

/** What a program is run with. */
export type RunOptions = {
  /** Aborted when the program is to end. */
  readonly signal: AbortSignal;
  readonly log: Logger;
};

/** How long a server that is to end waits for a database that does not answer, in milliseconds. */
const END_WAIT_MS = 5_000;

/** How often the coordinator is told the wall clock, in milliseconds. */
const WALL_CLOCK_MS = 30_000;

/**
 * Runs the server until the signal aborts: coordinator and transport on real sockets, the database
 * and a real clock.
 *
 * @throws OperatorError where it cannot start; nothing stays open then.
 */
export async function runServer(settings: ServerSettings, options: RunOptions): Promise<void> {
  tuneEngine("many-peers");
  const { log, signal } = options;
  const files = serverFiles(settings.data);
  const certificates = await Certificates.open(files);
  const publishers = await Promise.all(settings.publishers.map(loadPublisher));
  await using stack = new AsyncDisposableStack();
  const database = await openDatabase(settings, options);
  stack.defer(() => database.close());
  const state = await database.start(Date.now());
  const coordinator = createCoordinator(settings, state);
  const failure = new AbortController();
  const fail = (error: unknown): void => {
    log.error({ err: error }, "server-failed");
    failure.abort(error);
  };
  const answers = new Answers();
  const tell = (input: CoordinatorInput): void => brain.input(input);
  const transport = await openTransport(settings, { coordinator, certificates, log, tell, fail });
  stack.defer(() => transport.close());
  const parts = { database, certificates, publishers, transport, answers, log, tell, fail };
  const { identity } = certificates;
  const stores = await Stores.open(settings, { ...parts, coordinator, identity });
  stack.defer(() => stores.close());
  const live = await Live.open({
    coordinator,
    database,
    epoch: state.epoch,
    packages: stores.figures,
    webhooks: settings.webhooks,
    onFault: (error) => log.error({ err: error }, "webhook-fault"),
  });
  stack.defer(() => live.close());
  const apply = async (changes: readonly Change[]): Promise<void> => {
    await database.apply(changes);
    stores.onChanges(changes);
    live.onChanges(changes);
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
  const api = {
    coordinator,
    database,
    fileStorage: stores.fileStorage,
    uploads: stores.uploads,
    webhooks: live.webhooks,
    organisation: certificates.organisation,
    fingerprint: certificates.fingerprint,
    epoch: state.epoch,
    wallMs: () => Date.now(),
    ...askers(parts),
  };
  const ending = AbortSignal.any([signal, failure.signal]);
  const serving = await serveApi({ ...{ api, live, settings, certificates }, log, ending });
  stack.defer(() => serving.close());
  const clock = setInterval(() => {
    onMinute(parts, stores);
    void serving.refresh();
  }, WALL_CLOCK_MS);
  stack.defer(() => clearInterval(clock));
  stack.use(dailyRetention(parts, settings, coordinator));
  brain.start();
  log.info({ organisation: certificates.organisation }, "server-started");
  await aborted(ending);
  log.info({}, "server-stopped");
  if (failure.signal.aborted) throw failure.signal.reason;
}

/** Looks once a day for what is old, in the server's own name. */
function dailyRetention(
  { database, answers, tell, log }: Parts,
  { retention: settings }: ServerSettings,
  coordinator: Coordinator,
): Disposable {
  const command = (given: Command) => answers.ask(tell, given, RETENTION);
  return retainDaily(
    { coordinator, database, settings, command },
    {
      onDone: (retained) => log.info(retained, "retention-done"),
      onFault: (error) => log.warn({ err: error }, "retention-failed"),
    },
  );
}

/** The database, which says when it goes away and is back. */
async function openDatabase(
  settings: ServerSettings,
  { log, signal }: RunOptions,
): Promise<ServerDatabase> {
  const place = databasePlace(settings, serverFiles(settings.data));
  const database = await ServerDatabase.open(place, {
    onAway: (err) => log.error({ err }, "database-away"),
    onBack: (awayMs) => log.info({ awayMs }, "database-back"),
  });
  const onEnd = (): void => void setTimeout(() => database.giveUp(), END_WAIT_MS).unref();
  signal.addEventListener("abort", onEnd, { once: true });
  return database;
}

/** What devices say goes to the coordinator, but for what only the authority can answer. */
async function openTransport(
  settings: ServerSettings,
  parts: Pick<Parts, "certificates" | "log" | "tell" | "fail"> & {
    readonly coordinator: Coordinator;
  },
): Promise<Transport> {
  const { coordinator, certificates, log, tell, fail } = parts;
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
  return transport;
}

/** Has the coordinator carry out what operators want, in their name, and ask devices for them. */
function askers({ database, answers, tell }: Parts): Pick<ServerApi, "command" | "ask"> {
  return {
    command: (command, caller) =>
      answers.ask(tell, command, callerName(caller, database.tokens.list())),
    ask: (question) => answers.question(tell, question),
  };
}

function createCoordinator(settings: ServerSettings, state: CoordinatorState): Coordinator {
  const port = gatewayPort(settings);
  return new Coordinator({
    state,
    randomBytes: nodeCrypto.randomBytes,
    serverHosts: serverHosts(settings),
    ...(port === undefined ? {} : { gatewayPort: port }),
    zoneOffsetMs,
    wallMs: Date.now(),
    nowUs: monotonicUs(),
  });
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
function onMinute({ certificates, transport, tell, fail }: Parts, stores: Stores): void {
  stores.cleanUp();
  tell({ kind: "wall-clock", wallMs: Date.now() });
  void certificates.refresh().then((renewed) => {
    if (!renewed) return;
    transport.useIdentity(certificates.identity);
    stores.useIdentity(certificates.identity);
  }, fail);
}

/** The server's own addresses: the one that it is bound to, or all that others may know it by. */
function serverHosts({ network }: ServerSettings): readonly string[] {
  if (network.address !== undefined && !/^[0.:]+$/.test(network.address)) return [network.address];
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^(169\.254\.|fe80:)/i.test(address))
    .map(({ address }) => address);
}

function portsOf({ network }: ServerSettings): PortTable {
  return network.singlePort === undefined
    ? offsetPorts(SERVER_PORTS, network.portOffset)
    : singlePort(SERVER_PORTS, network.singlePort);
}
