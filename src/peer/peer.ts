import { type ContentId, parseDeviceId } from "../base/ids.ts";
import { type Due, earlier, type Machine } from "../base/machine.ts";
import { MS, SECOND } from "../base/units.ts";
import { NO_OFFICE } from "../topology/limits.ts";
import type { AssociationEvent } from "../transport/association-types.ts";
import {
  type Claim,
  type Directory,
  decodeMessage,
  type MemberEntry,
  type Message,
  type Policy,
} from "../wire/messages.ts";
import { Assignments } from "./assignments.ts";
import { Claims } from "./claims.ts";
import { ContentStates } from "./content-states.ts";
import type { Explanation, PeerInput, PeerOptions, PeerOutbox, PeerStatus } from "./contract.ts";
import { Conversations } from "./conversations.ts";
import { type Act, Core, report } from "./core.ts";
import { Discovery } from "./discovery.ts";
import { Downloads } from "./downloads.ts";
import { Evictions } from "./evictions.ts";
import { Explanations } from "./explanations.ts";
import type { Link } from "./link.ts";
import { Manifests } from "./manifests.ts";
import { Memory } from "./memory.ts";
import { Neighbours } from "./neighbours.ts";
import { isOlder } from "./numbered.ts";
import { Offers } from "./offers.ts";
import { Origins } from "./origins.ts";
import { ProfileKeeping } from "./profile-keeping.ts";
import { Rechecks } from "./rechecks.ts";
import { ServerLink } from "./server-link.ts";
import { peerStatus } from "./status.ts";
import { toldExplanation } from "./told-explanation.ts";
import { TransportOutbox } from "./transport-outbox.ts";
import { Trust } from "./trust.ts";
import { Uploads } from "./uploads.ts";

/** How often stalled peers, unused links and failed contents are looked at. */
const TICK_US = SECOND;

