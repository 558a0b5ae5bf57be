import { randomInt } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import type { Logger } from "pino";
import { AGENT_ROUTES } from "../api/agent-routes.ts";
import type { AgentStatusView, PublicationInput } from "../api/agent-schemas.ts";
import { PRODUCT_VERSION } from "../base/constants.ts";
import { fromHex } from "../base/hex.ts";
import { type ContentId, contentIdOf, parseDeviceId } from "../base/ids.ts";
import { splitSignedManifest } from "../content/manifest-codec.ts";
import type { PeerInput, PeerOptions, PeerOutbox } from "../peer/contract.ts";
import { Peer } from "../peer/peer.ts";
import { aborted } from "../runtime/aborted.ts";
import { RequestRefused, serveControl } from "../runtime/control-server.ts";
import { nodeCrypto } from "../runtime/crypto.ts";
import { Driver, ENDPOINT_TIME } from "../runtime/driver.ts";
import { loadIdentity } from "../runtime/identity/identity-file.ts";
import { OperatorError } from "../runtime/operator-error.ts";
import { TlsHandshakes } from "../runtime/tls-handshake.ts";
import { UdpSockets } from "../runtime/udp.ts";
import { agentFiles, type EnrolmentRecord, loadEnrolment } from "./enrolment-file.ts";
import { logEvent } from "./events.ts";
import { reachableHosts, readFacts } from "./facts.ts";
import { lineOf, ownPorts, serverPorts } from "./ports.ts";
import { Publications } from "./publications.ts";
import { Renewal } from "./renewal.ts";
import type { AgentSettings } from "./settings.ts";
import { ContentStore } from "./store/content-store.ts";
import { deliveredPath } from "./store/delivery.ts";

export { enrolAgent } from "./enrol.ts";

/** What a program is run with. */
export type RunOptions = {
  /** Aborted when the program is to end. */
  readonly signal: AbortSignal;
  readonly log: Logger;
};

/**
 * Runs the agent until the signal aborts: the brain on real sockets, a real store and a real clock.
 *
 * @throws OperatorError where it cannot start; nothing stays open then.
 */
export async function runAgent(settings: AgentSettings, options: RunOptions): Promise<void> {
  const files = agentFiles(settings.data);
  const enrolment = await loadEnrolment(files.enrolment);
  const identity = await loadIdentity(files.identity);
  await mkdir(settings.data, { recursive: true, mode: 0o700 });
  await using stack = new AsyncDisposableStack();
  const onInput = (input: PeerInput): void => driver.input(input);
  const store = await ContentStore.open({
    folder: files.store,
    deliveryFolder: settings.delivery.folder,
    pinnedPublishers: enrolment.publishers.map(({ key }) => fromHex(key) ?? new Uint8Array(0)),
    onInput,
  });
  stack.defer(() => store.close());
  const wallS = (): number => Math.floor(Date.now() / 1_000);
  const handshakes = new TlsHandshakes({ identity, wallS, onInput });
  stack.defer(() => handshakes.close());
  const brain = await peerOptions(settings, enrolment, store);
  const { address } = settings.network;
  const bound = address === undefined ? {} : { address };
  // From here to the driver nothing is awaited: datagrams may come as soon as the sockets are open.
  const sockets = await UdpSockets.open({
    ...bound,
    ...lineOf(settings.network.line),
    ports: ownPorts(settings),
    onInput,
  });
  stack.defer(() => sockets.close());
  const peer = new Peer(brain);
  const publications = new Publications();
  const renewal = new Renewal(identity, {
    file: files.identity,
    wallS,
    request: (request) => driver.input({ kind: "renew", request }),
    adopt: (next) => handshakes.useIdentity(next),
    onFault: (error) => options.log.error({ err: error }, "certificate-not-kept"),
  });
  stack.defer(() => renewal.close());
  const outbox: PeerOutbox = {
    send: (to, channel, bytes, segmentBytes) => sockets.send(to, channel, bytes, segmentBytes),
    handshakeStart: (key, side, anonymous) => handshakes.handshakeStart(key, side, anonymous),
    handshakeFeed: (key, bytes) => handshakes.handshakeFeed(key, bytes),
    handshakeEnd: (key) => handshakes.handshakeEnd(key),
    createContent: (contentId, manifest) => store.createContent(contentId, manifest),
    storePiece: (contentId, piece, bytes) => store.storePiece(contentId, piece, bytes),
    readPiece: (ticket, contentId, range) => store.readPiece(ticket, contentId, range),
    finishContent: (contentId) => store.finishContent(contentId),
    recheckPiece: (contentId, piece) => store.recheckPiece(contentId, piece),
    protectContents: (contentIds) => store.protectContents(contentIds),
    remember: (name, bytes) => store.remember(name, bytes),
    fetchRange: () => {},
    broadcast: () => {},
    report: (event) => {
      logEvent(options.log, event);
      publications.onEvent(event);
      renewal.onEvent(event);
    },
  };
  const driver = new Driver<PeerInput, PeerOutbox>(peer, outbox, ENDPOINT_TIME);
  stack.defer(() => driver.stop());
  const control = await serveControl({
    socketPath: files.controlSocket,
    routes: AGENT_ROUTES,
    handlers: {
      showStatus: () => statusView(settings, enrolment, peer),
      publish: async ({ body }) =>
        await publish(body, { store, publications, input: (input) => driver.input(input) }),
    },
    onFault: (error) => options.log.error({ err: error }, "control-fault"),
  });
  stack.defer(() => control.close());
  driver.start();
  options.log.info({ deviceId: enrolment.deviceId }, "agent-started");
  await aborted(options.signal);
  driver.input({ kind: "stop", reason: "the agent ends" });
  options.log.info({}, "agent-stopped");
}

