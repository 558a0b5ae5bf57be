import { Bitset } from "../base/bitset.ts";
import type { ContentId } from "../base/ids.ts";
import { MIB, MS, SECOND } from "../base/units.ts";
import { type ContentEntry, isFetched, type Known } from "./content-entry.ts";
import type { Core } from "./core.ts";
import type { Link } from "./link.ts";

/** How much may be offered to all mates together and not be sent yet, where they are quick. */
const OFFERED_BYTES = 4 * MIB;

/** A mate that has an offer within this time of having had room for it gets more of them at once. */
const QUICK_US = 50 * MS;

/** An offer that its mate does not ask for goes to another one after this long. */
export const UNASKED_US: number = 5 * SECOND;

/** A piece that was sent and that nobody has announced goes to another mate after this long. */
export const UNPASSED_US: number = 5 * SECOND;

/** A mate that lacks something and has gained nothing for this long is told everything. */
export const STUCK_US: number = 3 * SECOND;

/** To whom a piece was offered that no mate holds yet. */
type Dealt = { readonly link: Link; sent: boolean; sinceUs: number };

/** What one mate knows of what we hold. */
type Shown = {
  readonly pieces: Bitset;
  /** How many offers it may have at a time that have not been sent. */
  window: number;
  /** How many offers it has had in all. */
  offers: number;
  /** How many pieces it held when it was last looked, and since when. */
  gained: { readonly count: number; readonly atUs: number } | undefined;
};

/** What of one content has been offered to whom. */
type Book = {
  /** Pieces that need not be offered: they have been, or a mate holds them. */
  readonly settled: Bitset;
  readonly dealt: Map<number, Dealt>;
  readonly shown: Map<Link, Shown>;
};

/** A piece that a mate is to be told of. */
export type Offer = { readonly link: Link; readonly piece: number };