/** How often claims are said and listened for, and sources looked over, while there are links. */
const WATCH_US = 250 * MS;

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
  readonly #transport = new TransportOutbox();
  readonly #assignments: Assignments;
  readonly #claims: Claims;
  readonly #memory: Memory;
  readonly #discovery: Discovery;
  readonly #trust: Trust;
  readonly #rechecks: Rechecks;
  readonly #origins: Origins;
  readonly #offers: Offers;
  readonly #manifests: Manifests;
  readonly #evictions: Evictions;
  readonly #explanations: Explanations;
  readonly #profile: ProfileKeeping;
  #policy: Policy | undefined;
  /** How far it is known who is relied on. */
  #trustSeen = 0;
  #begun = false;
  #tickAtUs = 0;
  #watchAtUs = 0;

  constructor(options: PeerOptions) {
    this.#core = new Core(options);
    this.#server = new ServerLink(this.#core);
    const tellServer = (act: Act, message: Message): boolean => this.#server.say(act, message);
    this.#trust = new Trust(this.#core, tellServer);
    this.#manifests = new Manifests(this.#core, tellServer);
    this.#origins = new Origins(this.#core);
    this.#rechecks = new Rechecks(this.#core);
    this.#evictions = new Evictions(this.#core);
    this.#explanations = new Explanations(this.#core);
    this.#downloads = new Downloads(this.#core, this.#trust);
    this.#offers = new Offers(this.#core);
    this.#uploads = new Uploads(this.#core, this.#rechecks, this.#offers);
    this.#conversations = new Conversations(this.#core, this.#downloads, this.#trust, this.#offers);
    this.#neighbours = new Neighbours(this.#core);
    this.#claims = new Claims(this.#core);
    this.#memory = new Memory(this.#core);
    this.#discovery = new Discovery(this.#core, (act) => {
      // Somebody on our LAN vouches for where we are: the server may place us now.
      if (this.#core.view.office === NO_OFFICE) this.#server.registerAnew(act);
    });
    this.#core.serverAway = () => !this.#server.connected;
    this.#core.isUnreachable = (nowUs, deviceId) => this.#neighbours.isUnreachable(nowUs, deviceId);
    this.#core.isDistrusted = (deviceId) => !this.#trust.isReliable(deviceId);
    this.#states = new ContentStates(this.#core, {
      conversations: this.#conversations,
      downloads: this.#downloads,
      origins: this.#origins,
      rechecks: this.#rechecks,
      evictions: this.#evictions,
      explanations: this.#explanations,
      server: this.#server,
    });
    this.#profile = new ProfileKeeping(this.#core, {
      ...{ memory: this.#memory, neighbours: this.#neighbours, claims: this.#claims },
      ...{ origins: this.#origins, server: this.#server },
    });
    this.#assignments = new Assignments(this.#memory, this.#states);
    this.#states.restore(options.held);
  }

  /** What has been refused at the door, by reason. */
  get counters(): Readonly<Record<string, number>> {
    return { ...this.#core.endpoint.counters, ...this.#discovery.counters };
  }

  /** Bytes held for records that are not complete, over all associations. */
  get heldBytes(): number {
    return this.#core.endpoint.heldBytes();
  }

  step(nowUs: number, input: PeerInput, outbox: PeerOutbox): void {
    const act: Act = { nowUs, outbox, transport: this.#transport.of(outbox) };
    if (!this.#begun) this.#begin(act);
    this.#core.endpoint.inOneGo(nowUs, act.transport, () => {
      this.#apply(act, input);
      this.#settleEvents(act);
    });
    // There is room again only now that what was waiting has been sent.
    this.#uploads.pump(act);
    this.#conversations.dealOn(act);
    this.#settleEvents(act);
  }

  due(): Due {
    const ticks = earlier(
      { atUs: this.#tickAtUs, reason: "tick" },
      { atUs: this.#watchAtUs, reason: "watch" },
    );
    const own = earlier(ticks, this.#conversations.due());
    const others = earlier(this.#server.due(), this.#discovery.due());
    return earlier(earlier(this.#core.endpoint.due(), others), own);
  }

  /** Why each piece of a content came from where it came (row D4); `undefined` if not known. */
  explain(contentId: ContentId): Explanation | undefined {
    return this.#explanations.explain(contentId);
  }

  /** Where the agent stands. */
  status(): PeerStatus {
    const { standing } = this.#profile;
    return peerStatus(this.#core, { serverConnected: this.#server.connected, ...standing });
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
      case "piece-rechecked":
      case "content-evicted":
        this.#states.onStorage(act, input);
        this.#conversations.planAnnouncement(act);
        break;
      case "range-fetched":
      case "range-failed":
        this.#origins.onInput(act, input);
        break;
      case "addresses-changed":
        this.#onAddresses(act, input.hosts);
        break;
      case "facts-changed":
        this.#profile.onFacts(act, input.facts);
        break;
      case "wall-clock":
        if (this.#assignments.onWallClock(act, input.wallMs, this.#server.connected)) {
          this.#onAssignments(act);
        }
        break;
      case "enrol-anew":
        this.#server.enrolAnew(act, input.request);
        break;
      case "timer-fired":
        this.#core.endpoint.step(act.nowUs, input, act.transport);
        this.#onTimer(act);
        break;
      case "datagram-received":
        if (input.channel === "discovery") {
          for (const bytes of input.arrivals) this.#discovery.onDatagram(act, input.from, bytes);
        } else {
          this.#core.endpoint.step(act.nowUs, input, act.transport);
        }
        break;
      default:
        this.#core.endpoint.step(act.nowUs, input, act.transport);
    }
  }

  #onTimer(act: Act): void {
    this.#server.onTimer(act);
    this.#discovery.onTimer(act);
    this.#conversations.announceDue(act);
    this.#watch(act);
    if (this.#tickAtUs > act.nowUs) return;
    this.#tickAtUs = act.nowUs + TICK_US;
    this.#trust.onTick(act);
    if (this.#assignments.onTick(act)) this.#onAssignments(act);
    this.#states.onTick(act);
    this.#neighbours.onTick(act);
    this.#downloads.onTick(act);
    this.#conversations.onTick(act);
    this.#manifests.onTick(act, this.#origins.any);
    this.#origins.onTick(act);
    this.#uploads.onTick(act);
    this.#evictions.refresh(act);
    this.#explanations.onTick(act);
    if (this.#trust.changes !== this.#trustSeen) this.#claims.refresh(act);
    this.#trustSeen = this.#trust.changes;
    this.#memory.onTick(act);
    this.#discovery.onTick(act);
    // What was served has been counted and nothing else tells of it.
    for (const entry of this.#core.contents.values()) {
      if (entry.unreported) this.#server.noteProgress(act, entry);
    }
  }

  /**
   * The device has moved, or a cable was pulled. What it was doing goes on from other addresses: the
   * server says which office it is in now, and everyone who could not be reached is tried again.
   */
  #onAddresses(act: Act, hosts: readonly string[]): void {
    this.#core.hosts = hosts;
    this.#neighbours.forgetFailures();
    this.#server.reconnect(act);
    this.#neighbours.connect(act);
  }

  /** Takes up what the server said before the last restart: it may be out of reach now. */
  #begin(act: Act): void {
    this.#begun = true;
    for (const message of this.#memory.recall()) this.#onServerMessage(act, message, true);
  }

  /** Who fetches for the office, and from how far: looked at while there is anybody to hear of. */
  #watch(act: Act): void {
    if (this.#watchAtUs > act.nowUs) return;
    const engaged = this.#neighbours.somethingToFetch();
    const active = engaged || this.#core.links.size > 0;
    this.#watchAtUs = active ? act.nowUs + WATCH_US : this.#tickAtUs + TICK_US;
    const { holder } = this.#core.succession;
    if (this.#core.lineBusy.look(act.nowUs)) this.#server.noteAll(act);
    this.#claims.onTick(act, engaged);
    this.#core.sources.onTick(act.nowUs);
    if (!active) return;
    this.#neighbours.connect(act);
    if (holder !== this.#core.succession.holder) this.#onHolder(act);
  }

  /** Another device fetches for the office now: it may be us. */
  #onHolder(act: Act): void {
    this.#server.noteAll(act);
    this.#downloads.handOver(act);
    this.#conversations.onHolder(act);
    this.#neighbours.connect(act);
    this.#downloads.fillAll(act);
  }

  /** Deals with what associations reported, which may lead to more of it. */
  #settleEvents(act: Act): void {
    const { events } = this.#transport;
    for (let event = events.shift(); event !== undefined; event = events.shift()) {
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
        if (link === undefined) break;
        this.#core.succession.onSign(link.deviceId);
        this.#downloads.onBlock(act, link, event);
        break;
      }
      case "association-moved": {
        const link = this.#core.links.get(event.association);
        if (link !== undefined) link.host = event.host;
        break;
      }
    }
  }

  #onUp(act: Act, event: Extract<AssociationEvent, { kind: "association-up" }>): void {
    if (this.#server.owns(event.association)) {
      this.#server.onUp(act, event.association);
      this.#profile.onServer(act);
      return;
    }
    if (parseDeviceId(event.peer.id) === undefined) return;
    const link = this.#neighbours.onUp(act, event);
    if (link === undefined) return;
    this.#claims.onUp(act, link);
    this.#conversations.openAll(act, link);
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
    this.#offers.onLinkDown(link);
    if (!this.#core.linkByDevice.has(link.deviceId)) this.#claims.onGone(act, link, event.code);
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
      this.#core.succession.onSign(link.deviceId);
      this.#onPeerMessage(act, link, message);
    }
  }

  #onServerMessage(act: Act, message: Message, remembered = false): void {
    switch (message.kind) {
      case "directory":
        this.#onDirectory(act, message);
        break;
      case "deployments":
        if (this.#assignments.onDeployments(act, message, remembered)) this.#onAssignments(act);
        break;
      case "policy":
        this.#onPolicy(act, message);
        break;
      case "profile":
        this.#profile.onWord(act, message);
        break;
      case "manifest-part":
        this.#manifests.onPart(act, message);
        break;
      case "explain":
        this.#server.say(act, toldExplanation(message, this.explain(message.contentId)));
        break;
      default:
        this.#server.onMessage(act, message);
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
      case "doubt":
        this.#rechecks.onDoubt(act, link, message);
        break;
      case "claim":
        this.#onClaim(act, link, message);
        break;
      case "mates":
        this.#onMates(act, message.members);
        break;
      default:
        // The rest is the server's to say (or ours): from another device it means nothing.
        report(act, { kind: "peer-misbehaved", deviceId: link.deviceId, what: message.kind });
    }
  }

  #onClaim(act: Act, link: Link, claim: Claim): void {
    const { holder } = this.#core.succession;
    this.#claims.onClaim(act, link, claim);
    if (holder !== this.#core.succession.holder) this.#onHolder(act);
  }

  #onMates(act: Act, members: readonly MemberEntry[]): void {
    for (const member of members) this.#core.view.hear(member);
    this.#claims.refresh(act);
    for (const link of this.#core.links.values()) this.#neighbours.setProtocol(link);
  }

  #onDirectory(act: Act, directory: Directory): void {
    const { view, links } = this.#core;
    const before = view.office;
    const { holder } = this.#core.succession;
    // Offers count by office: they are taken back under the old view and asked for under the new.
    const sameBefore = new Map(
      [...links.values()].map((link) => [link, view.sameOffice(link.deviceId)]),
    );
    if (!view.apply(directory)) return;
    this.#memory.keep(act, directory);
    if (view.office !== before) {
      report(act, { kind: "office-assigned", office: view.office });
      this.#claims.reset(act);
    }
    this.#claims.refresh(act);
    if (holder !== this.#core.succession.holder) this.#onHolder(act);
    for (const [link, same] of sameBefore) {
      if (view.sameOffice(link.deviceId) !== same) this.#states.onOfficeChanged(act, link, same);
      this.#neighbours.setProtocol(link);
    }
    this.#neighbours.connect(act);
    this.#downloads.fillAll(act);
  }

  /** Something else than before is to be fetched or left. */
  #onAssignments(act: Act): void {
    if (this.#states.takeNews()) this.#neighbours.forgetUseless();
    // From how far it is fetched is looked at now and not with the next tick.
    this.#watchAtUs = act.nowUs;
    this.#core.sources.onTick(act.nowUs);
    this.#neighbours.connect(act);
  }

  #onPolicy(act: Act, policy: Policy): void {
    if (isOlder(policy, this.#policy)) return;
    this.#policy = policy;
    this.#memory.keep(act, policy);
    this.#core.shunned = new Set(policy.shunned);
    for (const link of this.#core.links.values())
      if (this.#core.shunned.has(link.deviceId)) this.#uploads.onLinkDown(link);
    this.#server.paceReports(policy.reportMs);
    this.#evictions.onPolicy(act, policy.keep);
    this.#claims.refresh(act);
    this.#downloads.onTick(act);
    this.#origins.onPolicy(act, policy.origins);
    this.#profile.tell(act);
  }

  #publish(act: Act, contentId: ContentId, manifest: Uint8Array): void {
    this.#states.onPublished(act, contentId, manifest);
    this.#server.publish(act, contentId, manifest);
  }
}
