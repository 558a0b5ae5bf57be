import type { ContentId, DeviceId } from "../base/ids.ts";
import { KIB, MS, SECOND } from "../base/units.ts";
import { count } from "../swarm/ledger.ts";
import { Assembly } from "../swarm/piece-assembly.ts";
import type { AssociationEvent } from "../transport/association-types.ts";
import type { PieceSource, RefusalReason } from "../wire/messages.ts";
import { type ContentEntry, isToFetch, type Known } from "./content-entry.ts";
import {
  type Act,
  type Core,
  LINE_SOURCE_US,
  MATE_AHEAD_US,
  PENDING_BYTES_MAX,
  report,
  STALL_US,
  STORING_BYTES_MAX,
  say,
  UNHEARD_US,
} from "./core.ts";
import { deviceSource } from "./explanations.ts";
import type { Asked, Link, Pending } from "./link.ts";
import { isInTheWay, waitsForUrgent } from "./precedence.ts";
import type { Trust } from "./trust.ts";

/** How much of a manifest one request asks for. */
const MANIFEST_REQUEST_BYTES = 256 * KIB;

/** Over how many answers a peer's rate is averaged. */
const RATE_SAMPLES = 4;

/** How long a peer that is busy is left alone. */
const BUSY_REST_US = 200 * MS;

/**
 * Fetching: asks the peers that hold what is missing, and puts their answers together.
 *
 * A piece is asked of one peer at a time. Inside the office of anybody; from the parent office only
 * by a device that fetches over the line, and only what nobody in the office holds.
 */
export class Downloads {
  readonly #core: Core;
  readonly #trust: Trust;
  /** From whom the pieces came that the store is verifying, by content and piece. */
  readonly #sources = new Map<string, DeviceId>();
  #nextRequestId = 1;

  constructor(core: Core, trust: Trust) {
    this.#core = core;
    this.#trust = trust;
  }

