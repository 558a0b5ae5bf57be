import { KIB, MIB } from "../base/units.ts";
import { count } from "../swarm/ledger.ts";
import type { RefusalReason, Request } from "../wire/messages.ts";
import { type Act, type Core, say, UPLOADS_MAX } from "./core.ts";
import type { Link, Upload } from "./link.ts";

/** How much is read ahead of what the association has sent. */
const AHEAD_BYTES = MIB;

/** Most bytes that one request may ask for: the largest piece, or a part of a manifest. */
const REQUEST_BYTES_MAX = MIB;

/** The index that stands for a manifest in an upload. */
const MANIFEST = -1;

/** Serving: answers requests with what is held and verified, at the pace the association takes. */
export class Uploads {
  readonly #core: Core;
  readonly #reads = new Map<number, { readonly link: Link; readonly upload: Upload }>();
  readonly #active = new Set<Link>();
  #nextTicket = 1;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Takes a request, or says at once why it will not be answered. */
  onRequest(act: Act, link: Link, request: Request): void {
    const refuse = (reason: RefusalReason): void => {
      say(this.#core, act, link.association, {
        kind: "refusal",
        requestId: request.requestId,
        reason,
      });
    };
    const contentId = link.served.get(request.handle);
    const known = contentId && this.#core.contents.get(contentId)?.known;
    // Nobody shares in a VPN office (row B6).
    if (contentId === undefined || known === undefined || this.#core.view.officeType === "vpn") {
      refuse("not-held");
      return;
    }
    const piece = request.target === "manifest" ? MANIFEST : request.piece;
    const held = piece === MANIFEST || known.held.has(piece);
    const sizeBytes =
      piece === MANIFEST ? known.signed.length : (known.manifest.pieces[piece]?.sizeBytes ?? 0);
    const { requestId, offsetBytes, lengthBytes } = request;
    const inside = lengthBytes <= REQUEST_BYTES_MAX && offsetBytes + lengthBytes <= sizeBytes;
    if (!held || !inside || lengthBytes === 0) {
      refuse("not-held");
    } else if (link.uploads.length >= UPLOADS_MAX) {
      refuse("busy");
    } else {
      link.usedAtUs = act.nowUs;
      link.uploads.push({ requestId, contentId, piece, offsetBytes, lengthBytes });
      this.#active.add(link);
      this.#advance(act, link);
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
    if (this.#core.links.get(link.association) !== link) return;
    if (bytes === undefined) {
      const { requestId } = upload;
      say(this.#core, act, link.association, { kind: "refusal", requestId, reason: "unreadable" });
    } else {
      this.#send(act, link, upload, bytes);
    }
    this.#advance(act, link);
  }

  onLinkDown(link: Link): void {
    link.uploads.length = 0;
    this.#active.delete(link);
  }

  /** Goes on with whoever has room again. */
  pump(act: Act): void {
    for (const link of this.#active) this.#advance(act, link);
  }

  #advance(act: Act, link: Link): void {
    while (link.uploads.length > 0) {
      const ahead = this.#core.endpoint.queuedBytes(link.association) + link.readingBytes;
      if (ahead >= AHEAD_BYTES - 64 * KIB) return;
      const upload = link.uploads.shift();
      if (upload !== undefined) this.#start(act, link, upload);
    }
    this.#active.delete(link);
  }

  #start(act: Act, link: Link, upload: Upload): void {
    const { contentId, piece, offsetBytes, lengthBytes } = upload;
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
    if (entry === undefined || upload.piece === MANIFEST) return;
    const sameOffice = this.#core.view.sameOffice(link.deviceId);
    count(entry.tally, data.length, { direction: "out", sameOffice });
    entry.unreported = true;
  }
}
