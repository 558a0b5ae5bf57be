import { randomInt } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import type { Logger } from "pino";
import { fromHex } from "../base/hex.ts";
import { parseDeviceId } from "../base/ids.ts";
import { associationEffects } from "../effects/associations.ts";
import type { StorageOutbox } from "../effects/storage.ts";
import type { PeerInput, PeerOptions, PeerOutbox } from "../peer/contract.ts";
import { Peer } from "../peer/peer.ts";
import type { Listening } from "../peer/profile-in-force.ts";
import { aborted } from "../runtime/aborted.ts";
import { fastestCrypto } from "../runtime/crypto.ts";
import { Driver, ENDPOINT_TIME } from "../runtime/driver.ts";
import { tuneEngine } from "../runtime/engine.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { TlsHandshakes } from "../runtime/tls-handshake.ts";
import { AddressWatch, reachableHosts } from "./addresses.ts";
import { readAttributes } from "./attributes.ts";
import { serveAgentControl } from "./control.ts";
import { agentFiles } from "./enrolment-file.ts";
import { logEvent } from "./events.ts";
import { FactWatch, readFacts } from "./facts.ts";
import { cacheLimits } from "./limits.ts";
import type { ServerPlace } from "./origin/gateway-trust.ts";
import { Origins } from "./origin/origins.ts";
import { loadOwnIdentity, type OwnIdentity } from "./own-identity.ts";
import { serverPorts } from "./ports.ts";
import { Publications } from "./publications.ts";
import { Reidentification } from "./reidentification.ts";
import { Renewal } from "./renewal.ts";
import type { AgentSettings } from "./settings.ts";
import { openListening } from "./sockets.ts";
import { ContentStore } from "./store/content-store.ts";

export { enrolAgent } from "./enrol.ts";

/** What a program is run with. */
export type RunOptions = {
  /** Aborted when the program is to end. */
  readonly signal: AbortSignal;
  readonly log: Logger;
};

/** How often the brain is told the wall clock, in milliseconds. */
const WALL_CLOCK_MS = 30_000;

/**
 * Runs the agent until the signal aborts: the brain on real sockets, a real store and a real clock.
 * A device that gets another identity begins anew with it.
 *
 * @throws OperatorError where it cannot start; nothing stays open then.
 */
export async function runAgent(settings: AgentSettings, options: RunOptions): Promise<void> {
  tuneEngine("throughput");
  while ((await runOnce(settings, options)) === "identity-changed") {
    options.log.info({}, "agent-restarted");
  }
}

/** Where the server may have packages. */
function serverPlace(settings: AgentSettings, { identity, enrolment }: OwnIdentity): ServerPlace {
  return {
    host: settings.server.host ?? enrolment.serverHost,
    authorityDer: identity.authorityDer,
    organisation: enrolment.organisation,
  };
}

/** Runs the agent with the identity that it has. */
async function runOnce(
  settings: AgentSettings,
  { signal, log }: RunOptions,
): Promise<"ended" | "identity-changed"> {
  const files = agentFiles(settings.data);
  const own = await loadOwnIdentity(settings, files);
  const { identity, enrolment, machineId } = own;
  await mkdir(settings.data, { recursive: true, mode: 0o700 });
  await using stack = new AsyncDisposableStack();
  const onInput = (input: PeerInput): void => driver.input(input);
  const onFault = (error: unknown): void => log.error({ err: error }, "agent-fault");
  const store = await ContentStore.open({
    folder: files.store,
    deliveryFolder: settings.delivery.folder,
    pinnedPublishers: enrolment.publishers.map(({ key }) => fromHex(key) ?? new Uint8Array(0)),
    limits: cacheLimits(settings),
    onInput,
    onFault,
  });
  stack.defer(() => store.close());
  const origins = new Origins({ onInput, server: serverPlace(settings, own) });
  stack.defer(() => origins.close());
  const wallS = (): number => Math.floor(Date.now() / 1_000);
  const handshakes = new TlsHandshakes({ identity, wallS, onInput });
  stack.defer(() => handshakes.close());
  const brain = await peerOptions(settings, own, store);
  // From here to the driver nothing is awaited: datagrams may come as soon as the sockets are open.
  const { sockets, listening } = await openListening(settings, store.remembered, onInput);
  stack.defer(() => sockets.close());
  const peer = new Peer({ ...brain, ...listeningOptions(listening) });
  const publications = new Publications();
  const renewal = new Renewal(identity, {
    file: files.identity,
    wallS,
    request: (request) => driver.input({ kind: "renew", request }),
    adopt: (next) => handshakes.useIdentity(next),
    onFault: (error) => log.error({ err: error }, "certificate-not-kept"),
  });
  stack.defer(() => renewal.close());
  const newIdentity = Promise.withResolvers<"identity-changed">();
  const reidentification = new Reidentification({
    ...{ files, identity, enrolment, machineId, onFault },
    request: (request) => driver.input({ kind: "enrol-anew", request }),
    onNewIdentity: () => newIdentity.resolve("identity-changed"),
  });
  const outbox: PeerOutbox = {
    ...associationEffects(sockets, handshakes),
    ...storageOutbox(store),
    fetchRange: (ticket, range) => origins.fetchRange(ticket, range),
    broadcast: (bytes) => sockets.broadcast(bytes),
    report: (event) => {
      logEvent(log, event);
      publications.onEvent(event);
      renewal.onEvent(event);
      reidentification.onEvent(event);
    },
  };
  const driver = new Driver<PeerInput, PeerOutbox>(peer, outbox, ENDPOINT_TIME);
  stack.defer(() => driver.stop());
  const input = (given: PeerInput): void => driver.input(given);
  const control = await serveAgentControl({
    ...{ settings, enrolment, peer, store, publications, input },
    onFault: (error) => log.error({ err: error }, "control-fault"),
  });
  stack.defer(() => control.close());
  stack.use(watchMachine(settings, { brain, store, input, onFault }));
  const tellTime = (): void => driver.input({ kind: "wall-clock", wallMs: Date.now() });
  const clock = setInterval(tellTime, WALL_CLOCK_MS);
  stack.defer(() => clearInterval(clock));
  driver.start();
  tellTime();
  sockets.start();
  log.info({ deviceId: enrolment.deviceId }, "agent-started");
  const why = await Promise.race([
    aborted(signal).then(() => "ended" as const),
    newIdentity.promise,
  ]);
  const reason = why === "ended" ? "the agent ends" : "the device has another identity";
  driver.input({ kind: "stop", reason });
  log.info({}, "agent-stopped");
  return why;
}

