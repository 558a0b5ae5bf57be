import { Bitset } from "../base/bitset.ts";
import { equalBytes } from "../base/bytes.ts";
import type { ContentId, DeviceId } from "../base/ids.ts";
import type { Due } from "../base/machine.ts";
import { MS } from "../base/units.ts";
import { contentTag } from "../swarm/content-tag.ts";
import type { PiecePicker } from "../swarm/piece-picker.ts";
import { type Holds, MANIFEST_BYTES_MAX } from "../wire/messages.ts";
import { type ContentEntry, isResting } from "./content-entry.ts";
import { type Act, type Core, SERVED_MAX, say } from "./core.ts";
import type { Downloads } from "./downloads.ts";
import type { Asked, Link } from "./link.ts";
import type { Offers } from "./offers.ts";
import type { Trust } from "./trust.ts";

/** Most pieces in one announcement. */
const GAINED_MAX = 4_096;

/** How long gained pieces wait for others to be announced together. */
const ANNOUNCE_US = 10 * MS;

/** The same where a mate beside the RVP has offered them: nobody waits for this. */
const ANNOUNCE_KNOWN_US = 500 * MS;

/** What is said on links about who holds what: asking, answering, announcing. */
export class Conversations {
  readonly #core: Core;
  readonly #downloads: Downloads;
  readonly #trust: Trust;
  readonly #offers: Offers;
  /** When what is news is announced, and when the rest. */
  #newsAtUs = Number.POSITIVE_INFINITY;
  #announceAtUs = Number.POSITIVE_INFINITY;

  constructor(core: Core, downloads: Downloads, trust: Trust, offers: Offers) {
    this.#core = core;
    this.#offers = offers;
    this.#downloads = downloads;
    this.#trust = trust;
  }

