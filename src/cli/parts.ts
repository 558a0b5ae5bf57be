import { join, resolve } from "node:path";
import type { Logger } from "pino";
import type { AgentSettings } from "../agent/settings.ts";
import type { BodyOf, ParamsOf, QueryOf, ResponseOf, Route } from "../api/route.ts";
import type { Summary } from "../netperf/meter.ts";
import type { ReceiveOptions } from "../netperf/receive.ts";
import type { SendOptions } from "../netperf/send.ts";
import type { ApiClient } from "../runtime/http/client.ts";
import type { RemoteServer } from "../runtime/http/tls-client.ts";
import type { BackedUp } from "../server/backup/backup.ts";
import type { Restored } from "../server/backup/restore.ts";
import type { ServerSettings } from "../server/settings.ts";
import type { Trial } from "../sim/trial.ts";

// Everything that the commands take from the rest of the product. It is loaded when a command
// needs it: `branchline --help` should not wait for the web server.

/** Asks a running program for an operation of its API. @throws OperatorError where it refuses. */
export type Control = <R extends Route>(
  route: R,
  input?: {
    readonly params?: ParamsOf<R>;
    readonly query?: QueryOf<R>;
    readonly body?: BodyOf<R>;
    readonly ifMatch?: string;
  },
) => Promise<ResponseOf<R>>;

/** A connection with a server: its operations, and its pages. */
export type ServerConnection = Control & { readonly open: ApiClient["open"] };

/** The control interface of the program whose data folder this is. */
export async function openControl(dataFolder: string): Promise<ServerConnection> {
  const { createControlClient } = await import("../runtime/http/control-client.ts");
  return connectionOf(createControlClient(controlSocket(dataFolder)));
}

/** The API of a server somewhere else. @throws OperatorError where it is not to be trusted. */
export async function openRemote(server: RemoteServer): Promise<ServerConnection> {
  const { createRemoteClient } = await import("../runtime/http/tls-client.ts");
  return connectionOf(await createRemoteClient(server));
}

function connectionOf(client: ApiClient): ServerConnection {
  const call: Control = (route, input) => client.call(route, input);
  return Object.assign(call, { open: client.open });
}

/** Where the program with this data folder listens for commands. */
export function controlSocket(dataFolder: string): string {
  return join(dataFolder, "control.sock");
}

/** Runs the agent until the signal aborts. */
export async function runTheAgent(settings: AgentSettings, signal: AbortSignal): Promise<void> {
  const { runAgent } = await import("../agent/program.ts");
  await runAgent(settings, { signal, log: await createLog(settings.log.level) });
}

/** Brings the device its certificate. */
export async function enrolTheAgent(
  settings: AgentSettings,
  enrolment: {
    readonly server: string;
    readonly key: string;
    readonly fingerprint: string;
    readonly publisherFiles: readonly string[];
  },
): Promise<{ readonly deviceId: string }> {
  const { enrolAgent } = await import("../agent/program.ts");
  return await enrolAgent(settings, enrolment);
}

/** Makes the server's authority and database. */
export async function initialiseTheServer(
  settings: ServerSettings,
): Promise<{ readonly securityKey: string; readonly fingerprint: string }> {
  const { initialiseServer } = await import("../server/initialise.ts");
  return await initialiseServer(settings);
}

/** Runs the server until the signal aborts. */
export async function runTheServer(settings: ServerSettings, signal: AbortSignal): Promise<void> {
  const { runServer } = await import("../server/program.ts");
  await runServer(settings, { signal, log: await createLog(settings.log.level) });
}

/** Writes everything that the server is into one file. */
export async function backUpTheServer(
  settings: ServerSettings,
  what: { readonly file: string; readonly settingsFile?: string },
): Promise<BackedUp> {
  const { backUp } = await import("../server/backup/backup.ts");
  return await backUp(settings, { ...what, file: resolve(what.file) });
}

/** Brings a server back from such a file. */
export async function restoreTheServer(
  settings: ServerSettings,
  what: { readonly file: string; readonly force: boolean },
): Promise<Restored> {
  const { restore } = await import("../server/backup/restore.ts");
  return await restore(settings, { ...what, file: resolve(what.file) });
}

/** Makes a publisher's key pair: `PATH.key` and `PATH.publisher`. */
export async function makePublisherKey(
  path: string,
): Promise<{ readonly name: string; readonly keyFile: string; readonly publisherFile: string }> {
  const { newPublisherKey } = await import("../runtime/publisher-key.ts");
  const whole = resolve(path);
  const { name } = await newPublisherKey(whole);
  return { name, keyFile: `${whole}.key`, publisherFile: `${whole}.publisher` };
}

/** Takes what a line test sends, until the signal aborts. */
export async function receiveNetperf(
  options: ReceiveOptions,
  signal: AbortSignal,
): Promise<Summary> {
  const { receive } = await import("../netperf/receive.ts");
  return await receive(options, signal);
}

/** Sends a line test's bytes, until all have arrived or the signal aborts. */
export async function sendNetperf(options: SendOptions, signal: AbortSignal): Promise<Summary> {
  const { send } = await import("../netperf/send.ts");
  return await send(options, signal);
}

/** Worlds in which everything goes wrong. */
export async function loadTrial(): Promise<Pick<typeof Trial, "run">> {
  const { Trial: trial } = await import("../sim/trial.ts");
  return trial;
}

/** A log of JSON lines on standard error. */
export async function createLog(level: AgentSettings["log"]["level"]): Promise<Logger> {
  const { destination, pino } = await import("pino");
  return pino({ level, base: null }, destination({ dest: 2, sync: true }));
}