/** What the brain says of where the agent listens. */
function listeningOptions(listening: Listening) {
  const { single: singlePort, offset: portOffset = 0 } = listening.map;
  return { listening, portOffset, ...(singlePort === undefined ? {} : { singlePort }) };
}

async function peerOptions(
  settings: AgentSettings,
  { enrolment, machineId }: OwnIdentity,
  store: ContentStore,
): Promise<Omit<PeerOptions, "portOffset" | "singlePort">> {
  const deviceId = parseDeviceId(enrolment.deviceId);
  if (deviceId === undefined) throw new OperatorError("enrolment-damaged", "No device id.");
  const { cache, network, facts } = settings;
  const { maxAgeDays, diskPercent, minFreeMib } = cache;
  return {
    crypto: await fastestCrypto(),
    seed: randomInt(2 ** 32),
    bootId: randomInt(2 ** 32),
    deviceId,
    hostName: hostname(),
    hosts: reachableHosts(network.address),
    ownValues: { maxAgeDays, diskPercent, minFreeMib, preferred: facts.preferred },
    facts: await readFacts({ settings, usableBytes: () => store.usableBytes() }),
    attributes: await readAttributes(),
    server: {
      host: settings.server.host ?? enrolment.serverHost,
      ports: serverPorts(settings),
      organisation: enrolment.organisation,
    },
    held: store.held(),
    machineId,
    remembered: store.remembered,
  };
}

/** Tells the brain when the machine is not what it was: other addresses, other facts. */
function watchMachine(
  settings: AgentSettings,
  parts: {
    readonly brain: Pick<PeerOptions, "facts" | "hosts">;
    readonly store: ContentStore;
    readonly input: (input: PeerInput) => void;
    readonly onFault: (error: unknown) => void;
  },
): Disposable {
  const { brain, store, input, onFault } = parts;
  const sources = { settings, usableBytes: () => store.usableBytes() };
  const facts = new FactWatch(sources, {
    known: brain.facts,
    onChange: (changed) => input({ kind: "facts-changed", facts: changed }),
    onFault,
  });
  // An address that was set stays, whatever the machine has.
  const addresses =
    settings.network.address === undefined
      ? new AddressWatch({
          known: brain.hosts,
          onChange: (hosts) => input({ kind: "addresses-changed", hosts }),
        })
      : undefined;
  return {
    [Symbol.dispose]: () => {
      facts.close();
      addresses?.close();
    },
  };
}

function storageOutbox(store: ContentStore): StorageOutbox {
  return {
    createContent: (contentId, manifest) => store.createContent(contentId, manifest),
    storePiece: (contentId, piece, bytes) => store.storePiece(contentId, piece, bytes),
    readPiece: (ticket, contentId, range) => store.readPiece(ticket, contentId, range),
    finishContent: (contentId) => store.finishContent(contentId),
    purge: (contentId) => void store.purge(contentId),
    recheckPiece: (contentId, piece) => store.recheckPiece(contentId, piece),
    protectContents: (contentIds) => store.protectContents(contentIds),
    limitCache: (limits) => store.limitCache(limits),
    remember: (name, bytes) => store.remember(name, bytes),
  };
}
