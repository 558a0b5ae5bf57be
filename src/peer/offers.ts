import { Bitset } from "../base/bitset.ts";
import type { ContentId } from "../base/ids.ts";
import { MIB, SECOND } from "../base/units.ts";
import { type ContentEntry, isFetched, isResting, type Known } from "./content-entry.ts";
import type { Core } from "./core.ts";
import type { Link } from "./link.ts";

/** How much may wait for mates, offered or asked for: more would arrive later at each of them. */
export const WAITING_BYTES: number = 2 * MIB;

/** An offer that its mate does not ask for goes to another one after this long. */
export const UNASKED_US: number = 2 * SECOND;

/** A piece that was sent and that no mate has announced goes to another one after this long. */
export const UNPASSED_US: number = 5 * SECOND;

/** Where nothing was new for this long, mates are offered what they lack. */
export const QUIET_US: number = 2 * SECOND;

/** A mate with which so many offers in a row came to nothing is told everything. */
export const MISSES_MAX = 8;

/** So is one that has not said for this long what it holds. */
export const MUTE_US: number = 5 * SECOND;

/** An offer of which nothing has been heard. */
type Offer = { readonly link: Link; sent: boolean; sinceUs: number };

/** What is known of a peer that has opened a content. */
type Mate = {
  readonly link: Link;
  /** What it has been offered and has not been sent. */
  offeredBytes: number;
  /** How many offers it has had. */
  offers: number;
  /** How many of them came to nothing since it last announced a piece. */
  misses: number;
  /** Since when it has not said what it holds. */
  muteSinceUs: number;
  /** Whether it is told everything, because nothing is heard of it. */
  toldAll: boolean;
};

/** What of one content has been offered to whom. */
type Book = {
  /** Pieces that are not new: a mate has been offered them, or holds them. */
  readonly settled: Bitset;
  readonly offers: Map<number, Offer>;
  readonly mates: Map<Link, Mate>;
  /** Those for whom something waits. */
  readonly busy: Set<Mate>;
  /** When there was last something new to offer. */
  newsAtUs: number;
  /** Whether there is more to offer as soon as less waits. */
  more: boolean;
};

/**
 * Staggered announcements (SW38): who brings a content into its office offers each piece to one
 * mate, and sends it once. The mates get the rest from each other.
 *
 * ```text
 * new --room--> offered --asked for--> sent --announced by a mate--> passed on
 *  ^               |                    |
 *  +-- UNASKED_US -+---- UNPASSED_US ---+
 * ```
 *
 * Whom to offer what follows from what mates say they hold, never from what they have been told.
 * So nobody depends on an offer (SW39): where it is quiet, a mate is offered what it lacks, and one
 * of which nothing is heard is told everything.
 */
export class Offers {
  readonly #core: Core;
  readonly #books = new Map<ContentId, Book>();

  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * Whether mates are told of a content little by little. Only where nobody else in the office
   * fetches from outside, who would fetch what he is not told of: the RVP does so, and, where the
   * RVP is told everything, who has brought a content without having fetched it.
   */
  staggers(entry: ContentEntry): boolean {
    const { succession, options, linkByDevice, shares } = this.#core;
    if (entry.known === undefined || !shares) return false;
    if (succession.holder === options.deviceId) return !isResting(entry);
    const holder = linkByDevice.get(succession.holder);
    if (holder === undefined || !this.isWatched(holder, entry)) return false;
    const asked = holder.asked.get(entry.contentId);
    // In place of one that fetches nothing now another one does.
    const fetches = asked?.answer === "recognised" && !asked.resting;
    return fetches && isServed(holder, entry.contentId);
  }

  /** Whether it matters to whom a content is offered that a peer fetches it: it is the RVP. */
  isWatched(link: Link, entry: ContentEntry): boolean {
    const { deviceId } = link;
    const { succession, options } = this.#core;
    if (deviceId !== succession.holder || deviceId === options.deviceId) return false;
    return entry.state === "complete" && !isFetched(entry);
  }

  /** Whether a peer is told of every piece. */
  isToldAll(link: Link, entry: ContentEntry): boolean {
    const { view, succession } = this.#core;
    if (!view.sameOffice(link.deviceId) || link.deviceId === succession.holder) return true;
    if (!this.staggers(entry)) return true;
    return this.#books.get(entry.contentId)?.mates.get(link)?.toldAll === true;
  }

  /** A peer has opened a content: what it may know of what is held. */
  onOpened(nowUs: number, link: Link, entry: ContentEntry): Bitset | undefined {
    const { known } = entry;
    if (known === undefined || !this.staggers(entry)) return known?.held;
    const book = this.#bookOf(nowUs, entry, known);
    if (!book.mates.has(link)) book.mates.set(link, newMate(nowUs, link));
    if (this.isToldAll(link, entry)) return known.held;
    const shown = new Bitset(known.held.size);
    for (const [piece, offer] of book.offers) if (offer.link === link) shown.add(piece);
    return shown;
  }

  /** What is held has changed otherwise than by gaining pieces. */
  forget({ contentId }: ContentEntry): void {
    this.#books.delete(contentId);
  }

