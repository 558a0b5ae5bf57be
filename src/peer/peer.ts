import { type ContentId, parseDeviceId } from "../base/ids.ts";
import { type Due, earlier, type Machine } from "../base/machine.ts";
import { MS, SECOND } from "../base/units.ts";
import { decodeSignedManifest } from "../content/manifest-codec.ts";
import type { AssociationEvent, AssociationOutbox } from "../transport/association-types.ts";
import { type Deployments, type Directory, decodeMessage, type Message } from "../wire/messages.ts";
import { learnManifest } from "./content-entry.ts";
import { ContentStates } from "./content-states.ts";
import type { PeerInput, PeerOptions, PeerOutbox, PeerStatus } from "./contract.ts";
import { Conversations } from "./conversations.ts";
import { type Act, Core, report } from "./core.ts";
import { Downloads } from "./downloads.ts";
import type { Link } from "./link.ts";
import { Neighbours } from "./neighbours.ts";
import { ServerLink } from "./server-link.ts";
import { Uploads } from "./uploads.ts";

/** How often stalled peers, unused links and failed contents are looked at. */
const TICK_US = SECOND;

/** How long gained pieces wait for others to be announced together. */
const ANNOUNCE_US = 10 * MS;

/**
 * The whole brain of an agent: what to fetch from whom, what to serve, what to tell the server.
 *
 * It does nothing itself: datagrams, handshakes and the disk are effects. The same code runs on
 * devices and in the simulator.
 */
export class Peer implements Machine<PeerInput, PeerOutbox> {
  readonly #core: Core;
  readonly #downloads: Downloads;
  readonly #uploads: Uploads;
  readonly #conversations: Conversations;
  readonly #neighbours: Neighbours;
  readonly #server: ServerLink;
  readonly #states: ContentStates;
  readonly #events: AssociationEvent[] = [];
  #deployments: Deployments | undefined;
  #tickAtUs = 0;
  #announceAtUs = Number.POSITIVE_INFINITY;