  /** When {@link announceDue} must be called. */
  due(): Due {
    return { atUs: Math.min(this.#newsAtUs, this.#announceAtUs), reason: "announcement" };
  }

  /** Sees to it that what has been gained is announced in time. */
  planAnnouncement(act: Act): void {
    for (const entry of this.#core.contents.values()) {
      const { unannounced } = entry;
      if (unannounced.length === 0) continue;
      this.#announceAtUs = Math.min(this.#announceAtUs, act.nowUs + ANNOUNCE_KNOWN_US);
      if (this.#newsAtUs < Number.POSITIVE_INFINITY) continue;
      if (unannounced.some((piece) => this.#isNews(entry, piece))) {
        this.#newsAtUs = act.nowUs + ANNOUNCE_US;
      }
    }
  }

  /** Announces what has been gained, where it is time. */
  announceDue(act: Act): void {
    const all = this.#announceAtUs <= act.nowUs;
    if (!all && this.#newsAtUs > act.nowUs) return;
    this.#newsAtUs = Number.POSITIVE_INFINITY;
    if (all) this.#announceAtUs = Number.POSITIVE_INFINITY;
    for (const entry of this.#core.contents.values()) {
      const { unannounced } = entry;
      if (unannounced.length === 0) continue;
      const gained = unannounced.splice(0);
      const isDue = (piece: number) => all || this.#isNews(entry, piece);
      unannounced.push(...gained.filter((piece) => !isDue(piece)));
      this.#announce(act, entry, gained.filter(isDue));
    }
  }

  /** Whether nobody in the office has offered a piece but the RVP, which sends it once if it can. */
  #isNews({ contentId, known }: ContentEntry, piece: number): boolean {
    const copies = known?.picker.copiesOf(piece) ?? 0;
    if (copies !== 1) return copies === 0;
    const holder = this.#core.linkByDevice.get(this.#core.succession.holder);
    return holder?.asked.get(contentId)?.offered?.has(piece) === true;
  }

  /** Asks those anew whose offers were set aside and who may be asked again. */
  onTick(act: Act): void {
    for (const link of this.#core.links.values()) {
      if (!link.setAside || act.nowUs < link.restUntilUs) continue;
      if (!this.#trust.mayAsk(act.nowUs, link.deviceId)) continue;
      link.setAside = false;
      this.openAll(act, link);
    }
    for (const entry of this.#core.contents.values()) {
      const mute = this.#offers.onTick(act.nowUs, entry);
      for (const link of mute) this.#restateTo(act, link, entry);
      this.deal(act, entry);
    }
  }

  /** Offers mates what they may be offered now. */
  deal(act: Act, entry: ContentEntry): void {
    if (this.#offers.isOver(entry)) {
      this.#offers.forget(entry);
      for (const link of this.#core.links.values()) this.#restateTo(act, link, entry);
    }
    for (const [link, pieces] of this.#offers.deal(act.nowUs, entry)) {
      this.#tell(act, link, entry, pieces);
    }
  }

  /** Another device fetches for the office now: it is told everything, and we tell all if it is not us. */
  onHolder(act: Act): void {
    for (const entry of this.#core.contents.values()) {
      const link = this.#core.linkByDevice.get(this.#core.succession.holder);
      if (link !== undefined && this.#offers.isBegun(entry)) this.#restateTo(act, link, entry);
      this.deal(act, entry);
    }
  }

  /** Less waits to be sent than before. */
  dealOn(act: Act): void {
    for (const entry of this.#core.contents.values()) {
      if (this.#offers.isWaiting(entry)) this.deal(act, entry);
    }
  }

  /** Asks a peer about every content of which this device is to know what it holds. */
  openAll(act: Act, link: Link): void {
    for (const entry of this.#core.contents.values()) {
      if (this.#isToOpen(link, entry)) this.open(act, link, entry.contentId);
    }
  }

  /** Whether it matters what a peer holds: to this device, or to whom it offers what. */
  #isToOpen(link: Link, entry: ContentEntry): boolean {
    if (this.#core.alone) return false;
    if (entry.wanted && entry.state !== "complete") return true;
    return this.#offers.isMate(link, entry) || this.#offers.isWatched(link, entry);
  }

  /** Asks a peer what it holds of a content, for the first time or anew. */
  open(act: Act, link: Link, contentId: ContentId): void {
    const known = link.asked.get(contentId);
    const asked: Asked = known ?? {
      handle: link.nextHandle++,
      contentId,
      answer: "pending",
      manifestBytes: 0,
      offered: undefined,
      resting: false,
    };
    link.asked.set(contentId, asked);
    link.askedByHandle.set(asked.handle, asked);
    link.usedAtUs = act.nowUs;
    const way = { asker: this.#core.options.deviceId, answerer: link.deviceId };
    const tag = contentTag(this.#core.options.crypto, contentId, way);
    say(this.#core, act, link.association, { kind: "open", handle: asked.handle, tag });
  }

  /** Answers a peer that asks about a content. */
  onOpen(act: Act, link: Link, handle: number, tag: Uint8Array): void {
    link.usedAtUs = act.nowUs;
    const contentId = this.#core.alone ? undefined : this.#recognise(link.deviceId, tag);
    const full = link.served.size >= SERVED_MAX && !link.served.has(handle);
    if (contentId === undefined || full || this.#core.shunned.has(link.deviceId)) {
      say(this.#core, act, link.association, { kind: "unknown", handle });
      return;
    }
    link.served.set(handle, contentId);
    const entry = this.#core.entry(contentId);
    say(this.#core, act, link.association, this.#holds(act, link, { handle, entry }));
    // Whoever asks about a content may be worth asking about it.
    const asked = link.asked.get(contentId);
    // One that recognises it tells us of itself when it has more: asking again would never end.
    const silent = asked === undefined || asked.answer === "unknown";
    if (silent && this.#isToOpen(link, entry)) this.open(act, link, contentId);
  }

  /** A peer says what it holds of a content we asked about. */
  onHolds(act: Act, link: Link, holds: Holds): void {
    const asked = link.askedByHandle.get(holds.handle);
    if (asked === undefined) return;
    this.#downloads.forgetOffers(link, asked);
    const known = this.#core.contents.get(asked.contentId)?.known;
    const offered = known && Bitset.fromBytes(known.held.size, holds.pieces);
    this.#trust.onRestated(link, asked.contentId, offered);
    // Whoever is not believed is not waited for either.
    const trusted = this.#trust.trusts(link.deviceId);
    asked.answer = trusted ? "recognised" : "unknown";
    asked.resting = holds.resting === true;
    asked.manifestBytes = trusted ? Math.min(holds.manifestBytes, MANIFEST_BYTES_MAX) : 0;
    if (link.setAside) return;
    if (known !== undefined && offered !== undefined && asked.manifestBytes > 0) {
      this.#take(link, asked, { picker: known.picker, offered });
    }
    this.#downloads.fill(act, link);
    const entry = this.#core.contents.get(asked.contentId);
    if (entry !== undefined) this.deal(act, entry);
  }

  /** A peer has gained pieces. */
  onGained(act: Act, link: Link, handle: number, pieces: readonly number[]): void {
    const asked = link.askedByHandle.get(handle);
    const entry = asked && this.#core.contents.get(asked.contentId);
    const known = entry?.known;
    if (asked?.offered === undefined || entry === undefined || known === undefined) return;
    const sameOffice = this.#core.view.sameOffice(link.deviceId);
    for (const piece of pieces) {
      if (piece >= asked.offered.size || !asked.offered.add(piece)) continue;
      if (!sameOffice) continue;
      known.picker.onOffered(piece);
      this.#offers.onHeld(link, entry, piece);
    }
    this.#downloads.fill(act, link);
  }

  /** A peer knows nothing of a content: it is not asked again until it asks us. */
  onUnknown(link: Link, handle: number): void {
    const asked = link.askedByHandle.get(handle);
    if (asked === undefined) return;
    this.#downloads.forgetOffers(link, asked);
    this.#trust.onRestated(link, asked.contentId, undefined);
    asked.answer = "unknown";
    asked.manifestBytes = 0;
  }

  /** Tells all who asked about a content what it holds now, and asks them anew where we learnt more. */
  restate(act: Act, entry: ContentEntry): void {
    this.#tellHolds(act, entry);
    if (!entry.wanted || entry.state !== "downloading") return;
    for (const link of this.#core.links.values()) this.open(act, link, entry.contentId);
  }

  /** Tells all who asked about a content whether they are to wait for more of it from us. */
  sayWhetherResting(act: Act, entry: ContentEntry): void {
    if (entry.restingSaid === isResting(entry)) return;
    this.#tellHolds(act, entry);
  }

  #tellHolds(act: Act, entry: ContentEntry): void {
    entry.unannounced.length = 0;
    entry.restingSaid = isResting(entry);
    this.#offers.forget(entry);
    for (const link of this.#core.links.values()) this.#restateTo(act, link, entry);
    this.deal(act, entry);
  }

  #restateTo(act: Act, link: Link, entry: ContentEntry): void {
    for (const [handle, contentId] of link.served) {
      if (contentId !== entry.contentId) continue;
      say(this.#core, act, link.association, this.#holds(act, link, { handle, entry }));
      if (!link.asked.has(contentId) && this.#isToOpen(link, entry)) {
        this.open(act, link, contentId);
      }
    }
  }

  /** Tells all who asked about a content which pieces it has gained. */
  #announce(act: Act, entry: ContentEntry, pieces: readonly number[]): void {
    for (let at = 0; at < pieces.length; at += GAINED_MAX) {
      const some = pieces.slice(at, at + GAINED_MAX);
      for (const link of this.#core.links.values()) {
        if (this.#offers.isToldAll(link, entry)) this.#tell(act, link, entry, some);
      }
    }
    this.deal(act, entry);
  }

  #tell(act: Act, link: Link, entry: ContentEntry, pieces: readonly number[]): void {
    for (const [handle, contentId] of link.served) {
      if (contentId !== entry.contentId) continue;
      say(this.#core, act, link.association, { kind: "gained", handle, pieces });
    }
  }

  #take(
    link: Link,
    asked: Asked,
    { picker, offered }: { readonly picker: PiecePicker; readonly offered: Bitset },
  ): void {
    asked.offered = offered;
    if (!this.#core.view.sameOffice(link.deviceId)) return;
    for (let piece = 0; piece < offered.size; piece += 1) {
      if (offered.has(piece)) picker.onOffered(piece);
    }
  }

  /** What we hold, as a peer is told it. */
  #holds(
    { nowUs }: Act,
    link: Link,
    { handle, entry }: { readonly handle: number; readonly entry: ContentEntry },
  ): Holds {
    const shared = this.#core.shares ? entry.known : undefined;
    const shown = shared && this.#offers.onOpened(nowUs, link, entry);
    return {
      kind: "holds",
      handle,
      manifestBytes: shared?.signed.length ?? 0,
      pieces: shown?.toBytes() ?? new Uint8Array(0),
      ...(isResting(entry) ? { resting: true } : {}),
    };
  }

  /** The content that a tag stands for, among those this device holds or is to have. */
  #recognise(asker: DeviceId, tag: Uint8Array): ContentId | undefined {
    const way = { asker, answerer: this.#core.options.deviceId };
    for (const { contentId, known, wanted, evicted, state } of this.#core.contents.values()) {
      if (known === undefined && !wanted) continue;
      // One who waits for what has been evicted here would wait for ever.
      if (evicted && state === "complete") continue;
      if (equalBytes(contentTag(this.#core.options.crypto, contentId, way), tag)) return contentId;
    }
    return undefined;
  }
}
