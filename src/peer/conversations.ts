import { Bitset } from "../base/bitset.ts";
import { equalBytes } from "../base/bytes.ts";
import type { ContentId, DeviceId } from "../base/ids.ts";
import type { Due } from "../base/machine.ts";
import { MS } from "../base/units.ts";
import { contentTag } from "../swarm/content-tag.ts";
import type { PiecePicker } from "../swarm/piece-picker.ts";
import { type Holds, MANIFEST_BYTES_MAX, type Message } from "../wire/messages.ts";
import type { ContentEntry } from "./content-entry.ts";
import { type Act, type Core, SERVED_MAX, say } from "./core.ts";
import type { Downloads } from "./downloads.ts";
import type { Asked, Link } from "./link.ts";
import type { Trust } from "./trust.ts";

/** Most pieces in one announcement. */
const GAINED_MAX = 4_096;

/** How long gained pieces wait for others to be announced together. */
const ANNOUNCE_US = 10 * MS;

/** The same where others in the office have offered all of them: nobody waits for this news. */
const ANNOUNCE_KNOWN_US = 500 * MS;

/** What is said on links about who holds what: asking, answering, announcing. */
export class Conversations {
  readonly #core: Core;
  readonly #downloads: Downloads;
  readonly #trust: Trust;
  #announceAtUs = Number.POSITIVE_INFINITY;

  constructor(core: Core, downloads: Downloads, trust: Trust) {
    this.#core = core;
    this.#downloads = downloads;
    this.#trust = trust;
  }

  /** When {@link announceDue} must be called. */
  due(): Due {
    return { atUs: this.#announceAtUs, reason: "announcement" };
  }

  /** Sees to it that what has been gained is announced in time. */
  planAnnouncement(act: Act): void {
    for (const { unannounced, known } of this.#core.contents.values()) {
      if (unannounced.length === 0) continue;
      const isNews = unannounced.some((piece) => known?.picker.copiesOf(piece) === 0);
      const atUs = act.nowUs + (isNews ? ANNOUNCE_US : ANNOUNCE_KNOWN_US);
      this.#announceAtUs = Math.min(this.#announceAtUs, atUs);
    }
  }

  /** Announces what has been gained, where it is time. */
  announceDue(act: Act): void {
    if (this.#announceAtUs > act.nowUs) return;
    this.#announceAtUs = Number.POSITIVE_INFINITY;
    for (const entry of this.#core.contents.values()) {
      if (entry.unannounced.length > 0) this.#announce(act, entry);
    }
  }

  /** Asks those anew whose offers were set aside and who may be asked again. */
  onTick(act: Act): void {
    for (const link of this.#core.links.values()) {
      if (!link.setAside || act.nowUs < link.restUntilUs) continue;
      if (!this.#trust.mayAsk(act.nowUs, link.deviceId)) continue;
      link.setAside = false;
      this.openAll(act, link);
    }
  }

  /** Asks a peer about every content that this device is to have and has not. */
  openAll(act: Act, link: Link): void {
    for (const entry of this.#core.contents.values()) {
      if (entry.wanted && entry.state !== "complete") this.open(act, link, entry.contentId);
    }
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
    const contentId = this.#recognise(link.deviceId, tag);
    const full = link.served.size >= SERVED_MAX && !link.served.has(handle);
    if (contentId === undefined || full || this.#core.shunned.has(link.deviceId)) {
      say(this.#core, act, link.association, { kind: "unknown", handle });
      return;
    }
    link.served.set(handle, contentId);
    const entry = this.#core.entry(contentId);
    say(this.#core, act, link.association, this.#holds(handle, entry));
    // Whoever asks about a content may be worth asking about it.
    const asked = link.asked.get(contentId);
    // One that recognises it tells us of itself when it has more: asking again would never end.
    const silent = asked === undefined || asked.answer === "unknown";
    if (entry.wanted && entry.state !== "complete" && silent) this.open(act, link, contentId);
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
    asked.manifestBytes = trusted ? Math.min(holds.manifestBytes, MANIFEST_BYTES_MAX) : 0;
    if (link.setAside) return;
    if (known !== undefined && offered !== undefined && asked.manifestBytes > 0) {
      this.#take(link, asked, { picker: known.picker, offered });
    }
    this.#downloads.fill(act, link);
  }

  /** A peer has gained pieces. */
  onGained(act: Act, link: Link, handle: number, pieces: readonly number[]): void {
    const asked = link.askedByHandle.get(handle);
    const known = asked && this.#core.contents.get(asked.contentId)?.known;
    if (asked?.offered === undefined || known === undefined) return;
    const sameOffice = this.#core.view.sameOffice(link.deviceId);
    for (const piece of pieces) {
      if (piece >= asked.offered.size || !asked.offered.add(piece)) continue;
      if (sameOffice) known.picker.onOffered(piece);
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
    entry.unannounced.length = 0;
    for (const link of this.#core.links.values()) {
      for (const [handle, contentId] of link.served) {
        if (contentId !== entry.contentId) continue;
        say(this.#core, act, link.association, this.#holds(handle, entry));
      }
      if (entry.wanted && entry.state === "downloading") this.open(act, link, entry.contentId);
    }
  }

  /** Tells all who asked about a content which pieces it has gained. */
  #announce(act: Act, entry: ContentEntry): void {
    const pieces = entry.unannounced.splice(0);
    for (let at = 0; at < pieces.length; at += GAINED_MAX) {
      const some = pieces.slice(at, at + GAINED_MAX);
      for (const link of this.#core.links.values()) {
        for (const [handle, contentId] of link.served) {
          if (contentId !== entry.contentId) continue;
          const gained: Message = { kind: "gained", handle, pieces: some };
          say(this.#core, act, link.association, gained);
        }
      }
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

  /** What we hold, as a peer is told it. Nobody shares in a VPN office. */
  #holds(handle: number, entry: ContentEntry): Holds {
    const shared = this.#core.view.officeType === "vpn" ? undefined : entry.known;
    return {
      kind: "holds",
      handle,
      manifestBytes: shared?.signed.length ?? 0,
      pieces: shared?.held.toBytes() ?? new Uint8Array(0),
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
