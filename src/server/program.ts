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
import { fingerprintOf } from "../runtime/identity/fingerprint.ts";
import { loadAuthority, loadIdentity } from "../runtime/identity/identity-file.ts";
import { loadPublisher } from "../runtime/publisher-key.ts";
import { encodeMessage } from "../wire/messages.ts";
import { Answers } from "./answers.ts";
import { createServerHandlers } from "./api.ts";
import { Committer } from "./committer.ts";
import { ServerDatabase } from "./database.ts";
import { decideEnrolment } from "./enrolment.ts";
import { serverFiles } from "./files.ts";
import { judgeManifest } from "./manifest-judge.ts";
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
  const authority = await loadAuthority(files.authority);
  const identity = await loadIdentity(files.identity);
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
  const failed = new AbortController();
  const answers = new Answers();
  const ports = portsOf(settings);
  const transport = await Transport.open(settings, {
    identity,
    ports,
    log,
    onInput: (input) => brain.input(input),
  });
  stack.defer(() => transport.close());
  const committer = new Committer(
    (changes: readonly Change[]) => database.apply(changes),
    {
      send: (association, message) => transport.send(association, encodeMessage(message)),
      close: (association, code, reason) => transport.end(association, code, reason),
      requestEnrolment: (association, request) => {
        const parts = { securityKeys: database.securityKeys, authority };
        void decideEnrolment(parts, request, Date.now()).then((outcome) => {
          log.info({ host: request.host, outcome: outcome.kind }, "enrolment-decided");
          brain.input({ kind: "enrolment-decided", association, outcome });
        }, failed.abort.bind(failed));
      },
      judgeManifest: (association, contentId, manifest) => {
        const outcome = judgeManifest(publishers, contentId, manifest);
        brain.input({ kind: "manifest-judged", association, contentId, outcome });
      },
      answer: (requestNumber, answer) => answers.onAnswer(requestNumber, answer),
    },
    (error) => {
      log.error({ err: error }, "database-failed");
      failed.abort(error);
    },
  );
  stack.defer(() => committer.idle());
  const brain = new Driver<CoordinatorInput, CoordinatorOutbox>(
    coordinator,
    committer.outbox,
    { timer: { kind: "timer" } },
    () => committer.commit(),
  );
  stack.defer(() => brain.stop());
  const clock = setInterval(() => {
    brain.input({ kind: "wall-clock", wallMs: Date.now() });
  }, WALL_CLOCK_MS);
  stack.defer(() => clearInterval(clock));
  const control = await serveControl({
    socketPath: files.controlSocket,
    routes: SERVER_ROUTES,
    handlers: createServerHandlers({
      coordinator,
      database,
      organisation: authority.organisation,
      fingerprint: fingerprintOf(authority.certificateDer),
      epoch: state.epoch,
      wallMs: () => Date.now(),
      command: (command) =>
        answers.ask((requestNumber) => brain.input({ kind: "command", requestNumber, command })),
    }),
    onFault: (error) => log.error({ err: error }, "control-fault"),
  });
  stack.defer(() => control.close());
  brain.start();
  log.info({ organisation: authority.organisation, ports }, "server-started");
  await aborted(AbortSignal.any([signal, failed.signal]));
  log.info({}, "server-stopped");
  if (failed.signal.aborted) throw failed.signal.reason;
}

function portsOf({ network }: ServerSettings): PortTable {
  return network.singlePort === undefined
    ? offsetPorts(SERVER_PORTS, network.portOffset)
    : singlePort(SERVER_PORTS, network.singlePort);
}