  constructor(options: PeerOptions) {
    this.#core = new Core(options);
    this.#downloads = new Downloads(this.#core);
    this.#uploads = new Uploads(this.#core);
    this.#conversations = new Conversations(this.#core, this.#downloads);
    this.#neighbours = new Neighbours(this.#core);
    this.#server = new ServerLink(this.#core);
    this.#core.serverAway = () => !this.#server.connected;
    this.#states = new ContentStates(
      this.#core,
      this.#conversations,
      this.#downloads,
      this.#server,
    );
    for (const { contentId, manifest, pieces, finished, delivered } of options.held) {
      const decoded = decodeSignedManifest(manifest);
      if (!decoded.ok) continue;
      const entry = this.#core.entry(contentId);
      learnManifest(entry, manifest, decoded.value.manifest, { pieces, prng: this.#core.prng });
      entry.state = finished ? "complete" : "downloading";
      entry.delivered = delivered;
    }
  }

  /** What has been refused at the door, by reason. */
  get counters(): Readonly<Record<string, number>> {
    return { ...this.#core.endpoint.counters };
  }

  /** Bytes held for records that are not complete, over all associations. */
  get heldBytes(): number {
    return this.#core.endpoint.heldBytes();
  }

  step(nowUs: number, input: PeerInput, outbox: PeerOutbox): void {
    const act: Act = { nowUs, outbox, transport: this.#transport(outbox) };
    this.#apply(act, input);
    this.#settleEvents(act);
    this.#uploads.pump(act);
    this.#settleEvents(act);
  }

  due(): Due {
    const own = earlier(
      { atUs: this.#tickAtUs, reason: "tick" },
      { atUs: this.#announceAtUs, reason: "announcement" },
    );
    return earlier(earlier(this.#core.endpoint.due(), this.#server.due()), own);
  }

  /** Where the agent stands. */
  status(): PeerStatus {
    const { view, contents, links, endpoint, options } = this.#core;
    return {
      office: view.office,
      serverConnected: this.#server.connected,
      rvp: view.office !== "" && view.rvp === options.deviceId,
      contents: [...contents.values()].map((entry) => ({
        contentId: entry.contentId,
        name: entry.known?.manifest.name ?? "",
        version: entry.known?.manifest.version ?? "",
        state: entry.state,
        pieces: entry.known?.manifest.pieces.length ?? 0,
        piecesHeld: entry.known?.held.count ?? 0,
        sizeBytes: entry.known?.manifest.sizeBytes ?? 0,
        heldBytes: entry.heldBytes,
        wanInBytes: entry.tally.wanInBytes,
        lanInBytes: entry.tally.lanInBytes,
        wanOutBytes: entry.tally.wanOutBytes,
        lanOutBytes: entry.tally.lanOutBytes,
        originInBytes: entry.tally.originInBytes,
        delivered: entry.delivered,
        problem: entry.problem,
      })),
      peers: [...links.values()].map(({ deviceId, host, association }) => ({
        deviceId,
        office: view.member(deviceId)?.office ?? "",
        host,
        connected: true,
        rttUs: Math.round(endpoint.rttUs(association)),
      })),
    };
  }

  #transport(outbox: PeerOutbox): AssociationOutbox {
    return {
      send: (to, channel, bytes, segmentBytes) => outbox.send(to, channel, bytes, segmentBytes),
      handshakeStart: (key, side, anonymous) => outbox.handshakeStart(key, side, anonymous),
      handshakeFeed: (key, bytes) => outbox.handshakeFeed(key, bytes),
      handshakeEnd: (key) => outbox.handshakeEnd(key),
      report: (event) => this.#events.push(event),
    };
  }

  #apply(act: Act, input: PeerInput): void {
    switch (input.kind) {
      case "publish":
        this.#publish(act, input.contentId, input.manifest);
        break;
      case "withdraw":
        this.#core.contents.delete(input.contentId);
        break;
      case "renew":
        this.#server.renew(act, input.request);
        break;
      case "stop":
        this.#core.endpoint.closeAll(act.nowUs, input.reason, act.transport);
        break;
      case "piece-read":
        this.#uploads.onRead(act, input.ticket, input.bytes);
        break;
      case "content-created":
      case "content-refused":
      case "piece-stored":
      case "piece-rejected":
      case "content-finished":
      case "content-unfinished":
        this.#states.onStorage(act, input);
        this.#planAnnouncement(act);
        break;
      case "piece-rechecked":
      case "content-evicted":
      case "range-fetched":
      case "range-failed":
      case "addresses-changed":
      case "facts-changed":
      case "enrol-anew":
        break;
      case "timer-fired":
        this.#core.endpoint.step(act.nowUs, input, act.transport);
        this.#onTimer(act);
        break;
      default:
        this.#core.endpoint.step(act.nowUs, input, act.transport);
    }
  }

  #onTimer(act: Act): void {
    this.#server.onTimer(act);
    if (this.#announceAtUs <= act.nowUs) {
      this.#announceAtUs = Number.POSITIVE_INFINITY;
      for (const entry of this.#core.contents.values()) {
        if (entry.unannounced.length > 0) this.#conversations.announce(act, entry);
      }
    }
    if (this.#tickAtUs > act.nowUs) return;
    this.#tickAtUs = act.nowUs + TICK_US;
    this.#states.onTick(act);
    this.#neighbours.onTick(act);
    this.#downloads.onTick(act);
    // What was served has been counted and nothing else tells of it.
    for (const entry of this.#core.contents.values()) {
      if (entry.unreported) this.#server.noteProgress(act, entry);
    }
  }

  #planAnnouncement(act: Act): void {
    if (Number.isFinite(this.#announceAtUs)) return;
    for (const { unannounced } of this.#core.contents.values()) {
      if (unannounced.length > 0) this.#announceAtUs = act.nowUs + ANNOUNCE_US;
    }
  }

  /** Deals with what associations reported, which may lead to more of it. */
  #settleEvents(act: Act): void {
    for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
      this.#onEvent(act, event);
    }
  }

  #onEvent(act: Act, event: AssociationEvent): void {
    switch (event.kind) {
      case "association-up":
        this.#onUp(act, event);
        break;
      case "association-down":
        this.#onDown(act, event);
        break;
      case "message-received":
        this.#onMessage(act, event.association, event.bytes);
        break;
      case "block-received": {
        const link = this.#core.links.get(event.association);
        if (link !== undefined) this.#downloads.onBlock(act, link, event);
        break;
      }
    }
  }

  #onUp(act: Act, event: Extract<AssociationEvent, { kind: "association-up" }>): void {
    if (this.#server.owns(event.association)) {
      this.#server.onUp(act, event.association);
      return;
    }
    if (parseDeviceId(event.peer.id) === undefined) return;
    const link = this.#neighbours.onUp(act, event);
    if (link !== undefined) this.#conversations.openAll(act, link);
  }

  #onDown(act: Act, event: Extract<AssociationEvent, { kind: "association-down" }>): void {
    if (this.#server.owns(event.association)) {
      this.#server.onDown(act, event);
      return;
    }
    const link = this.#neighbours.onDown(act, event);
    if (link === undefined) return;
    this.#downloads.onLinkDown(link);
    this.#uploads.onLinkDown(link);
    this.#neighbours.connect(act);
    this.#downloads.fillAll(act);
  }

  #onMessage(act: Act, association: number, bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    const link = this.#core.links.get(association);
    if (message === undefined) {
      const deviceId = link?.deviceId ?? "server";
      report(act, { kind: "peer-misbehaved", deviceId, what: "a message that cannot be read" });
    } else if (this.#server.owns(association)) {
      this.#onServerMessage(act, message);
    } else if (link !== undefined) {
      this.#onPeerMessage(act, link, message);
    }
  }