  /** Whether mates are told of a content little by little, or have been till now. */
  isBegun({ contentId }: ContentEntry): boolean {
    return this.#books.has(contentId);
  }

  /** Whether it matters what a peer holds: because it is offered what it lacks. */
  isMate(link: Link, entry: ContentEntry): boolean {
    const isKnown = this.#books.get(entry.contentId)?.mates.has(link) === true;
    return isKnown && !this.isToldAll(link, entry);
  }

  /** Whether mates know less than everything though there is no reason for it any more. */
  isOver(entry: ContentEntry): boolean {
    return this.#books.has(entry.contentId) && !this.staggers(entry);
  }

  /** Whether more is to be offered as soon as less waits. */
  isWaiting({ contentId }: ContentEntry): boolean {
    return this.#books.get(contentId)?.more === true;
  }

  /** Offers what may be offered now; the mates are to be told of these pieces. */
  deal(nowUs: number, entry: ContentEntry): ReadonlyMap<Link, readonly number[]> {
    const dealt = new Map<Link, number[]>();
    const { known } = entry;
    const book = this.#books.get(entry.contentId);
    if (book === undefined || known === undefined) return dealt;
    let room = WAITING_BYTES - this.#waitingBytes(book);
    for (;;) {
      book.more = room <= 0;
      const next = book.more ? undefined : this.#next(nowUs, book, entry);
      if (next === undefined) break;
      const { mate, piece } = next;
      const sizeBytes = known.manifest.pieces[piece]?.sizeBytes ?? 0;
      book.settled.add(piece);
      book.offers.set(piece, { link: mate.link, sent: false, sinceUs: nowUs });
      book.busy.add(mate);
      mate.offeredBytes += sizeBytes;
      mate.offers += 1;
      room -= sizeBytes;
      const pieces = dealt.get(mate.link) ?? [];
      dealt.set(mate.link, pieces);
      pieces.push(piece);
    }
    return dealt;
  }

  /** A piece has been sent to a peer. */
  onSent(nowUs: number, link: Link, { contentId, known }: ContentEntry, piece: number): void {
    const book = this.#books.get(contentId);
    const mate = book?.mates.get(link);
    if (book === undefined || mate === undefined) return;
    book.busy.add(mate);
    const offer = book.offers.get(piece);
    if (offer?.link !== link || offer.sent) return;
    mate.offeredBytes -= known?.manifest.pieces[piece]?.sizeBytes ?? 0;
    offer.sent = true;
    offer.sinceUs = nowUs;
  }

  /** A mate holds a piece: the others have it from there. */
  onHeld(link: Link, { contentId, known }: ContentEntry, piece: number): void {
    const book = this.#books.get(contentId);
    if (book === undefined || known === undefined || piece >= book.settled.size) return;
    this.#end(book, known, piece);
    book.settled.add(piece);
    const mate = book.mates.get(link);
    if (mate !== undefined) mate.misses = 0;
  }

  /** A mate is gone, and with it what it alone held or was to pass on. */
  onLinkDown(link: Link): void {
    for (const [contentId, { mates, busy, offers, settled }] of this.#books) {
      const mate = mates.get(link);
      if (mate === undefined) continue;
      mates.delete(link);
      busy.delete(mate);
      for (const [piece, offer] of offers) if (offer.link === link) offers.delete(piece);
      const picker = this.#core.contents.get(contentId)?.known?.picker;
      for (let piece = 0; piece < settled.size; piece += 1) {
        if (!offers.has(piece) && picker?.copiesOf(piece) === 0) settled.delete(piece);
      }
    }
  }

  /** Takes back what has come to nothing. Returns those of whom nothing is heard: they may know all. */
  onTick(nowUs: number, entry: ContentEntry): readonly Link[] {
    const { contentId, known } = entry;
    const book = this.#books.get(contentId);
    if (book === undefined || known === undefined) return [];
    for (const [piece, offer] of book.offers) {
      if (!this.#isVain(nowUs, offer, contentId, piece)) continue;
      this.#end(book, known, piece);
      if (known.picker.copiesOf(piece) === 0) book.settled.delete(piece);
      const mate = book.mates.get(offer.link);
      if (mate !== undefined) mate.misses += 1;
    }
    return this.#newlyMute(nowUs, book, entry);
  }

  /** Looks who says what it holds. Returns those of whom nothing is heard any more. */
  #newlyMute(nowUs: number, { mates }: Book, entry: ContentEntry): readonly Link[] {
    const mute: Link[] = [];
    for (const mate of mates.values()) {
      const { link, misses } = mate;
      if (link.asked.get(entry.contentId)?.offered !== undefined) mate.muteSinceUs = nowUs;
      const isMute = misses >= MISSES_MAX || nowUs - mate.muteSinceUs >= MUTE_US;
      if (isMute && !this.isToldAll(link, entry)) mute.push(link);
      mate.toldAll = isMute;
    }
    return mute;
  }

