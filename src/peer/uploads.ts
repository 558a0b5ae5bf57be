import { Bitset } from "../base/bitset.ts";
import { KIB, MIB, SECOND } from "../base/units.ts";
import { count } from "../swarm/ledger.ts";
import { compareCandidates, NO_FACTS } from "../topology/election.ts";
import type { RefusalReason, Request } from "../wire/messages.ts";
import { type Act, type Core, say, UPLOADS_MAX } from "./core.ts";
import type { Link, Upload } from "./link.ts";
import type { Offers } from "./offers.ts";
import type { Rechecks } from "./rechecks.ts";

/** How much is read ahead of what the association has sent. */
const AHEAD_BYTES = MIB;

/** How much is read ahead for all associations together: the first in order has it first. */
export const AHEAD_ALL_BYTES: number = 32 * MIB;

/** Who got nothing of us for so long, because others came first, is told that we are busy. */
export const PASSED_OVER_US: number = 5 * SECOND;

/** Most bytes that one request may ask for: the largest piece, or a part of a manifest. */
const REQUEST_BYTES_MAX = MIB;

/** The index that stands for a manifest in an upload. */
const MANIFEST = -1;

/**
 * Serving: answers requests with what is held and verified, at the pace the associations take.
 *
 * Where more is asked for than is read ahead for all together, the order of row B8 says who comes
 * first: the more urgent content, then who asks across a line, which is the bottleneck, then the
 * better candidate for rendezvous point.
 */
export class Uploads {
  readonly #core: Core;
  readonly #rechecks: Rechecks;
  readonly #offers: Offers;
  readonly #reads = new Map<number, { readonly link: Link; readonly upload: Upload }>();
  /** Peers that wait for something, and since when they have got nothing. */
  readonly #waiting = new Map<Link, { sinceUs: number }>();
  /** The same, in the order in which they are served; `undefined` where it has to be made anew. */
  #order: readonly Link[] | undefined;
  /** Peers for which something has been read or is being read that is not sent yet. */
  readonly #ahead = new Set<Link>();
  #nextTicket = 1;

  constructor(core: Core, rechecks: Rechecks, offers: Offers) {
    this.#core = core;
    this.#rechecks = rechecks;
    this.#offers = offers;
  }

  /** Takes a request, or says at once why it will not be answered. */
  onRequest(act: Act, link: Link, request: Request): void {
    const contentId = link.served.get(request.handle);
    const known = contentId && this.#core.contents.get(contentId)?.known;
    if (contentId === undefined || known === undefined || !this.#core.shares) {
      this.#refuse(act, link, request, "not-held");
      return;
    }
    const piece = request.target === "manifest" ? MANIFEST : request.piece;
    const held = piece === MANIFEST || known.held.has(piece);
    const sizeBytes =
      piece === MANIFEST ? known.signed.length : (known.manifest.pieces[piece]?.sizeBytes ?? 0);
    const { requestId, offsetBytes, lengthBytes } = request;
    const inside = lengthBytes <= REQUEST_BYTES_MAX && offsetBytes + lengthBytes <= sizeBytes;
    if (!held || !inside || lengthBytes === 0) {
      this.#refuse(act, link, request, "not-held");
    } else if (link.uploads.length >= UPLOADS_MAX) {
      this.#refuse(act, link, request, "busy");
    } else {
      link.usedAtUs = act.nowUs;
      link.uploads.push({ requestId, contentId, piece, offsetBytes, lengthBytes });
      if (!this.#waiting.has(link)) {
        this.#waiting.set(link, { sinceUs: act.nowUs });
        this.#order = undefined;
      }
    }
  }

  onCancel(link: Link, requestId: number): void {
    const index = link.uploads.findIndex((upload) => upload.requestId === requestId);
    if (index >= 0) link.uploads.splice(index, 1);
    this.#core.endpoint.dropBlocks(link.association, requestId);
  }