async function peerOptions(
  settings: AgentSettings,
  enrolment: EnrolmentRecord,
  store: ContentStore,
): Promise<PeerOptions> {
  const deviceId = parseDeviceId(enrolment.deviceId);
  if (deviceId === undefined) throw new OperatorError("enrolment-damaged", "No device id.");
  const { singlePort, portOffset, address } = settings.network;
  return {
    crypto: nodeCrypto,
    seed: randomInt(2 ** 32),
    bootId: randomInt(2 ** 32),
    deviceId,
    hostName: hostname(),
    hosts: reachableHosts(address),
    portOffset,
    ...(singlePort === undefined ? {} : { singlePort }),
    facts: await readFacts(settings),
    server: {
      host: settings.server.host ?? enrolment.serverHost,
      ports: serverPorts(settings),
      organisation: enrolment.organisation,
    },
    held: store.held(),
    machineId: "",
    remembered: new Map(),
  };
}

/** Takes a content in and brings it to the server. What the server refuses is given up again. */
async function publish(
  body: PublicationInput,
  parts: {
    readonly store: ContentStore;
    readonly publications: Publications;
    readonly input: (input: PeerInput) => void;
  },
): Promise<{ readonly contentId: ContentId }> {
  const { store, publications, input } = parts;
  const manifest = new Uint8Array(Buffer.from(body.manifest, "base64"));
  const contentId = idOf(manifest);
  const wasHeld = store.held().some((held) => held.contentId === contentId);
  await store.importContent(contentId, manifest, body.blobPath);
  const published = publications.wait(contentId);
  input({ kind: "publish", contentId, manifest });
  try {
    await published;
  } catch (error) {
    // Without an answer it is kept: the server may yet have it.
    if (!wasHeld && !isUnanswered(error)) {
      input({ kind: "withdraw", contentId });
      await store.removeContent(contentId);
    }
    throw error;
  }
  return { contentId };
}

function isUnanswered(error: unknown): boolean {
  return error instanceof OperatorError && error.code === "server-unreachable";
}

function idOf(manifest: Uint8Array): ContentId {
  const parts = splitSignedManifest(manifest);
  const contentId = parts.ok ? contentIdOf(nodeCrypto.sha256(parts.value.body)) : undefined;
  if (contentId !== undefined) return contentId;
  throw new RequestRefused(422, "manifest-refused", "The manifest cannot be read: publish again.");
}

function statusView(
  settings: AgentSettings,
  enrolment: EnrolmentRecord,
  peer: Peer,
): AgentStatusView {
  const status = peer.status();
  return {
    deviceId: enrolment.deviceId,
    organisation: enrolment.organisation,
    hostName: hostname(),
    office: status.office,
    server: {
      address: settings.server.host ?? enrolment.serverHost,
      connected: status.serverConnected,
    },
    rvp: status.rvp,
    productVersion: PRODUCT_VERSION,
    contents: status.contents.map(({ delivered, ...content }) => ({
      ...content,
      ...(delivered ? { deliveredTo: deliveredPath(settings.delivery.folder, content) } : {}),
    })),
    peers: status.peers.map(({ host, ...peerView }) => ({ ...peerView, address: host })),
  };
}