  /** Whether an offer has come to nothing. A mate that waits for us has more time. */
  #isVain(nowUs: number, offer: Offer, contentId: ContentId, piece: number): boolean {
    const { link, sent } = offer;
    const waits = sent ? this.#aheadOf(link) > 0 : isWaitedFor(link, contentId, piece);
    if (waits) offer.sinceUs = nowUs;
    return nowUs - offer.sinceUs >= (sent ? UNPASSED_US : UNASKED_US);
  }

  /** Which piece is offered next, and to whom: a new one, or after a while what a mate lacks. */
  #next(
    nowUs: number,
    book: Book,
    entry: ContentEntry,
  ): { readonly mate: Mate; readonly piece: number } | undefined {
    const { known } = entry;
    const piece = known && nextNew(book, known);
    if (piece !== undefined) book.newsAtUs = nowUs;
    else if (nowUs - book.newsAtUs < QUIET_US) return undefined;
    let best: { readonly mate: Mate; readonly piece: number } | undefined;
    for (const mate of book.mates.values()) {
      if (best !== undefined && !this.#isBefore(mate, best.mate)) continue;
      const wanted = this.#wantedBy(mate, book, { entry, piece });
      if (wanted !== undefined) best = { mate, piece: wanted };
    }
    return best;
  }

  /** What a mate would be offered: a new piece, or else what it lacks. */
  #wantedBy(
    { link }: Mate,
    book: Book,
    { entry, piece }: { readonly entry: ContentEntry; readonly piece: number | undefined },
  ): number | undefined {
    const asked = link.asked.get(entry.contentId);
    const offered = asked?.resting === true ? undefined : asked?.offered;
    if (entry.known === undefined || offered === undefined || offered.full) return undefined;
    if (this.isToldAll(link, entry)) return undefined;
    return piece ?? nextLacking(book, entry.known, offered);
  }

  /** First is with whom offers come to something, then who has least to wait for. */
  #isBefore(one: Mate, other: Mate): boolean {
    if (one.misses !== other.misses) return one.misses < other.misses;
    const bytes = this.#loadOf(one) - this.#loadOf(other);
    return bytes < 0 || (bytes === 0 && one.offers < other.offers);
  }

  /** How much waits for mates. */
  #waitingBytes({ busy }: Book): number {
    let bytes = 0;
    for (const mate of busy) {
      const load = this.#loadOf(mate);
      if (load === 0) busy.delete(mate);
      bytes += load;
    }
    return bytes;
  }

  #loadOf({ link, offeredBytes }: Mate): number {
    return offeredBytes + this.#aheadOf(link);
  }

  #aheadOf(link: Link): number {
    return this.#core.endpoint.queuedBytes(link.association) + link.readingBytes;
  }

  /** An offer is over. */
  #end(book: Book, known: Known, piece: number): void {
    const offer = book.offers.get(piece);
    if (offer === undefined) return;
    book.offers.delete(piece);
    const mate = book.mates.get(offer.link);
    if (mate === undefined || offer.sent) return;
    mate.offeredBytes -= known.manifest.pieces[piece]?.sizeBytes ?? 0;
  }

  /** What has been offered so far; where there is nothing, begins with all who have opened it. */
  #bookOf(nowUs: number, entry: ContentEntry, known: Known): Book {
    const begun = this.#books.get(entry.contentId);
    if (begun !== undefined) return begun;
    const book: Book = {
      settled: new Bitset(known.held.size),
      offers: new Map(),
      mates: new Map(),
      busy: new Set(),
      newsAtUs: 0,
      more: false,
    };
    this.#books.set(entry.contentId, book);
    for (const link of this.#core.links.values()) {
      if (isServed(link, entry.contentId)) book.mates.set(link, newMate(nowUs, link));
    }
    return book;
  }
}

/** The first piece that is held, that no mate holds and that none has been offered. */
function nextNew({ settled }: Book, { held, picker }: Known): number | undefined {
  let piece = held.nextBeside(0, settled, settled);
  while (piece !== undefined && picker.copiesOf(piece) > 0) {
    settled.add(piece);
    piece = held.nextBeside(piece + 1, settled, settled);
  }
  return piece;
}

/** The first piece that is held, that a mate lacks, and that nobody is offered. */
function nextLacking({ offers }: Book, { held }: Known, offered: Bitset): number | undefined {
  let piece = held.nextBeside(0, offered, offered);
  while (piece !== undefined && offers.has(piece)) {
    piece = held.nextBeside(piece + 1, offered, offered);
  }
  return piece;
}

function newMate(nowUs: number, link: Link): Mate {
  const counts = { offeredBytes: 0, offers: 0, misses: 0 };
  return { link, ...counts, muteSinceUs: nowUs, toldAll: false };
}

function isServed({ served }: Link, contentId: ContentId): boolean {
  for (const known of served.values()) if (known === contentId) return true;
  return false;
}

/** Whether a peer's request for a piece waits for us. */
function isWaitedFor({ uploads }: Link, contentId: ContentId, piece: number): boolean {
  return uploads.some((upload) => upload.piece === piece && upload.contentId === contentId);
}