/**
 * Staggered announcements: who brings a content into its office tells each mate of other pieces, and
 * sends each piece once. The mates get the rest from each other.
 *
 * ```text
 * held --room--> offered --asked for--> sent --announced by a mate--> settled
 *   ^               |                    |
 *   +- UNASKED_US --+---- UNPASSED_US ---+
 * ```
 *
 * Nobody depends on it: a mate that gains nothing for {@link STUCK_US} is told everything.
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
    const { succession, options, linkByDevice } = this.#core;
    if (entry.known === undefined) return false;
    if (succession.holder === options.deviceId) return true;
    if (entry.state !== "complete" || isFetched(entry)) return false;
    const holder = linkByDevice.get(succession.holder);
    return holder !== undefined && isServed(holder, entry.contentId);
  }

  /** What a peer may know of what is held; `undefined`: everything. */
  shownTo(link: Link, entry: ContentEntry): Bitset | undefined {
    const { view, succession } = this.#core;
    const { contentId, known } = entry;
    if (known === undefined || !view.sameOffice(link.deviceId)) return undefined;
    if (!this.staggers(entry) || link.deviceId === succession.holder) return undefined;
    const book = this.#books.get(contentId) ?? this.#begin(entry, known);
    const shown = book.shown.get(link) ?? newShown(new Bitset(book.settled.size));
    book.shown.set(link, shown);
    return shown.pieces;
  }

  /** Begins anew: the next who are told are told everything. */
  forget(entry: ContentEntry): void {
    this.#books.delete(entry.contentId);
  }

  /** Whether mates know less than everything though there is no reason for it any more. */
  isOver(entry: ContentEntry): boolean {
    return this.#books.has(entry.contentId) && !this.staggers(entry);
  }

  /** Offers what may be offered now; the mates are to be told of it. */
  deal(nowUs: number, entry: ContentEntry): readonly Offer[] {
    const book = this.#books.get(entry.contentId);
    const { known } = entry;
    if (book === undefined || known === undefined) return [];
    const offers: Offer[] = [];
    const { settled, dealt } = book;
    const mates = this.#matesWithRoom(book, known);
    for (
      let piece = known.held.nextBeside(0, settled, settled);
      piece !== undefined && mates.length > 0;
      piece = known.held.nextBeside(piece + 1, settled, settled)
    ) {
      settled.add(piece);
      if (known.picker.copiesOf(piece) > 0) continue;
      const mate = mates.reduce((best, other) => (isNextBefore(other, best) ? other : best));
      dealt.set(piece, { link: mate.link, sent: false, sinceUs: nowUs });
      mate.shown.pieces.add(piece);
      mate.bytes += known.manifest.pieces[piece]?.sizeBytes ?? 0;
      mate.shown.offers += 1;
      mate.offers += 1;
      offers.push({ link: mate.link, piece });
      if (!hasRoom(mate)) mates.splice(mates.indexOf(mate), 1);
    }
    return offers;
  }

  /** A piece has been sent to a peer. */
  onSent(nowUs: number, link: Link, entry: ContentEntry, piece: number): void {
    const book = this.#books.get(entry.contentId);
    const dealt = book?.dealt.get(piece);
    if (book === undefined || dealt?.link !== link || dealt.sent) return;
    const shown = book.shown.get(link);
    const quick = nowUs - dealt.sinceUs < QUICK_US;
    if (shown !== undefined) shown.window = quick ? shown.window + 1 : Math.ceil(shown.window / 2);
    dealt.sent = true;
    dealt.sinceUs = nowUs;
  }

  /** A mate holds a piece: the others have it from there. */
  onHeld(contentId: ContentId, piece: number): void {
    const book = this.#books.get(contentId);
    if (book === undefined || piece >= book.settled.size) return;
    book.dealt.delete(piece);
    book.settled.add(piece);
  }

  /** A mate is gone, and with it what it alone held or was to pass on. */
  onLinkDown(link: Link): void {
    for (const [contentId, { settled, dealt, shown }] of this.#books) {
      if (!shown.delete(link)) continue;
      for (const [piece, { link: mate }] of dealt) if (mate === link) dealt.delete(piece);
      const picker = this.#core.contents.get(contentId)?.known?.picker;
      for (let piece = 0; piece < settled.size; piece += 1) {
        if (!dealt.has(piece) && picker?.copiesOf(piece) === 0) settled.delete(piece);
      }
    }
  }

  /** Takes back what is not passed on; returns the mates that get on no more and now know all. */
  onTick(nowUs: number, entry: ContentEntry): readonly Link[] {
    const book = this.#books.get(entry.contentId);
    const { known } = entry;
    if (book === undefined || known === undefined) return [];
    this.#takeBack(nowUs, entry.contentId, book);
    const stuck: Link[] = [];
    for (const [link, shown] of book.shown) {
      const held = link.asked.get(entry.contentId)?.offered;
      const count = held?.count ?? 0;
      if (shown.gained?.count !== count) shown.gained = { count, atUs: nowUs };
      if (held?.full === true || nowUs - shown.gained.atUs < STUCK_US) continue;
      if (showAll(shown, known.held)) stuck.push(link);
    }
    return stuck;
  }

  /** Takes back what its mate does not ask for, unless it waits for us, or does not pass on. */
  #takeBack(nowUs: number, contentId: ContentId, { dealt, settled }: Book): void {
    for (const [piece, offer] of dealt) {
      if (!offer.sent && isWaitedFor(offer.link, contentId, piece)) offer.sinceUs = nowUs;
      if (nowUs - offer.sinceUs < (offer.sent ? UNPASSED_US : UNASKED_US)) continue;
      dealt.delete(piece);
      settled.delete(piece);
    }
  }

  /** Begins to tell little by little; who has been told everything so far knows that much. */
  #begin(entry: ContentEntry, known: Known): Book {
    const { size } = known.held;
    const book: Book = { settled: new Bitset(size), dealt: new Map(), shown: new Map() };
    this.#books.set(entry.contentId, book);
    const { view, links } = this.#core;
    for (const link of links.values()) {
      if (!view.sameOffice(link.deviceId) || !isServed(link, entry.contentId)) continue;
      const shown = newShown(new Bitset(size));
      showAll(shown, known.held);
      for (const piece of entry.unannounced) shown.pieces.delete(piece);
      showAll({ pieces: book.settled }, shown.pieces);
      book.shown.set(link, shown);
    }
    return book;
  }

  /** The mates that may be offered more, those first that have waited longest. */
  #matesWithRoom({ shown, dealt }: Book, { manifest, held }: Known): Mate[] {
    const share = OFFERED_BYTES / Math.max(1, shown.size);
    const mates = new Map<Link, Mate>();
    for (const [link, known] of shown) {
      if (known.pieces.count < held.size) {
        mates.set(link, { link, shown: known, share, offers: 0, bytes: 0 });
      }
    }
    for (const [piece, { link, sent }] of dealt) {
      const mate = mates.get(link);
      if (mate === undefined || sent) continue;
      mate.offers += 1;
      mate.bytes += manifest.pieces[piece]?.sizeBytes ?? 0;
    }
    return [...mates.values()].filter(hasRoom);
  }
}

/** A mate, and what it has been offered that is not sent yet. */
type Mate = {
  readonly link: Link;
  readonly shown: Shown;
  readonly share: number;
  offers: number;
  bytes: number;
};

function hasRoom({ offers, bytes, share, shown }: Mate): boolean {
  return offers === 0 || (offers < shown.window && bytes < share);
}

/** First is who has least to wait for; of equal ones who has had least to pass on. */
function isNextBefore(one: Mate, other: Mate): boolean {
  return (
    one.bytes < other.bytes || (one.bytes === other.bytes && one.shown.offers < other.shown.offers)
  );
}

function newShown(pieces: Bitset): Shown {
  return { pieces, window: 1, offers: 0, gained: undefined };
}

/** Adds all that is held; says whether anything was new. */
function showAll({ pieces }: Pick<Shown, "pieces">, held: Bitset): boolean {
  let fresh = false;
  for (let piece = 0; piece < held.size; piece += 1) {
    if (held.has(piece) && pieces.add(piece)) fresh = true;
  }
  return fresh;
}

function isServed({ served }: Link, contentId: ContentId): boolean {
  for (const known of served.values()) if (known === contentId) return true;
  return false;
}

/** Whether a peer's request for a piece waits for us. */
function isWaitedFor({ uploads }: Link, contentId: ContentId, piece: number): boolean {
  return uploads.some((upload) => upload.piece === piece && upload.contentId === contentId);
}