  /** What was asked of the store has come. */
  onRead(act: Act, ticket: number, bytes: Uint8Array | undefined): void {
    const read = this.#reads.get(ticket);
    if (read === undefined) return;
    this.#reads.delete(ticket);
    const { link, upload } = read;
    link.readingBytes -= upload.lengthBytes;
    if (bytes === undefined) this.#rechecks.onUnreadable(act, upload.contentId, upload.piece);
    if (this.#core.links.get(link.association) !== link) return;
    if (bytes === undefined) this.#refuse(act, link, upload, "unreadable");
    else this.#send(act, link, upload, bytes);
  }

  onLinkDown(link: Link): void {
    link.uploads.length = 0;
    this.#ahead.delete(link);
    if (this.#waiting.delete(link)) this.#order = undefined;
  }

  /** Goes on with whoever has room again, in order, as far as may be read ahead. */
  pump(act: Act): void {
    if (this.#waiting.size === 0) return;
    this.#order ??= this.#inOrder();
    let room = AHEAD_ALL_BYTES - this.#aheadBytes();
    for (const link of this.#order) {
      if (room <= 0) return;
      room -= this.#advance(act, link, room);
    }
  }

  /** Tells those whose turn does not come, so that they ask others; and looks at the order anew. */
  onTick(act: Act): void {
    this.#order = undefined;
    for (const [link, waiting] of this.#waiting) {
      if (this.#aheadOf(link) > 0) waiting.sinceUs = act.nowUs;
      if (act.nowUs - waiting.sinceUs < PASSED_OVER_US) continue;
      for (const upload of link.uploads.splice(0)) this.#refuse(act, link, upload, "busy");
      this.#waiting.delete(link);
    }
  }

  /** Reads on for a peer; returns how much. */
  #advance(act: Act, link: Link, room: number): number {
    let taken = 0;
    while (link.uploads.length > 0) {
      if (taken >= room || this.#aheadOf(link) >= AHEAD_BYTES - 64 * KIB) return taken;
      const upload = link.uploads.shift();
      if (upload === undefined) break;
      taken += upload.lengthBytes;
      const waiting = this.#waiting.get(link);
      if (waiting !== undefined) waiting.sinceUs = act.nowUs;
      this.#start(act, link, upload);
    }
    this.#waiting.delete(link);
    this.#order = undefined;
    return taken;
  }

  #aheadOf(link: Link): number {
    return this.#core.endpoint.queuedBytes(link.association) + link.readingBytes;
  }

  #aheadBytes(): number {
    let bytes = 0;
    for (const link of this.#ahead) {
      const ahead = this.#aheadOf(link);
      if (ahead === 0) this.#ahead.delete(link);
      bytes += ahead;
    }
    return bytes;
  }

  #inOrder(): readonly Link[] {
    const links = [...this.#waiting.keys()];
    if (links.length < 2) return links;
    const { view, contents } = this.#core;
    const ranked = links.map((link) => {
      const next = link.uploads[0];
      return {
        link,
        priority: (next && contents.get(next.contentId)?.priority) ?? 0,
        onLan: view.sameOffice(link.deviceId) ? 1 : 0,
        deviceId: link.deviceId,
        facts: view.member(link.deviceId)?.facts ?? NO_FACTS,
      };
    });
    ranked.sort((a, b) => a.priority - b.priority || a.onLan - b.onLan || compareCandidates(a, b));
    return ranked.map(({ link }) => link);
  }

  #refuse(
    act: Act,
    link: Link,
    { requestId }: { readonly requestId: number },
    reason: RefusalReason,
  ): void {
    say(this.#core, act, link.association, { kind: "refusal", requestId, reason });
  }

  #start(act: Act, link: Link, upload: Upload): void {
    const { contentId, piece, offsetBytes, lengthBytes } = upload;
    this.#ahead.add(link);
    if (piece === MANIFEST) {
      const signed = this.#core.contents.get(contentId)?.known?.signed;
      const bytes = signed?.subarray(offsetBytes, offsetBytes + lengthBytes);
      if (bytes !== undefined) this.#send(act, link, upload, bytes);
      return;
    }
    const ticket = this.#nextTicket++;
    this.#reads.set(ticket, { link, upload });
    link.readingBytes += lengthBytes;
    act.outbox.readPiece(ticket, contentId, { piece, offsetBytes, lengthBytes });
  }

  #send(act: Act, link: Link, upload: Upload, data: Uint8Array): void {
    const block = { requestId: upload.requestId, offsetBytes: 0, data };
    this.#core.endpoint.sendBlock(act.nowUs, link.association, block, act.transport);
    link.usedAtUs = act.nowUs;
    const entry = this.#core.contents.get(upload.contentId);
    if (entry?.known === undefined || upload.piece === MANIFEST) return;
    const sent = link.sent.get(upload.contentId) ?? new Bitset(entry.known.held.size);
    link.sent.set(upload.contentId, sent);
    if (upload.piece < sent.size) sent.add(upload.piece);
    const sameOffice = this.#core.view.sameOffice(link.deviceId);
    count(entry.tally, data.length, { direction: "out", sameOffice });
    entry.unreported = true;
    this.#offers.onSent(act.nowUs, link, entry, upload.piece);
  }
}