  #onServerMessage(act: Act, message: Message): void {
    switch (message.kind) {
      case "directory":
        this.#onDirectory(act, message);
        break;
      case "deployments":
        this.#onDeployments(act, message);
        break;
      case "published":
        this.#server.onPublished(act, message.contentId);
        break;
      case "renewed":
        report(act, { kind: "certificate-issued", certificate: message.certificate });
        break;
      case "refused":
        this.#server.onRefused(act, message.code, message.reason);
        break;
      default:
        break;
    }
  }

  #onPeerMessage(act: Act, link: Link, message: Message): void {
    switch (message.kind) {
      case "open":
        this.#conversations.onOpen(act, link, message.handle, message.tag);
        break;
      case "holds":
        this.#conversations.onHolds(act, link, message);
        break;
      case "gained":
        this.#conversations.onGained(act, link, message.handle, message.pieces);
        break;
      case "unknown":
        this.#conversations.onUnknown(link, message.handle);
        break;
      case "request":
        this.#uploads.onRequest(act, link, message);
        break;
      case "refusal":
        this.#downloads.onRefusal(act, link, message.requestId, message.reason);
        break;
      case "cancel":
        this.#uploads.onCancel(link, message.requestId);
        break;
      default:
        // The rest is the server's to say (or ours): from another device it means nothing.
        report(act, { kind: "peer-misbehaved", deviceId: link.deviceId, what: message.kind });
    }
  }

  #onDirectory(act: Act, directory: Directory): void {
    const { view, links } = this.#core;
    const before = { office: view.office, rvp: view.rvp };
    // Offers count by office: they are taken back under the old view and asked for under the new.
    const sameBefore = new Map(
      [...links.values()].map((link) => [link, view.sameOffice(link.deviceId)]),
    );
    if (!view.apply(directory)) return;
    if (view.office !== before.office)
      report(act, { kind: "office-assigned", office: view.office });
    if (view.rvp !== before.rvp) {
      const self = view.rvp === this.#core.options.deviceId;
      report(act, { kind: "rvp-changed", self, deviceId: view.rvp });
      for (const entry of this.#core.contents.values()) this.#server.noteProgress(act, entry);
    }
    for (const [link, same] of sameBefore) {
      if (view.sameOffice(link.deviceId) !== same) this.#states.onOfficeChanged(act, link, same);
      this.#neighbours.setProtocol(link);
    }
    this.#neighbours.connect(act);
    this.#downloads.fillAll(act);
  }

  #onDeployments(act: Act, deployments: Deployments): void {
    const known = this.#deployments;
    const older =
      known !== undefined &&
      (deployments.epoch < known.epoch ||
        (deployments.epoch === known.epoch && deployments.version < known.version));
    if (older) return;
    this.#deployments = deployments;
    this.#states.onDeployments(act, deployments.deployments);
    this.#neighbours.connect(act);
  }

  #publish(act: Act, contentId: ContentId, manifest: Uint8Array): void {
    this.#states.onPublished(act, contentId, manifest);
    this.#server.publish(act, contentId, manifest);
  }
}