  /** Asks a peer for as much as it may be asked for now. */
  fill(act: Act, link: Link): void {
    for (const entry of this.#byPriority()) {
      const asked = link.asked.get(entry.contentId);
      if (asked === undefined || !this.#mayAsk(act, link, entry)) continue;
      if (entry.known === undefined) this.#fetchManifest(act, link, entry, asked);
      else if (entry.state === "downloading") this.#fetchPieces(act, link, entry, asked);
    }
  }

  fillAll(act: Act): void {
    for (const link of this.#core.links.values()) this.fill(act, link);
  }

  /** Another device fetches for the office now: what has not begun to arrive is left to it. */
  handOver(act: Act): void {
    this.takeBack(act, (link, { contentId }) => {
      if (this.#core.view.sameOffice(link.deviceId)) return false;
      const entry = this.#core.contents.get(contentId);
      return entry === undefined || !this.#core.sources.fetches(entry);
    });
  }

  /** Takes requests back that are of no use now; what has begun to arrive may end. */
  takeBack(act: Act, isUseless: (link: Link, pending: Pending) => boolean): void {
    for (const link of this.#core.links.values()) {
      for (const pending of [...link.pending.values()]) {
        if (pending.assembly.heldBytes === 0 && isUseless(link, pending)) {
          this.#drop(act, link, pending);
        }
      }
    }
  }

  /** Takes a block; one that answers no request of ours has no effect. */
  onBlock(
    act: Act,
    link: Link,
    block: Extract<AssociationEvent, { kind: "block-received" }>,
  ): void {
    const pending = link.pending.get(block.requestId);
    if (pending === undefined) return;
    const added = pending.assembly.add(block.offsetBytes, block.data, block.lasting);
    if (!added.ok) {
      report(act, {
        kind: "peer-misbehaved",
        deviceId: link.deviceId,
        what: "block outside its piece",
      });
      this.#drop(act, link, pending);
      return;
    }
    link.progressAtUs = act.nowUs;
    link.usedAtUs = act.nowUs;
    const entry = this.#core.contents.get(pending.contentId);
    if (entry !== undefined && pending.target === "piece") {
      const { view } = this.#core;
      const level = view.level(link.deviceId);
      const far = level !== undefined && level > 1 ? view.member(link.deviceId)?.office : undefined;
      count(entry.tally, block.data.length, {
        direction: "in",
        sameOffice: level === 0,
        ...(far === undefined ? {} : { farOffice: far }),
      });
    }
    if (!pending.assembly.complete) return;
    measure(act.nowUs, link, pending);
    this.#settle(link, pending);
    if (entry !== undefined) this.#onComplete(act, link, entry, pending);
    this.fill(act, link);
  }

  /** The peer will not answer a request. */
  onRefusal(act: Act, link: Link, requestId: number, reason: RefusalReason): void {
    const pending = link.pending.get(requestId);
    if (pending === undefined) return;
    this.#release(link, pending);
    const asked = link.asked.get(pending.contentId);
    if (reason === "busy") link.restUntilUs = act.nowUs + BUSY_REST_US;
    else if (pending.target === "manifest" && asked !== undefined) asked.manifestBytes = 0;
    else this.#onBrokenPromise(act, link, pending);
    this.fillAll(act);
  }

  /** A peer is gone, and with it what it owed us. */
  onLinkDown(link: Link): void {
    for (const pending of [...link.pending.values()]) this.#release(link, pending);
    for (const asked of link.asked.values()) this.forgetOffers(link, asked);
  }

  /** What a peer offered of a content no longer counts. */
  forgetOffers(link: Link, asked: Asked): void {
    const known = this.#core.contents.get(asked.contentId)?.known;
    const { offered } = asked;
    asked.offered = undefined;
    if (known === undefined || offered === undefined) return;
    if (!this.#core.view.sameOffice(link.deviceId)) return;
    for (let piece = 0; piece < offered.size; piece += 1) {
      if (offered.has(piece)) known.picker.onWithdrawn(piece);
    }
  }

  /** A manifest was not acceptable: it is fetched elsewhere, at once where there is somebody. */
  onManifestRefused(act: Act, entry: ContentEntry, association: number): void {
    const link = this.#core.links.get(association);
    const asked = link?.asked.get(entry.contentId);
    if (link === undefined || asked === undefined) return;
    asked.manifestBytes = 0;
    const what = "a manifest that is not acceptable";
    report(act, { kind: "peer-misbehaved", deviceId: link.deviceId, what });
  }

  /** A piece has been verified and kept. */
  onPieceStored(entry: ContentEntry, piece: number): void {
    const deviceId = this.#sources.get(`${entry.contentId} ${piece}`);
    if (deviceId !== undefined) this.#trust.onVerified(deviceId);
    this.onPieceSettled(entry, piece);
  }

  /** The store has answered for a piece: it may be asked for again where it is still missing. */
  onPieceSettled(entry: ContentEntry, piece: number): void {
    const sizeBytes = entry.known?.manifest.pieces[piece]?.sizeBytes ?? 0;
    this.#core.storingBytes = Math.max(0, this.#core.storingBytes - sizeBytes);
    entry.known?.picker.onSettled(piece);
    this.#sources.delete(`${entry.contentId} ${piece}`);
  }

  /** A piece did not verify: it is fetched elsewhere, and who sent it is named. */
  onMismatch(act: Act, entry: ContentEntry, piece: number): void {
    const deviceId = this.#sources.get(`${entry.contentId} ${piece}`);
    this.onPieceSettled(entry, piece);
    const { contentId } = entry;
    const link = deviceId === undefined ? undefined : this.#core.linkByDevice.get(deviceId);
    if (deviceId !== undefined) {
      this.#trust.onMismatch(act, deviceId, { contentId, piece });
      const host = link?.host ?? this.#core.view.member(deviceId)?.hosts[0];
      entry.known?.story.onFailed(piece, `${host ?? deviceId} sent wrong bytes`);
    }
    if (link !== undefined) {
      this.#withdraw(link, contentId, piece);
      if (!this.#trust.mayAsk(act.nowUs, link.deviceId)) this.#setAside(link);
    }
    report(act, { kind: "piece-mismatched", contentId, piece, deviceId: deviceId ?? "" });
    this.fillAll(act);
  }

  /** Leaves peers alone that owe us blocks for too long, and asks others. */
  onTick(act: Act): void {
    for (const link of this.#core.links.values()) {
      const hearing = this.#core.endpoint.hearing(act.nowUs, link.association);
      // Who holds back for others on the line will go on by itself.
      if (hearing !== undefined && hearing.heldBackUs > 0) link.progressAtUs = act.nowUs;
      const owedUs = act.nowUs - link.progressAtUs;
      // An idle peer may have been silent for longer than it has owed us anything.
      const silentUs = Math.min(owedUs, hearing?.unheardUs ?? 0);
      if (link.pending.size > 0 && silentUs >= UNHEARD_US) this.#passOver(act, link);
      if (link.pending.size > 0 && owedUs >= STALL_US) this.#onStall(act, link);
      if (!this.#trust.mayAsk(act.nowUs, link.deviceId)) this.#setAside(link);
    }
    if (this.#core.prioritiesDiffer) {
      this.takeBack(act, (link, pending) => isInTheWay(this.#core, act.nowUs, link, pending));
    }
    this.fillAll(act);
  }

  /** What a peer offers no longer counts; one that is not trusted is not waited for either. */
  #setAside(link: Link): void {
    const trusted = this.#trust.trusts(link.deviceId);
    for (const asked of link.asked.values()) {
      if (!trusted) asked.answer = "unknown";
      if (!trusted) asked.manifestBytes = 0;
      this.forgetOffers(link, asked);
    }
    link.setAside = true;
  }

  /** Nothing is heard of a peer: what others offer too is asked of them. */
  #passOver(act: Act, link: Link): void {
    for (const pending of [...link.pending.values()]) {
      const entry = this.#core.contents.get(pending.contentId);
      if (entry === undefined || !this.#isOfferedElsewhere(act, link, entry, pending)) continue;
      this.#drop(act, link, pending);
      entry.known?.story.onFailed(pending.piece, `${link.host} fell silent`);
      link.restUntilUs = act.nowUs + UNHEARD_US;
    }
  }

  #isOfferedElsewhere(act: Act, link: Link, entry: ContentEntry, pending: Pending): boolean {
    const { target, piece } = pending;
    if (target !== "piece") return false;
    for (const other of this.#core.links.values()) {
      if (other === link || !this.#mayAsk(act, other, entry)) continue;
      if (other.asked.get(entry.contentId)?.offered?.has(piece) === true) return true;
    }
    return false;
  }

  /** Whether a peer may be asked for something of a content now. */
  #mayAsk({ nowUs }: Act, link: Link, entry: ContentEntry): boolean {
    if (nowUs < link.restUntilUs || !this.#trust.mayAsk(nowUs, link.deviceId)) return false;
    return this.#core.sources.mayAsk(link, entry);
  }

  #onStall(act: Act, link: Link): void {
    const [first] = link.pending.values();
    for (const pending of [...link.pending.values()]) {
      this.#drop(act, link, pending);
      if (pending.target === "manifest") continue;
      const story = this.#core.contents.get(pending.contentId)?.known?.story;
      story?.onFailed(pending.piece, `${link.host} stalled`);
    }
    this.#setAside(link);
    if (first !== undefined) this.#trust.onStalled(act, link.deviceId, first.contentId);
  }

  /** A peer will not answer for a piece; what it still offers then is a broken promise. */
  #onBrokenPromise(act: Act, link: Link, { contentId, piece }: Pending): void {
    const offers = link.asked.get(contentId)?.offered?.has(piece) === true;
    if (!offers) return;
    this.#withdraw(link, contentId, piece);
    this.#trust.onRefused(act, link.deviceId, { contentId, piece });
    const story = this.#core.contents.get(contentId)?.known?.story;
    story?.onFailed(piece, `${link.host} did not have it`);
  }

  #byPriority(): readonly ContentEntry[] {
    const active = [...this.#core.contents.values()].filter(isToFetch);
    return active.length < 2 ? active : active.sort((a, b) => a.priority - b.priority);
  }

  #fetchManifest(act: Act, link: Link, entry: ContentEntry, asked: Asked): void {
    if (entry.creating !== undefined || asked.manifestBytes === 0) return;
    if (act.nowUs < entry.retryAtUs) return;
    const known = entry.manifestAssembly;
    if (known !== undefined && this.#core.links.has(known.association)) return;
    const assembly = new Assembly(asked.manifestBytes);
    entry.manifestAssembly = { association: link.association, assembly };
    for (let at = 0; at < asked.manifestBytes; at += MANIFEST_REQUEST_BYTES) {
      const lengthBytes = Math.min(MANIFEST_REQUEST_BYTES, asked.manifestBytes - at);
      this.#ask(act, link, asked, { target: "manifest", piece: 0, baseBytes: at, lengthBytes });
    }
  }

  #fetchPieces(act: Act, link: Link, entry: ContentEntry, asked: Asked): void {
    const { known } = entry;
    const { offered } = asked;
    if (known === undefined || offered === undefined) return;
    const acrossLine = !this.#core.view.sameOffice(link.deviceId);
    if (acrossLine && !this.#mayBeLineSource(act.nowUs, link, entry)) return;
    const mostBytes = acrossLine ? PENDING_BYTES_MAX : windowBytes(link);
    while (
      link.pendingBytes < mostBytes &&
      this.#core.storingBytes + link.pendingBytes < STORING_BYTES_MAX
    ) {
      const piece = acrossLine ? known.picker.pickAcrossLine(offered) : known.picker.pick(offered);
      if (piece === undefined) return;
      known.picker.onAsked(piece);
      if (acrossLine && known.lineSource?.association !== link.association) {
        known.lineSource = { association: link.association, sinceUs: act.nowUs };
      }
      const source = deviceSource(this.#core, link);
      known.story.onAsked(piece, source, this.#reason(known, piece, source));
      const lengthBytes = known.manifest.pieces[piece]?.sizeBytes ?? 0;
      this.#ask(act, link, asked, { target: "piece", piece, baseBytes: 0, lengthBytes });
    }
  }

  /**
   * Whether a device of another office is the one that is asked for pieces of a content: whoever
   * was first, until that one has nothing more for us, brings nothing, or has had its time: another
   * one may be faster.
   */
  #mayBeLineSource(nowUs: number, link: Link, entry: ContentEntry): boolean {
    if (waitsForUrgent(this.#core, nowUs, link, entry)) return false;
    const current = entry.known?.lineSource;
    if (current === undefined || current.association === link.association) return true;
    const source = this.#core.links.get(current.association);
    if (source === undefined || source.pending.size === 0) return true;
    const brings = nowUs - source.progressAtUs < UNHEARD_US && this.#owes(source, entry);
    return !brings || nowUs - current.sinceUs > LINE_SOURCE_US;
  }

  /** Whether a device has been asked for something of a content, or could be. */
  #owes(link: Link, entry: ContentEntry): boolean {
    for (const { contentId } of link.pending.values())
      if (contentId === entry.contentId) return true;
    return this.#core.sources.offersMore(link, entry);
  }

  /** Why a piece is asked of a device, in words for {@link Peer.explain}. */
  #reason(known: Known, piece: number, { office }: PieceSource): string {
    const copies = known.picker.copiesOf(piece);
    if (copies === 1) return "one device in the office offered it";
    if (copies > 1) return `rarest first; ${copies} devices in the office offered it`;
    const parent = office !== undefined && office === this.#core.view.parentOffice;
    return `nobody in the office had it; ${parent ? "the parent office" : "office"} ${office} offered it`;
  }

  #ask(
    act: Act,
    link: Link,
    asked: Asked,
    range: Pick<Pending, "target" | "piece" | "baseBytes"> & { readonly lengthBytes: number },
  ): void {
    const requestId = this.#nextRequestId;
    this.#nextRequestId = (requestId + 1) >>> 0;
    const { lengthBytes, ...what } = range;
    const { contentId, handle } = asked;
    if (link.pending.size === 0) link.progressAtUs = act.nowUs;
    const assembly = new Assembly(lengthBytes);
    const askedAtUs = act.nowUs;
    link.pending.set(requestId, { requestId, contentId, ...what, assembly, askedAtUs });
    link.pendingBytes += lengthBytes;
    link.usedAtUs = act.nowUs;
    say(this.#core, act, link.association, {
      kind: "request",
      requestId,
      handle,
      target: what.target,
      piece: what.piece,
      offsetBytes: what.baseBytes,
      lengthBytes,
    });
  }

  #onComplete(act: Act, link: Link, entry: ContentEntry, pending: Pending): void {
    if (pending.target === "piece") {
      this.#core.storingBytes += pending.assembly.sizeBytes;
      this.#sources.set(`${entry.contentId} ${pending.piece}`, link.deviceId);
      act.outbox.storePiece(entry.contentId, pending.piece, pending.assembly.bytes);
      return;
    }
    const whole = entry.manifestAssembly;
    if (whole?.association !== link.association) return;
    whole.assembly.add(pending.baseBytes, pending.assembly.bytes, true);
    if (!whole.assembly.complete) return;
    entry.manifestAssembly = undefined;
    entry.creating = { signed: whole.assembly.bytes, association: link.association };
    act.outbox.createContent(entry.contentId, whole.assembly.bytes);
  }

  #withdraw(link: Link, contentId: ContentId, piece: number): void {
    const asked = link.asked.get(contentId);
    if (asked?.offered?.delete(piece) !== true) return;
    const sameOffice = this.#core.view.sameOffice(link.deviceId);
    if (sameOffice) this.#core.contents.get(contentId)?.known?.picker.onWithdrawn(piece);
  }

  /** Takes a request back, and lets others be asked. */
  #drop(act: Act, link: Link, pending: Pending): void {
    this.#release(link, pending);
    say(this.#core, act, link.association, { kind: "cancel", requestId: pending.requestId });
  }

  #release(link: Link, pending: Pending): void {
    this.#settle(link, pending);
    const entry = this.#core.contents.get(pending.contentId);
    if (pending.target === "piece") entry?.known?.picker.onSettled(pending.piece);
    else if (entry?.manifestAssembly?.association === link.association) {
      entry.manifestAssembly = undefined;
    }
  }

  #settle(link: Link, pending: Pending): void {
    link.pending.delete(pending.requestId);
    link.pendingBytes -= pending.assembly.sizeBytes;
  }
}

/** How much a device of our office is asked for at a time; one piece is always asked for. */
function windowBytes({ rate }: Link): number {
  return Math.min(PENDING_BYTES_MAX, Math.max(1, (rate * MATE_AHEAD_US) / SECOND));
}

/** Notes how fast a peer answers: from one answer to the next, or from the question. */
function measure(nowUs: number, link: Link, { assembly, askedAtUs }: Pending): void {
  const tookUs = Math.max(MS, nowUs - Math.max(askedAtUs, link.answeredAtUs));
  link.rate += ((assembly.sizeBytes * SECOND) / tookUs - link.rate) / RATE_SAMPLES;
  link.answeredAtUs = nowUs;
}
